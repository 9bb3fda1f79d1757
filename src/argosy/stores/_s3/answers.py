"""What an S3 server's refusals mean, whichever library met them."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import NamedTuple

from argosy.core.errors import ArgosyError, Changed, Corrupt, Exhausted, Invalid, NotFound, Refused, Unavailable


class Passing(Unavailable):
    """The store did not answer, or said to come back: another try may succeed."""


class Beyond(ArgosyError):
    """What was asked for begins behind the end of the object."""


class _Answer(NamedTuple):
    """An HTTP status, 0 for none at all, and the server's own word for what is wrong."""

    status: int
    code: str


_CODES: dict[str, type[ArgosyError]] = {
    "BadDigest": Corrupt,
    "InvalidDigest": Corrupt,
    "XAmzContentChecksumMismatch": Corrupt,
    "XAmzContentSHA256Mismatch": Corrupt,
    "ConditionalRequestConflict": Passing,
    "OperationAborted": Passing,
    "RequestTimeout": Passing,
    "SlowDown": Passing,
    "AuthorizationHeaderMalformed": Refused,
    "NoSuchBucket": Refused,
    "PermanentRedirect": Refused,
    "RequestTimeTooSkewed": Refused,
    "TemporaryRedirect": Refused,
    "InsufficientCapacity": Exhausted,
    "QuotaExceeded": Exhausted,
    "XMinioAdminBucketQuotaExceeded": Exhausted,
    "XMinioStorageFull": Exhausted,
}
_STATUS: dict[int, type[ArgosyError]] = {
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
_REGION = "{where} lies in another region, or at another endpoint ({said}): correct the datastore"
_WORDS: dict[str | type[ArgosyError], str] = {
    "AuthorizationHeaderMalformed": _REGION,
    "PermanentRedirect": _REGION,
    "TemporaryRedirect": _REGION,
    "NoSuchBucket": "{where} does not exist: make the bucket, or correct its name",
    "RequestTimeTooSkewed": "{where} finds our clock wrong: set the clock of this machine",
    Refused: "{where} refused our credentials ({said}): check access key id, secret access key and rights",
    NotFound: "object {key} does not exist in {where}",
    Changed: "object {key} in {where} is not what was seen before",
    Corrupt: "object {key} arrived at {where} as something else ({said})",
    Exhausted: "{where} is full ({said}): make room, then run again",
    Passing: "{where} does not answer as it should ({said}); it was tried several times",
}
_OURS = {"InvalidPathError": 400, "NotSupportedError": 400, "ParamValidationError": 400, "NoCredentialsError": 401}
"""Errors of the libraries that never reached a server, by the status it would have answered."""

_STATUS_IN_TEXT = re.compile(r"Server returned (?:error response|non-2xx status code): (\d{3})")
_CODE_IN_TEXT = re.compile(r"<Error>\s*<Code>(\w+)</Code>")


@contextmanager
def translated(key: str, where: str) -> Iterator[None]:
    """Turn the libraries' errors of the block into ours, naming the object and the store."""
    try:
        yield
    except _failures() as error:
        raise _meaning(_answer(error), key, where) from error


@cache
def _failures() -> tuple[type[Exception], ...]:
    from botocore.exceptions import BotoCoreError, ClientError
    from obstore.exceptions import BaseError

    return BaseError, ClientError, BotoCoreError, FileNotFoundError  # obstore's NotFound is the built-in one


def _answer(error: Exception) -> _Answer:
    name = type(error).__name__
    if name in _OURS:
        return _Answer(_OURS[name], name)
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        return _Answer(response["ResponseMetadata"].get("HTTPStatusCode", 0), response["Error"].get("Code", ""))
    text = str(error)
    status, code = _STATUS_IN_TEXT.search(text), _CODE_IN_TEXT.search(text)
    return _Answer(int(status[1]) if status else 0, code[1] if code else "")


def _meaning(answer: _Answer, key: str, where: str) -> ArgosyError:
    kind = _CODES.get(answer.code) or _STATUS.get(answer.status, Invalid)
    words = _WORDS.get(answer.code) or _WORDS.get(kind, "object {key}: {where} answers {said}")
    said = f"{answer.status} {answer.code}".strip() if answer.status else "no connection, or no reply in time"
    return kind(words.format(key=key, where=where, said=said))
