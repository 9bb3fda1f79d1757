"""Conflicts that runs met: recorded when a run ends, and followed by later runs until somebody settled them."""

from collections.abc import Collection, Iterable, Iterator
from datetime import timedelta
from itertools import islice
from typing import Final, TypeVar

import msgspec
import structlog
from blake3 import blake3
from django.db import models, transaction
from django.db.models import Case, Exists, F, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce
from django.utils import timezone

from argosy.core.states import JobState
from argosy.hub.jobs import files
from argosy.hub.jobs.ledger import OPEN_JOB
from argosy.hub.jobs.models import Job, Result, Task
from argosy.hub.sync.models import Conflict, Run
from argosy.hub.sync.verdicts import Verdict, judged
from argosy.sync.rounds import pages, work
from argosy.sync.rounds.quarrels import Fate, Met, Version, Watched

TOLD: Final = timedelta(days=90)
"""How long a conflict is told of that was settled."""
SETTLING: Final = "SETTLING"
"""What a conflict is called while a job does what somebody chose."""
_AT_ONCE: Final = 500
"""Rows of a transaction: nobody else can write meanwhile."""
_OPEN, _SETTLED = Conflict.State.OPEN, Conflict.State.SETTLED
_UNSEEN: Final = {
    "metadata": "one of the two is what both have, the other is told here",
    "place": "it is in one place now",
    "cycle": "it is in one place now",
}
_SHELVED: Final = "the other version is in no sight: see `argosy versions list` of that site, or it stayed where it was"

log = structlog.get_logger()
T = TypeVar("T")


def as_they_stand() -> QuerySet[Conflict]:
    """Return conflicts with `now`, their state, and `ended`, when they were settled.

    What somebody chose counts as soon as its job has done it.
    """
    job = Job.objects.filter(pk=OuterRef("keeping"))
    undone = F("numabortedfiles") + F("numfailedfiles") + F("numcancelledfiles")
    rows = Conflict.objects.select_related("run", "run__pair", "run__site_one", "run__site_two")
    rows = rows.annotate(
        job_state=Subquery(job.values("state")[:1]),
        job_ended=Subquery(job.values("completed")[:1]),
        job_undone=Subquery(job.annotate(undone=undone).values("undone")[:1]),
    )
    done = Q(job_state__in=[JobState.SUCCESS, JobState.SKIPPED], job_undone=0)
    return rows.annotate(
        now=Case(
            When(Q(state=_SETTLED) | done, then=Value(_SETTLED.value)),
            When(job_state__in=OPEN_JOB, then=Value(SETTLING)),
            default=Value(_OPEN.value),
            output_field=models.CharField(),
        ),
        ended=Coalesce("settled", Case(When(done, then=F("job_ended")))),
    )


def in_states(rows: QuerySet[Conflict], states: Collection[str]) -> QuerySet[Conflict]:
    """Return those of `as_they_stand` that are in one of the states by now."""
    return rows.filter(Q(("now__in", states)))


def reason(row: Conflict) -> str:
    """Return how a conflict was settled, or why it could not be as somebody chose."""
    job = Job.objects.filter(pk=row.keeping or 0).first()
    if row.reason or job is None or row.now != _OPEN:  # type: ignore[attr-defined]  # annotated
        return row.reason
    told = [
        noted.outcome.reason for each in Result.objects.filter(task__job=job, late=False) for noted in files.noted(each)
    ]
    told += Task.objects.filter(job=job).exclude(reason="").values_list("reason", flat=True)
    return f"job {job.pk} did not keep `{row.kept}`: {next(filter(None, told), f'it ended in {job.state}')}"


# before a run commits


def watch(run: Run) -> None:
    """Have the round look what became of the conflicts of the pair that are open; harmless when repeated."""
    path = work.watched(run.folder)
    if path.exists():
        return
    rows = Conflict.objects.filter(pair=run.pair_id, state=_OPEN).order_by("pk").iterator(chunk_size=_AT_ONCE)
    pages.write(path, (_watched(row) for row in rows), lambda each: each.number)


def _watched(row: Conflict) -> Watched:
    named, copy = (each.object if each is not None else "" for each in map(_version, (row.this, row.other)))
    return Watched(row.pk, named, copy, bytes(row.path), bytes(row.copy))


def _version(told: object) -> Version | None:
    return None if told is None else msgspec.convert(told, Version)


# when it has ended


def note(run: Run) -> None:
    """Record the conflicts that a run is about to make copies of: it may be broken off, and the copies are there."""
    _write(run, (each for each in _met(run) if each.quarrel.copy))


