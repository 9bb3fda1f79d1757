"""What a server's refusals mean, whichever library met them."""

from collections.abc import Mapping
from typing import NamedTuple

from argosy.core.errors import ArgosyError, Changed, Corrupt, Invalid, Refused
from argosy.core.faults import ObjectGone, StoreFull
from argosy.stores._http import unreached
from argosy.stores._http.patience import Passing


class Beyond(ArgosyError):
    """What was asked for begins behind the end of the object."""


class NoBucket(Refused):
    """The bucket or container of the datastore does not exist."""

    code = "bucket_gone"


class Elsewhere(Refused):
    """The bucket lies in another region, or at another endpoint."""

    code = "store_elsewhere"


class NoKey(Refused):
    """The key by which the store encrypts cannot be used."""

    code = "store_key"


class ClockWrong(Refused):
    """The store does not believe our clock."""

    code = "clock_wrong"


class Answer(NamedTuple):
    """An HTTP status, 0 for none at all, and the server's own word for what is wrong, or why there is no answer."""

    status: int
    code: str = ""
    after: float = 0
    """When the server wants to be asked again, in seconds."""


Kinds = Mapping[str, type[ArgosyError]]
Words = Mapping[str | type[ArgosyError], str]

STATUS: dict[int, type[ArgosyError]] = {
    0: Passing,
    301: Elsewhere,
    307: Elsewhere,
    401: Refused,
    403: Refused,
    404: ObjectGone,
    408: Passing,
    409: Passing,
    412: Changed,
    416: Beyond,
    425: Passing,
    429: Passing,
    500: Passing,
    502: Passing,
    503: Passing,
    504: Passing,
    507: StoreFull,
}
_WORDS: dict[str | type[ArgosyError], str] = {
    **unreached.WORDS,
    NoBucket: "{where} does not exist: make it, or correct its name",
    Elsewhere: "{where} lies in another region, or at another endpoint ({said}): correct the datastore",
    NoKey: "{where} cannot use the key by which it encrypts ({said}): see its key management, then run again",
    ClockWrong: "{where} finds our clock wrong: set the clock of this machine",
    ObjectGone: "object {key} does not exist in {where}",
    Changed: "object {key} in {where} is not what was seen before",
    Corrupt: "object {key} arrived at {where} as something else ({said})",
    StoreFull: "{where} is full ({said}): make room, then run again",
    Passing: "{where} does not answer as it should ({said}); it was tried several times",
}
"""What each of them is told in, where a store has no words of its own for it."""


def meaning(answer: Answer, *, key: str, where: str, kinds: Kinds, words: Words) -> ArgosyError:
    """Return the error that the answer is: by the server's word where `kinds` has it, else by its status."""
    told = kinds if answer.status else {**kinds, **unreached.KINDS}
    kind = told.get(answer.code) or STATUS.get(answer.status, Invalid)
    text = words.get(answer.code) or words.get(kind) or _WORDS.get(kind, "object {key}: {where} answers {said}")
    said = f"{answer.status} {answer.code}".strip() if answer.status else "no connection, or no reply in time"
    error = kind(text.format(key=key, where=where, said=said))
    if isinstance(error, Passing):
        error.after = answer.after
    return error
