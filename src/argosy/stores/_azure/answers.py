"""What Azure's refusals mean."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from azure.core.exceptions import AzureError, HttpResponseError, ServiceRequestError, ServiceResponseError

from argosy.core.errors import ArgosyError, Changed, Corrupt, Denied, Refused, Restoring
from argosy.stores._http import unreached
from argosy.stores._http.answers import Answer, NoBucket, meaning

_KINDS: dict[str, type[ArgosyError]] = {
    "Md5Mismatch": Corrupt,
    "Crc64Mismatch": Corrupt,
    "BlobAlreadyExists": Changed,
    "InvalidBlockList": Changed,  # whoever commits an object throws away the blocks that others sent for it
    "BlobArchived": Restoring,
    "BlobBeingRehydrated": Restoring,
    "BlobImmutableDueToPolicy": Denied,
    "LeaseIdMissing": Denied,
    "SnapshotsPresent": Denied,
    "AccountIsDisabled": Refused,
    "ContainerBeingDeleted": Refused,
    "ContainerDisabled": Refused,
    "ContainerNotFound": NoBucket,
    "InvalidUri": Refused,
    "ResourceNotFound": NoBucket,
}
_WORDS: dict[str | type[ArgosyError], str] = {
    "ContainerNotFound": "{where} does not exist: make the container, or correct its name",
    "ResourceNotFound": "{where} does not exist: correct storage account, endpoint or container",
    Refused: "{where} refused our credentials ({said}): check storage account, access key and rights",
    Denied: "object {key} in {where} is protected against changes ({said})",
}


@contextmanager
def translated(key: str, where: str) -> Iterator[None]:
    """Turn the library's errors of the block into ours, naming the object and the store."""
    try:
        yield
    except AzureError as error:
        raise meaning(_answer(error), key=key, where=where, kinds=_KINDS, words=_WORDS) from error


def code(error: Any) -> str:
    """Return the server's own word for what is wrong."""
    found = getattr(error, "error_code", None)
    return str(getattr(found, "value", found) or "")


def _answer(error: AzureError) -> Answer:
    status = (isinstance(error, HttpResponseError) and error.status_code) or 0
    if status == 400 and "MD5 doesn't match" in str(error):  # Azurite's words
        return Answer(400, "Md5Mismatch")
    if status >= 400:  # below, the reply broke off
        return Answer(status, code(error), _after(error))
    if type(error).__name__ == "AzureSigningError":
        return Answer(401, "the access key is none")
    if isinstance(error, ServiceRequestError | ServiceResponseError):  # its text names the host
        return Answer(0, unreached.why(error))
    if "mismatch" in str(error):  # what the server says it has is not what was sent
        return Answer(400, "Md5Mismatch")
    return Answer(0)


def _after(error: Any) -> float:
    said = error.response.headers.get("Retry-After", "") if error.response else ""
    return float(said) if said.isdigit() else 0