def record(run: Run) -> None:
    """Record what a round met, and what became of what earlier ones had met; harmless when repeated."""
    _write(run, _met(run))
    if work.fates(run.folder).exists():
        for fates in _parts(pages.read(work.fates(run.folder), Fate)):
            _follow({each.number: each for each in fates}, run)
    _forget_twins(run)
    before = timezone.now() - TOLD
    Conflict.objects.filter(pair=run.pair_id, state=_SETTLED, settled__lt=before).delete()


def _met(run: Run) -> Iterator[Met]:
    """Yield what is told; a run that was planned by an Argosy of before tells nothing."""
    path = work.met(run.folder)
    return pages.read(path, Met) if path.exists() else iter(())


def _write(run: Run, found: Iterable[Met]) -> None:
    for some in _parts(found):
        rows = {row.key: row for row in (_row(run, each) for each in some)}
        Conflict.objects.bulk_create(
            rows.values(), update_conflicts=True, unique_fields=["pair", "key"], update_fields=["this", "other"]
        )


def _parts(values: Iterable[T]) -> Iterator[list[T]]:
    rest = iter(values)
    while some := list(islice(rest, _AT_ONCE)):
        yield some


def _row(run: Run, met: Met) -> Conflict:
    each, now = met.quarrel, timezone.now()
    in_sight = bool(each.copy)
    return Conflict(
        run=run,
        pair_id=run.pair_id,
        key=_key(met),
        dispute=each.dispute,
        winner=int(each.winner),
        path=each.at or each.path,
        copy=each.kept,
        this=msgspec.to_builtins(met.named),
        other=msgspec.to_builtins(met.other),
        why=each.why,
        state=_OPEN if in_sight else _SETTLED,
        reason="" if in_sight else _UNSEEN.get(each.dispute, _SHELVED),
        created=now,
        settled=None if in_sight else now,
    )


def _key(met: Met) -> str:
    """Return by what it is known as the same as long as it is not settled; without a copy, for ever."""
    each = met.quarrel
    about = (each.dispute, each.winner, each.at or each.path, each.kept)
    contents = tuple(None if one is None else (one.content, one.size) for one in (met.named, met.other))
    return blake3(msgspec.msgpack.encode((about, None if each.copy else (each.why, contents)))).hexdigest()


@transaction.atomic
def _follow(fates: dict[int, Fate], run: Run) -> None:
    for row in as_they_stand().select_for_update(of=("self",)).filter(pk__in=fates, state=_OPEN):
        fate = fates[row.pk]
        if fate.copy is None and not fate.coming and not _was_seen(row):
            row.delete()  # the copy never came to be: what it is about is met anew
            continue
        verdict = judged(fate, _version(row.this), _version(row.other), at=bytes(row.path), kept=bytes(row.copy))
        if verdict is None:
            _renew(row, fate, run)
        else:
            _settle(row, verdict)


def _forget_twins(run: Run) -> None:
    """Have two versions be one conflict: of one that is open, again or still, the run has met another dispute."""
    earlier = Conflict.objects.filter(
        pair=OuterRef("pair"), state=_OPEN, path=OuterRef("path"), copy=OuterRef("copy"), pk__lt=OuterRef("pk")
    )
    Conflict.objects.filter(Exists(earlier), run=run, state=_OPEN).delete()


def settled_key(row: Conflict) -> str:
    """Return the key of a conflict that is settled: should the same be met again, it is another."""
    return blake3(f"{row.pk} {row.key}".encode()).hexdigest()


def _was_seen(row: Conflict) -> bool:
    other = _version(row.other)
    return other is not None and any(other.on)


def _settle(row: Conflict, verdict: Verdict) -> None:
    chosen = row.now == _SETTLED  # type: ignore[attr-defined]  # annotated
    row.state, row.settled = _SETTLED, row.ended or timezone.now()  # type: ignore[attr-defined]
    if not chosen:
        row.kept, row.reason, row.keeping, row.by = verdict.kept, verdict.reason, None, ""
    row.key = settled_key(row)
    row.save()
    log.info("conflict settled", conflict=row.pk, kept=row.kept, reason=row.reason)


def _renew(row: Conflict, fate: Fate, run: Run) -> None:
    """Note where both versions are by now, and what they hold; what was settled and is there again is open again."""
    for name, found in (("this", fate.named), ("other", fate.copy)):
        if found is not None:
            setattr(row, name, msgspec.to_builtins(found.version))
            setattr(row, "path" if name == "this" else "copy", found.path)
    ended = row.job_ended  # type: ignore[attr-defined]  # annotated
    if row.now == _SETTLED and ended is not None and ended < run.created:  # type: ignore[attr-defined]
        row.kept, row.keeping, row.by = "", None, ""
        row.reason = "it was settled at one site, and what was to go was changed meanwhile at the other: both are there"
    row.save()
