"""What each phase of a run has the sites do, and what it makes of what they found."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import Max, Q, QuerySet
from django.utils import timezone

from argosy.core.entry import Entry, Stored
from argosy.core.outcome import Outcome
from argosy.core.states import FileState, TaskState
from argosy.discoveries.objects import Objects
from argosy.hub.catalogue.models import Unneeded
from argosy.hub.gc.counted import counted, now_by_kernel
from argosy.hub.gc.models import Run
from argosy.hub.gc.notes import Due, Notes, Working, noticed
from argosy.hub.jobs.blobs import unpack_carried, unpack_noted
from argosy.hub.jobs.files import FileNote, JobFiles
from argosy.hub.jobs.ledger import OPEN_TASK
from argosy.hub.jobs.models import OWN, Job, Result, Task, TaskEntries
from argosy.hub.jobs.rows import AT_ONCE
from argosy.hub.jobs.services import Part
from argosy.hub.sites.models import Site, SiteLink
from argosy.hub.sites.queries import retired

REFERENCES = "dynamo.tasks.references"
OBJECTS = "dynamo.tasks.objects"
DOOM = "dynamo.tasks.doom_objects"
DELETE = "dynamo.tasks.delete_objects"

DAY = timedelta(days=1)
MOST = 50_000
"""Objects of one part of a run, which marks part by part, and removes part by part."""
_SPENT = timedelta(days=365)
"""How long it is remembered that a step needs an object no more, without anybody having asked for its removal."""
_AT_ONCE = 1000
"""Results that are read at once."""
LATER = timedelta(minutes=5)
_LATER_BY_AGE = ((timedelta(0), LATER), (timedelta(hours=1), timedelta(hours=1)), (DAY, DAY))
"""How long what could not be removed is left alone, by how long ago that was asked for."""
SPARED = "spared"
"""Why an object that is marked to go stays: see the step that removes."""


def notes(run: Run) -> Notes:
    """Return the notes of the run."""
    return Notes(_directory(), run.pk)


def _directory() -> Path:
    return Path(settings.DATA_DIR) / "gc"


def now_counted(now: datetime) -> float:
    """Return the time by which waits are counted; to be asked often, since what passes unasked hardly counts."""
    _directory().mkdir(mode=0o700, parents=True, exist_ok=True)
    return counted(noticed(_directory()), now.timestamp(), now_by_kernel())


def begin(run: Run) -> None:
    """Begin the notes of a run. What one of this number left, before the database was lost, does not speak for it."""
    notes(run).remove()
    with notes(run) as file:
        file.begin(run.nonce, Task.objects.aggregate(newest=Max("pk"))["newest"] or 0)
        _note_open(file)


def _note_open(file: Notes) -> None:
    file.work(_working(Q(state__in=OPEN_TASK) | _leased()), adopting=False)


def _leased() -> Q:
    """Return what chooses tasks that were taken from an agent, by a cancellation say, which may not know it yet."""
    return ~Q(state=TaskState.STARTED) & Q(lease_until__gt=timezone.now())


def _working(which: Q) -> Iterator[Working]:
    rows = Task.objects.filter(which).exclude(job__jobtype=OWN).values_list("pk", "attempt")
    return (Working(*row) for row in rows.iterator())


def take_references(job: int, entries: Sequence[Entry]) -> None:
    """Note what a site refers to; an entry without a path is an object that it began and never pointed to."""
    stored = [(entry.path, entry.facts.stored) for entry in entries if entry.facts.stored is not None]
    with _taking(job) as file:
        if file is not None:
            file.refer(one.uuid for path, one in stored if path)
            file.never_pointed(one.uuid for path, one in stored if not path)


def take_objects(job: int, entries: Sequence[Entry]) -> None:
    """Note what lies in a datastore; an entry of which nothing is known but the path is a mark."""
    stored = [(entry.state, entry.facts.stored) for entry in entries if entry.facts.stored is not None]
    with _taking(job) as file:
        if file is not None:
            file.find(one for state, one in stored if state != Objects.ANOTHERS)
            file.find_anothers(one for state, one in stored if state == Objects.ANOTHERS)
            file.find_marks(entry.path[1:].decode() for entry in entries if entry.facts.stored is None)


@contextmanager
def _taking(job: int) -> Iterator[Notes | None]:
    """Hold the notes of the run whose job it is; None where there is none any more."""
    run = Run.objects.filter(job=job).first()
    if run is None:
        yield None
        return
    with notes(run) as file:
        yield file


def references() -> list[Part]:
    """Return the work that lists what all sites refer to. All that are known: who cannot be asked stops the run."""
    sites = Site.objects.all()
    return [
        Part(site=site, step=REFERENCES, given=[Entry(path=root.encode()) for root in site.roots]) for site in sites
    ]


def gone() -> str:
    """Say which root once had files that may refer to objects, and is not served any more; empty where none is."""
    root = retired().first()
    if root is None:
        return ""
    shown = f"root {root.path} of site {root.site}"
    remedy = f"serve it again, or, if its files are gone for good, `argosy site forget-root {root.site} {root.path}`"
    return f"{shown} is no longer served, and what its files point to is not known, so nothing is removed: {remedy}"


def objects(run: Run) -> list[Part]:
    """Return the work that lists what lies in all datastores, below the paths that sites are linked to."""
    linked: defaultdict[str, list[SiteLink]] = defaultdict(list)
    for link in SiteLink.objects.select_related("site", "datastore"):
        linked[link.datastore.name].append(link)
    return [
        Part(
            site=links[0].site,
            step=OBJECTS,
            given=[Entry(path=b"/" + prefix) for prefix in sorted({bytes(link.datastore_path) for link in links})],
            options={"datastore": name} | _taking_over(run),
        )
        for name, links in linked.items()
    ]


def over(due: Iterable[Due], step: str, run: Run) -> list[Part]:
    """Return the work that does a step to objects, at a site that is linked to their datastore."""
    found: defaultdict[str, list[Due]] = defaultdict(list)
    for one in due:
        found[one.stored.datastore].append(one)
    options = {"mark": run.nonce} | (_taking_over(run) if step == DELETE else {})
    return [
        Part(site=link.site, step=step, given=list(map(_entry, found[name])), options=options, finds=False)
        for name in found
        if (link := SiteLink.objects.filter(datastore__name=name).select_related("site").first()) is not None
    ]


def _taking_over(run: Run) -> dict[str, Any]:
    return {"take_over": True} if run.takes_over else {}


def _entry(due: Due) -> Entry:
    path = b"/" + due.stored.key.encode()
    return Entry(path=path, size=0, state=due.why).learned(stored=due.stored)


def carried(file: Notes) -> Iterator[bytes]:
    """Return the uuids of objects that work carried at any moment from when the run began."""
    _note_open(file)  # once more: on a busy hub an older task may have been recorded after the newest there was
    return _carried(file)


def _carried(file: Notes) -> Iterator[bytes]:
    for some in _some(sorted({one.task for one in file.working(adopting=False)})):
        yield from _carried_by(Task.objects.filter(pk__in=some))
    yield from _carried_by(Task.objects.filter(pk__gt=file.newest()).exclude(job__jobtype=OWN))


def _carried_by(tasks: QuerySet[Task]) -> Iterator[bytes]:
    for blob in TaskEntries.objects.filter(task__in=tasks).values_list("blob", flat=True).iterator(chunk_size=100):
        yield from _uuids(item.entry for item in unpack_carried(blob))
    told = Result.objects.filter(task__in=tasks).exclude(blob=None).values_list("blob", flat=True)
    for noted in told.iterator(chunk_size=100):
        yield from _uuids(item.outcome.entry for item in unpack_noted(noted or b""))


def _uuids(entries: Iterable[Entry]) -> Iterator[bytes]:
    return (entry.facts.stored.uuid for entry in entries if entry.facts.stored is not None)


def note_adopting(file: Notes) -> None:
    """Note the attempts that go on now that all that is to go is marked.

    They may come to refer to an object that they found unmarked; those that begin later leave marked ones alone. Which
    they are is noted, not told by their times: clocks are set back.
    """
    file.work(_working((Q(state=TaskState.STARTED) | _leased()) & Q(chain__isnull=False)), adopting=True)


def adopting(file: Notes) -> bool:
    """Say whether one of those attempts may still go on."""
    attempts = set(file.working(adopting=True))
    for some in _some(sorted({one.task for one in attempts})):
        tasks = Task.objects.filter(pk__in=some)
        going = tasks.filter(state=TaskState.STARTED).values_list("pk", "attempt")
        if tasks.filter(_leased()).exists() or attempts & {Working(*one) for one in going}:
            return True
    return False


def _some(tasks: Sequence[int]) -> Iterator[Sequence[int]]:
    """Yield the tasks in lots that a query can name."""
    return (tasks[start : start + AT_ONCE] for start in range(0, len(tasks), AT_ONCE))


def asked(now: datetime) -> list[Stored]:
    """Return the objects that somebody asked to have removed."""
    return [_stored(row) for row in Unneeded.objects.filter(asked=True, due__lte=now)[:MOST]]


def unwanted() -> Iterator[Stored]:
    """Yield the objects that steps named as not needed, without anybody asking."""
    return map(_stored, Unneeded.objects.filter(asked=False).iterator())


def _stored(row: Unneeded) -> Stored:
    return Stored(
        datastore=row.datastore, key=row.key, uuid=bytes(row.uuid), etag=row.etag, version=row.version, size=row.size
    )


def swept(run: Run, file: Notes) -> dict[str, int]:
    """Forget what was removed and what bears no mark any more; return counts."""
    told = {"removed": 0, "bytes": 0, "left": 0, "failed": 0}
    for some in _done(run):
        done = [note.outcome for note in some if note.outcome.entry.facts.stored is not None]
        file.unmarked(_stored_in(outcome) for outcome in done if outcome.state.goes_on)
        for outcome in done:
            if outcome.entry.state != SPARED:
                _sweep_up(outcome, told, run)
    return told


def rows(stored: Stored, run: Run) -> QuerySet[Unneeded]:
    """Return what was recorded of an object before the run. What comes while it goes on is the next one's."""
    before = Unneeded.objects.filter(since__lte=run.created)
    return before.filter(datastore=stored.datastore, key=stored.key, uuid=stored.uuid)


def _sweep_up(outcome: Outcome, told: dict[str, int], run: Run) -> None:
    stored = _stored_in(outcome)
    if outcome.state.goes_on:
        rows(stored, run).delete()
    removed = outcome.state is FileState.PROCESSED
    told["removed" if removed else "left" if outcome.state.goes_on else "failed"] += 1
    told["bytes"] += stored.size if removed else 0


def _stored_in(outcome: Outcome) -> Stored:
    stored = outcome.entry.facts.stored
    assert stored is not None
    return stored


def _done(run: Run) -> Iterator[Sequence[FileNote]]:
    job = Job.objects.filter(pk=run.job or 0).first()
    files = JobFiles(job, None) if job else []
    for start in range(0, len(files), _AT_ONCE):
        yield files[start : start + _AT_ONCE]


def put_off(run: Run) -> None:
    """Leave alone for a while what the run was to remove and did not, the longer the older it is."""
    now = timezone.now()
    rows = Unneeded.objects.filter(asked=True, since__lte=run.created)
    Unneeded.objects.filter(asked=False, since__lte=now - _SPENT).delete()
    for age, delay in _LATER_BY_AGE:
        rows.filter(since__lte=now - age).update(due=now + delay)
