"""Decisions on what is known of objects."""

from collections.abc import Iterable
from datetime import datetime

from argosy.core.entry import Stored
from argosy.hub.catalogue.models import Unneeded

ASKED = frozenset({"dynamo.tasks.recall", "dynamo.tasks.remove_from_cloud"})
"""Steps that name objects only where somebody asked for their deletion. What others name waits as deleted files do."""

_ONCE = ("datastore", "key", "uuid")
_ORDERED = ("etag", "version", "size", "since", "why", "job", "asked", "due")
_AT_ONCE = 90
"""Rows that SQLite takes in one statement."""


def unneeded(stored: Stored, *, step: str, job: int, now: datetime) -> Unneeded:
    """Return what is to be recorded of an object that a step named; `record` does it."""
    return Unneeded(
        datastore=stored.datastore, key=stored.key, uuid=stored.uuid, etag=stored.etag, version=stored.version,
        size=stored.size, since=now, why=step, job=job, asked=step in ASKED, due=now,
    )  # fmt: skip


def record(rows: Iterable[Unneeded]) -> None:
    """Record the objects, each once however often it is named. Call it in the transaction of the report.

    Somebody's order to remove one counts, whatever was recorded of it before.
    """
    named = list(rows)
    Unneeded.objects.bulk_create([row for row in named if not row.asked], ignore_conflicts=True, batch_size=_AT_ONCE)
    Unneeded.objects.bulk_create(
        [row for row in named if row.asked],
        update_conflicts=True, unique_fields=_ONCE, update_fields=_ORDERED, batch_size=_AT_ONCE,
    )  # fmt: skip
