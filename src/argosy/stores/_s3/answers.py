"""What an S3 server's refusals mean, whichever library met them."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from argosy.core.errors import ArgosyError, Corrupt, Refused
from argosy.core.faults import StoreFull
from argosy.stores._http import unreached
from argosy.stores._http.answers import Answer, ClockWrong, Elsewhere, NoBucket, NoKey, meaning
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
    "KMS.ThrottlingException": Passing,
    "RequestTimeout": Passing,
    "SlowDown": Passing,
    "Throttling": Passing,
    "ThrottlingException": Passing,
    "AuthorizationHeaderMalformed": Elsewhere,
    "ExpiredToken": Refused,
    "InvalidToken": Refused,
    "TokenRefreshRequired": Refused,
    "KMS.AccessDeniedException": NoKey,
    "KMS.DisabledException": NoKey,
    "KMS.InvalidKeyUsageException": NoKey,
    "KMS.InvalidStateException": NoKey,
    "KMS.KMSInvalidStateException": NoKey,
    "KMS.KeyUnavailableException": NoKey,
    "KMS.NotFoundException": NoKey,
    "NoSuchBucket": NoBucket,
    "PermanentRedirect": Elsewhere,
    "RequestTimeTooSkewed": ClockWrong,
    "TemporaryRedirect": Elsewhere,
    "InsufficientCapacity": StoreFull,
    "QuotaExceeded": StoreFull,
    "XMinioAdminBucketQuotaExceeded": StoreFull,
    "XMinioStorageFull": StoreFull,
}
_WORDS: dict[str | type[ArgosyError], str] = {
    NoBucket: "{where} does not exist: make the bucket, or correct its name",
    Refused: "{where} refused our credentials ({said}): check access key id, secret access key and rights",
}
_OURS = {"InvalidPathError": 400, "NotSupportedError": 400, "ParamValidationError": 400, "NoCredentialsError": 401}
"""Errors of the libraries that never reached a server, by the status it would have answered."""

_STATUS_IN_TEXT = re.compile(r"Server returned (?:error response|non-2xx status code): (\d{3})")
_CODE_IN_TEXT = re.compile(r"<Error>\s*<Code>([\w.]+)</Code>")
_REDIRECT_IN_TEXT = re.compile(r"^ +inner: BareRedirect,$", re.MULTILINE)
_UNREACHED_IN_TEXT = {
    unreached.CERTIFICATE: re.compile(r"^ +error: InvalidCertificate\(", re.MULTILINE),
    unreached.NAME: re.compile(r'^ +"dns error",$', re.MULTILINE),
    unreached.PLAIN: re.compile(r"^ +error: InvalidMessage\($", re.MULTILINE),
    unreached.STRANGE: re.compile(r"^ +source: MissingEtag,$", re.MULTILINE),
}
"""Lines of what obstore says for people who debug. An address is on lines of its own, and begins with its scheme."""


_EXPLAINED = {302, 303, 404, 405, 407, 501, 511}
"""Statuses that a store explains with a word of its own. Without one it is a proxy, or a login page, that speaks."""


@contextmanager
def translated(key: str, where: str, *, bare: bool = False) -> Iterator[None]:
    """Turn the libraries' errors of the block into ours, naming the object and the store.

    `bare`: answers have no body, and so no word, as those to a HEAD.
    """
    try:
        yield
    except _failures() as error:
        answer, bare = _answer(error), bare or getattr(error, "operation_name", "").startswith("Head")
        if answer.status in _EXPLAINED and not bare and (not answer.code or answer.code.isdigit()):  # as boto says none
            answer = Answer(0, unreached.STRANGE)
        raise meaning(answer, key=key, where=where, kinds=_CODES, words=_WORDS) from error


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
    word = code[1] if code else ""
    if status is not None:
        return Answer(int(status[1]), word)
    if _REDIRECT_IN_TEXT.search(text):
        return Answer(301, "PermanentRedirect")
    met = next((why for why, line in _UNREACHED_IN_TEXT.items() if line.search(text)), "")
    return Answer(0, word or met or unreached.why(error))
