"""What each phase of a run has the sites do, and what it makes of what they found."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from argosy.core.entry import Entry, Stored
from argosy.core.states import FileState, TaskState
from argosy.hub.catalogue.models import Unneeded
from argosy.hub.gc.models import Run
from argosy.hub.gc.notes import Due, Notes, Unwanted
from argosy.hub.jobs.blobs import unpack_carried, unpack_noted
from argosy.hub.jobs.ledger import OPEN_TASK
from argosy.hub.jobs.models import OWN, Job, Result, Task, TaskEntries
from argosy.hub.jobs.queries import FileNote, JobFiles
from argosy.hub.jobs.services import Part
from argosy.hub.sites.models import Site, SiteLink

REFERENCES = "dynamo.tasks.references"
OBJECTS = "dynamo.tasks.objects"
DOOM = "dynamo.tasks.doom_objects"
DELETE = "dynamo.tasks.delete_objects"

DAY = timedelta(days=1)
MOST = 50_000
"""Objects that one run removes, at most: the next goes on."""
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
    return Notes(Path(settings.DATA_DIR) / "gc", run.pk)


def take_references(job: int, entries: Sequence[Entry]) -> None:
    """Note what a site refers to; an entry without a path is an object that it began and never pointed to."""
    run = Run.objects.filter(job=job).first()
    if run is None:
        return
    stored = [(entry.path, entry.facts.stored) for entry in entries if entry.facts.stored is not None]
    with notes(run) as file:
        file.refer(one.uuid for path, one in stored if path)
        file.never_pointed(one.uuid for path, one in stored if not path)


def take_objects(job: int, entries: Sequence[Entry]) -> None:
    """Note what lies in a datastore."""
    run = Run.objects.filter(job=job).first()
    if run is not None:
        with notes(run) as file:
            file.find(entry.facts.stored for entry in entries if entry.facts.stored is not None)


def references() -> list[Part]:
    """Return the work that lists what all sites refer to. All that are known: who cannot be asked stops the run."""
    sites = Site.objects.all()
    return [
        Part(site=site, step=REFERENCES, given=[Entry(path=root.encode()) for root in site.roots]) for site in sites
    ]


def objects() -> list[Part]:
    """Return the work that lists what lies in all datastores, below the paths that sites are linked to."""
    linked: defaultdict[str, list[SiteLink]] = defaultdict(list)
    for link in SiteLink.objects.select_related("site", "datastore"):
        linked[link.datastore.name].append(link)
    return [
        Part(
            site=links[0].site,
            step=OBJECTS,
            given=[Entry(path=b"/" + prefix) for prefix in sorted({bytes(link.datastore_path) for link in links})],
            options={"datastore": name},
        )
        for name, links in linked.items()
    ]


def over(due: Iterable[Due], step: str) -> list[Part]:
    """Return the work that does a step to objects, at a site that is linked to their datastore."""
    found: defaultdict[str, list[Due]] = defaultdict(list)
    for one in due:
        found[one.stored.datastore].append(one)
    return [
        Part(site=link.site, step=step, given=list(map(_entry, found[name])), finds=False)
        for name in found
        if (link := SiteLink.objects.filter(datastore__name=name).select_related("site").first()) is not None
    ]


def _entry(due: Due) -> Entry:
    path = b"/" + due.stored.key.encode()
    return Entry(path=path, size=0, state=due.why).learned(stored=due.stored)


def carried(since: datetime) -> Iterator[bytes]:
    """Yield the uuids of objects that work carried at any moment from `since` to now."""
    tasks = Task.objects.filter(Q(state__in=OPEN_TASK) | Q(completed__gte=since)).exclude(job__jobtype=OWN)
    for blob in TaskEntries.objects.filter(task__in=tasks).values_list("blob", flat=True).iterator(chunk_size=100):
        yield from _uuids(item.entry for item in unpack_carried(blob))
    told = Result.objects.filter(task__in=tasks).exclude(blob=None).values_list("blob", flat=True)
    for noted in told.iterator(chunk_size=100):
        yield from _uuids(item.outcome.entry for item in unpack_noted(noted or b""))


def _uuids(entries: Iterable[Entry]) -> Iterator[bytes]:
    return (entry.facts.stored.uuid for entry in entries if entry.facts.stored is not None)


def adopting(run: Run) -> bool:
    """Say whether a step goes on that began before all that is to go was marked.

    It may come to refer to an object that it found unmarked; those that begin later leave marked ones alone.
    """
    began = Task.objects.filter(state=TaskState.STARTED, chain__isnull=False, started__lt=run.doomed)
    return began.exclude(job__jobtype=OWN).exists()


def asked(now: datetime) -> list[Stored]:
    """Return the objects that somebody asked to have removed."""
    return [_stored(row) for row in Unneeded.objects.filter(asked=True, due__lte=now)[:MOST]]


def unwanted() -> Iterator[Unwanted]:
    """Yield the objects that steps named as not needed, without anybody asking."""
    for row in Unneeded.objects.filter(asked=False).iterator():
        yield Unwanted(_stored(row), row.since.timestamp())


def _stored(row: Unneeded) -> Stored:
    return Stored(
        datastore=row.datastore, key=row.key, uuid=bytes(row.uuid), etag=row.etag, version=row.version, size=row.size
    )


def swept(run: Run) -> dict[str, int]:
    """Forget what was removed, put off what could not be; return counts."""
    told = {"removed": 0, "bytes": 0, "left": 0, "failed": 0}
    for note in _done(run):
        outcome, stored = note.outcome, note.outcome.entry.facts.stored
        if stored is None or outcome.entry.state == SPARED:
            continue
        rows = Unneeded.objects.filter(datastore=stored.datastore, key=stored.key, uuid=stored.uuid)
        if outcome.state.goes_on:
            rows.delete()
        removed = outcome.state is FileState.PROCESSED
        told["removed" if removed else "left" if outcome.state.goes_on else "failed"] += 1
        told["bytes"] += stored.size if removed else 0
    return told


def _done(run: Run) -> Iterator[FileNote]:
    job = Job.objects.filter(pk=run.job or 0).first()
    files = JobFiles(job, None) if job else []
    for start in range(0, len(files), _AT_ONCE):
        yield from files[start : start + _AT_ONCE]


def put_off(run: Run) -> None:
    """Leave alone for a while what the run was to remove and did not, the longer the older it is."""
    now = timezone.now()
    rows = Unneeded.objects.filter(asked=True, since__lte=run.created)
    Unneeded.objects.filter(asked=False, since__lte=now - _SPENT).delete()
    for age, delay in _LATER_BY_AGE:
        rows.filter(since__lte=now - age).update(due=now + delay)
