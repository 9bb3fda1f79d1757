"""What an S3 server's refusals mean, whichever library met them."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from argosy.core.errors import ArgosyError, Changed, Corrupt, Exhausted, NotFound, Refused
from argosy.stores._http.answers import Answer, meaning
from argosy.stores._http.patience import Passing


class Archived(ArgosyError):
    """The object is in an archive class: it must be restored before it can be read."""


class Underway(ArgosyError):
    """The object is being restored from its archive class already, or has been."""


_CODES: dict[str, type[ArgosyError]] = {
    "BadDigest": Corrupt,
    "InvalidDigest": Corrupt,
    "InvalidObjectState": Archived,
    "ObjectNotInActiveTierError": Archived,
    "ObjectAlreadyInActiveTierError": Underway,
    "RestoreAlreadyInProgress": Underway,
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
        raise meaning(_answer(error), key=key, where=where, kinds=_CODES, words=_WORDS) from error


@cache
def _failures() -> tuple[type[Exception], ...]:
    from botocore.exceptions import BotoCoreError, ClientError
    from obstore.exceptions import BaseError

    return BaseError, ClientError, BotoCoreError, FileNotFoundError  # obstore's NotFound is the built-in one


def _answer(error: Exception) -> Answer:
    name = type(error).__name__
    if name in _OURS:
        return Answer(_OURS[name], name)
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        return Answer(response["ResponseMetadata"].get("HTTPStatusCode", 0), response["Error"].get("Code", ""))
    text = str(error)
    status, code = _STATUS_IN_TEXT.search(text), _CODE_IN_TEXT.search(text)
    return Answer(int(status[1]) if status else 0, code[1] if code else "")
