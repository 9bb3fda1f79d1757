"""Decisions on what is known of objects."""

from collections.abc import Iterable
from datetime import datetime

from argosy.core.entry import Stored
from argosy.hub.catalogue.models import Unneeded

ASKED = frozenset({"dynamo.tasks.recall", "dynamo.tasks.remove_from_cloud"})
"""Steps that name objects only where somebody asked for their deletion. What others name waits as deleted files do."""


def unneeded(stored: Stored, *, step: str, job: int, now: datetime) -> Unneeded:
    """Return what is to be recorded of an object that a step named; `record` does it."""
    return Unneeded(
        datastore=stored.datastore, key=stored.key, uuid=stored.uuid, etag=stored.etag, version=stored.version,
        size=stored.size, since=now, why=step, job=job, asked=step in ASKED, due=now,
    )  # fmt: skip


def record(rows: Iterable[Unneeded]) -> None:
    """Record the objects, each once however often it is named. Call it in the transaction of the report."""
    Unneeded.objects.bulk_create(rows, ignore_conflicts=True, batch_size=90)
