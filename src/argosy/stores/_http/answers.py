"""What a server's refusals mean, whichever library met them."""

from collections.abc import Mapping
from typing import NamedTuple

from argosy.core.errors import ArgosyError, Changed, Exhausted, Invalid, NotFound, Refused
from argosy.stores._http.patience import Passing


class Beyond(ArgosyError):
    """What was asked for begins behind the end of the object."""


class Answer(NamedTuple):
    """An HTTP status, 0 for none at all, and the server's own word for what is wrong."""

    status: int
    code: str = ""
    after: float = 0
    """When the server wants to be asked again, in seconds."""


Kinds = Mapping[str, type[ArgosyError]]
Words = Mapping[str | type[ArgosyError], str]

STATUS: dict[int, type[ArgosyError]] = {
    0: Passing,
    301: Refused,
    307: Refused,
    401: Refused,
    403: Refused,
    404: NotFound,
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
    507: Exhausted,
}


def meaning(answer: Answer, *, key: str, where: str, kinds: Kinds, words: Words) -> ArgosyError:
    """Return the error that the answer is: by the server's word where `kinds` has it, else by its status."""
    kind = kinds.get(answer.code) or STATUS.get(answer.status, Invalid)
    text = words.get(answer.code) or words.get(kind, "object {key}: {where} answers {said}")
    said = f"{answer.status} {answer.code}".strip() if answer.status else "no connection, or no reply in time"
    error = kind(text.format(key=key, where=where, said=said))
    if isinstance(error, Passing):
        error.after = answer.after
    return error
