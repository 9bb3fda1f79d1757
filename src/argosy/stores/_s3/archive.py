"""Objects in archive classes: they are asked for, and can be read hours later."""

from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from argosy.stores._s3.answers import Archived, Underway
from argosy.stores._s3.multipart import Call

CLASSES = frozenset({"GLACIER", "DEEP_ARCHIVE"})
"""Storage classes whose objects cannot be read as they are."""

_HOURS = {
    ("GLACIER", "Expedited"): "in some minutes",
    ("GLACIER", "Standard"): "in about 5 hours",
    ("GLACIER", "Bulk"): "in about 12 hours",
    ("DEEP_ARCHIVE", "Standard"): "in about 12 hours",
    ("DEEP_ARCHIVE", "Bulk"): "in about 48 hours",
}
_ONGOING = 'ongoing-request="true"'


def ask_back(client: Any, place: Mapping[str, str], *, tier: str, days: int, call: Call) -> str:
    """Have the object brought back, unless that was asked before; return the rest of a sentence that says so."""
    found = call(lambda: client.head_object(**place))
    kind = found.get("StorageClass", "STANDARD")
    when = _HOURS.get((kind, tier), "in some hours")
    if _ONGOING in found.get("Restore", ""):
        return f"is in the archive class {kind}, and is being restored: ask again {when} after that began"
    wanted: dict[str, Any] = {"GlacierJobParameters": {"Tier": tier}}
    if kind in CLASSES:  # elsewhere it stays once it is back, and S3 refuses to be told for how long
        wanted["Days"] = days
    with suppress(Underway, Archived):  # somebody else asked, or put another object there; who asks again will see
        call(partial(client.restore_object, **place, RestoreRequest=wanted))
    return f"is in the archive class {kind}: its restore was requested, ask again {when}"
