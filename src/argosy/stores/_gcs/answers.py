"""What Google's refusals mean."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests
import urllib3
from google.api_core.exceptions import GoogleAPICallError, RetryError
from google.auth.exceptions import GoogleAuthError, TransportError
from google.cloud.storage.exceptions import DataCorruption, InvalidResponse

from argosy.core.errors import ArgosyError, Corrupt, Denied, Refused
from argosy.core.faults import StoreFull
from argosy.stores._http import unreached
from argosy.stores._http.answers import Answer, NoBucket, meaning
from argosy.stores._http.patience import Passing

_MISMATCH = "checksumMismatch"
_NO_BUCKET = "noSuchBucket"
_KINDS: dict[str, type[ArgosyError]] = {
    _MISMATCH: Corrupt,
    _NO_BUCKET: NoBucket,
    "dailyLimitExceeded": StoreFull,
    "objectUnderActiveHold": Denied,
    "quotaExceeded": StoreFull,
    "rateLimitExceeded": Passing,
    "retentionPolicyNotMet": Denied,
    "userRateLimitExceeded": Passing,
}
_WORDS: dict[str | type[ArgosyError], str] = {
    NoBucket: "{where} does not exist: make the bucket, or correct its name",
    Refused: "{where} refused our credentials ({said}): check the credentials file and the rights of its account",
    Denied: "object {key} in {where} is protected against changes ({said})",
    StoreFull: "{where} gives us no more ({said}): raise the quota, then run again",
}
FAILURES = (
    GoogleAPICallError,
    RetryError,
    GoogleAuthError,
    InvalidResponse,
    DataCorruption,
    requests.RequestException,
    urllib3.exceptions.HTTPError,
)


@contextmanager
def translated(key: str, where: str) -> Iterator[None]:
    """Turn the library's errors of the block into ours, naming the object and the store."""
    try:
        yield
    except FAILURES as error:
        raise meaning(_answer(error), key=key, where=where, kinds=_KINDS, words=_WORDS) from error


def is_passing(error: Exception) -> bool:
    """Say whether another try may succeed."""
    if not isinstance(error, FAILURES):
        return False
    return isinstance(meaning(_answer(error), key="", where="", kinds=_KINDS, words=_WORDS), Passing)


def _answer(error: Exception) -> Answer:
    if isinstance(error, RetryError):  # the library gave up
        return _answer(error.cause) if isinstance(error.cause, FAILURES) else Answer(0, unreached.why(error))
    if isinstance(error, DataCorruption):
        return Answer(400, _MISMATCH)
    if isinstance(error, GoogleAuthError):
        passing = isinstance(error, TransportError) or error.retryable
        return Answer(0, unreached.why(error)) if passing else Answer(401, str(error.args[0])[:100])
    response: Any = getattr(error, "response", None)
    if response is None:
        status = int(getattr(error, "code", None) or 0)
        return Answer(status, "" if status else unreached.why(error))
    if response.status_code < 400:  # it should have said more: nothing was kept of what came
        return Answer(0)
    status = 404 if response.status_code == 410 else response.status_code  # an upload that the server gave up
    return Answer(status, _word(response), _after(response))


def _word(response: Any) -> str:
    """Return Google's own word for what is wrong; some things it only tells in a sentence."""
    if response.status_code == 400 and "match" in response.text and "CRC32C" in response.text.upper():
        return _MISMATCH
    try:
        error = response.json()["error"]
        said, word = str(error["message"]), str(error["errors"][0]["reason"])
    except (ValueError, LookupError, TypeError):
        said, word = response.text, ""
    if response.status_code == 404 and said.startswith("The specified bucket does not exist"):  # names stand behind
        return _NO_BUCKET
    return word


def _after(response: Any) -> float:
    said = response.headers.get("Retry-After", "")
    return float(said) if said.isdigit() else 0
