"""What people choose of conflicts: which version has the name from now on."""

from typing import Any, Final

import msgspec
import structlog
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from argosy.core.entry import Entry, Kind
from argosy.core.errors import NotFound
from argosy.core.paths import display, join
from argosy.hub.common.errors import Conflict as Refused
from argosy.hub.jobs import services as jobs
from argosy.hub.jobs.models import Job
from argosy.hub.sites.models import Fileset
from argosy.hub.sync import conflicts, phases
from argosy.hub.sync.models import Conflict, Run
from argosy.sync.planner import trees
from argosy.sync.planner.trees import SIDES, Side
from argosy.sync.rounds.quarrels import Version

KEEP: Final = "dynamo.tasks.keep_version"
_OPEN: Final = Conflict.State.OPEN
_SETTLED: Final = Conflict.State.SETTLED

log = structlog.get_logger()


@transaction.atomic
def keep(pk: int, version: Conflict.Kept, *, owner: User | None) -> Conflict:
    """Have a version of an open conflict have the name, at one site, and return the conflict as it stands.

    The next sync does the same at the other site. The version that is not kept goes to a shelf. To keep both is to
    leave all as it is. Chosen once more, it is no other choice.

    Raises:
        NotFound: there is no such conflict.
        Conflict: it was settled otherwise, a job is at it, or no site can do it.
    """
    Conflict.objects.select_for_update().filter(pk=pk).first()
    row = conflicts.as_they_stand().filter(pk=pk).first()
    if row is None:
        raise NotFound(f"there is no conflict {pk}: see `argosy conflicts list`")
    now = row.now  # type: ignore[attr-defined]  # annotated
    if now != _OPEN:
        _expect_same(row, version, now)
        return row
    row.kept, row.by, row.reason = version.value, owner.username if owner is not None else "", ""
    if version == Conflict.Kept.BOTH:
        row.state, row.settled, row.reason = _SETTLED, timezone.now(), "both stay as they are"
        row.key = conflicts.settled_key(row)
    else:
        row.keeping = _begin(row, version, owner).pk
    row.save()
    log.info("conflict: a version was chosen", conflict=pk, kept=version.value, job=row.keeping)
    return conflicts.as_they_stand().get(pk=pk)


def _expect_same(row: Conflict, version: Conflict.Kept, now: str) -> None:
    if row.kept == version:
        return
    if now == conflicts.SETTLING:
        raise Refused(f"conflict {row.pk}: job {row.keeping} keeps `{row.kept}` already: wait for it to end")
    how = f"`{row.kept}` was kept" if row.kept else "no version was chosen"
    why = f" ({row.reason})" if row.reason else ""
    raise Refused(f"conflict {row.pk} is settled: {how}{why}. What was not kept: `argosy versions` and `argosy trash`")


def _begin(row: Conflict, version: Conflict.Kept, owner: User | None) -> Job:
    this, other = (msgspec.convert(each, Version) for each in (row.this, row.other))
    side = _side(row, this, other)
    top = row.run.top(side)
    entry = Entry(path=join(top, bytes(row.copy)), kind=phases.KINDS[other.kind], size=other.size)
    options = {
        "keeps": version.value,
        "name": msgspec.to_builtins(join(top, bytes(row.path))),
        "this": _seen(this, side),
        "other": _seen(other, side),
    }
    job = jobs.begin([jobs.Part(site=row.run.site(side), step=KEEP, given=[entry], options=options, finds=False)])
    Job.objects.filter(pk=job.pk).update(owner=owner)
    return job


def _side(row: Conflict, this: Version, other: Version) -> Side:
    """Return a side that has both, and keeps what is removed; the source of a one-way sync is left alone.

    Raises:
        Conflict: there is none, or one of both is a directory.
    """
    if trees.Kind.DIRECTORY in {this.kind, other.kind}:
        raise Refused(
            f"conflict {row.pk}: {display(bytes(row.path))} or {display(bytes(row.copy))} is a directory: give them "
            "the names you want yourself, and sync"
        )
    sides = [side for side in SIDES if this.on[side] and other.on[side] and not (row.run.one_way and side is Side.ONE)]
    if not sides:
        raise Refused(
            f"conflict {row.pk}: no site has both versions yet: sync again (`argosy sync status {row.run.job}`)"
        )
    kept = next((side for side in sides if _days_kept(row.run, side) > 0), None)
    if kept is None:
        names = ", ".join(row.run.site(side).name for side in sides)
        raise Refused(
            f"conflict {row.pk}: no trash is kept at {names}, and the other version would be lost: set trash_days"
        )
    return kept


def _days_kept(run: Run, side: Side) -> float:
    """Return how long a side keeps what is removed there."""
    site = run.site(side)
    fileset = Fileset.objects.filter(site=site, ident=run.ident(side)).first()
    return site.trash_days if fileset is None or fileset.trash_days is None else fileset.trash_days


def _seen(version: Version, side: Side) -> dict[str, Any]:
    seen = version.on[side]
    assert seen is not None
    kind = phases.KINDS[version.kind]
    told: dict[str, Any] = msgspec.to_builtins(
        {
            "kind": Kind(kind).value,
            "inode": seen.inode,
            "size": seen.size,
            "mtime_ns": seen.mtime_ns,
            "ctime_ns": seen.ctime_ns,
            "content": version.content,
        }
    )
    return told
