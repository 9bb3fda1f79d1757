"""Why what is left of a job is not done yet: who is to do it, what the last try met, and when the next is made."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import Min, QuerySet, Sum
from msgspec.structs import replace

from argosy.core.entry import Entry
from argosy.core.states import TaskState
from argosy.hub.jobs import suspects
from argosy.hub.jobs.blobs import unpack_carried
from argosy.hub.jobs.explain.causes import (
    AGENT_SILENT,
    BEHIND,
    NO_AGENT,
    QUEUED,
    ROOT_REFUSED,
    RUNNING,
    SLOTS_HELD,
    STORE_DOWN,
    Cause,
    cause_of,
)
from argosy.hub.jobs.explain.words import Trouble, counted
from argosy.hub.jobs.models import Job, Queue, Submission, Task, TaskEntries
from argosy.hub.sites.links import covering, links_of
from argosy.hub.sites.models import Datastore, Presence, Site
from argosy.hub.sites.presence import blockage, last_heard, refusal, serving

_OPEN = (TaskState.PENDING, TaskState.STARTED)
_UNTROUBLED = (QUEUED, BEHIND, RUNNING)
"""Causes that nobody needs to do anything about."""
FRESH = timedelta(seconds=30)
"""What is left of a lease that was renewed lately: half of one, of which agents renew every sixth part."""
_AHEAD = 5
"""How many of the jobs ahead are named."""
TO_STORES = {
    "dynamo.tasks.adopt",
    "dynamo.tasks.delete_objects",
    "dynamo.tasks.doom_objects",
    "dynamo.tasks.ensure_cloud_file_exists",
    "dynamo.tasks.migrate",
    "dynamo.tasks.move_in_cloud",
    "dynamo.tasks.ngenea_sync_metadata",
    "dynamo.tasks.objects",
    "dynamo.tasks.rebuild",
    "dynamo.tasks.recall",
    "dynamo.tasks.remove_from_cloud",
    "dynamo.tasks.reverse_stub",
    "dynamo.tasks.verify",
}
"""Steps whose work is done with a datastore: one that does not answer is what they wait for."""


def troubles(job: Job, now: datetime) -> list[Trouble]:
    """Return why open tasks of the job wait or go on, what matters most first."""
    found: list[Trouble] = []
    for site in Site.objects.filter(tasks__job=job, tasks__state__in=_OPEN).distinct():
        tasks = Task.objects.filter(job=job, site=site)
        found += _of_site(site, tasks.filter(state=TaskState.PENDING), tasks.filter(state=TaskState.STARTED), now)
    return sorted(found, key=_rank)


def _rank(trouble: Trouble) -> int:
    return 1 + _UNTROUBLED.index(trouble.cause) if trouble.cause in _UNTROUBLED else 0


def _of_site(site: Site, pending: QuerySet[Task], started: QuerySet[Task], now: datetime) -> Iterator[Trouble]:
    nodes = serving(site, now)
    yield from _absence(site, nodes, pending, busy=_is_busy(site, now))
    yield from _tried(site, pending)
    yield from _running(site, started, now)
    fresh = pending.filter(error="")
    if (nodes or _is_busy(site, now)) and fresh.exists() and not refusal(site, nodes):
        yield from _queued(site, nodes, fresh, started, now)


def _tried(site: Site, pending: QuerySet[Task]) -> Iterator[Trouble]:
    """Yield what tasks that wait for another attempt met in the last."""
    alike = pending.exclude(error="").values("tasktype", "error", "reason")
    for found in alike.annotate(files=Sum("numfiles"), due=Min("due"), first=Min("id")).order_by("first"):
        yield Trouble(
            cause=cause_of(found["error"]),
            state="waiting",
            files=found["files"] or 0,
            site=site.name,
            step=found["tasktype"],
            reason=found["reason"],
            path=_path_of(found["first"]),
            next_try=found["due"],
        )


def _absence(site: Site, nodes: list[Presence], pending: QuerySet[Task], *, busy: bool) -> Iterator[Trouble]:
    """Yield that nobody is there to do it, or nobody who may."""
    if busy or not pending.exists():
        return
    if not nodes:
        last = last_heard(site)
        heard = f"{last.node} was heard last, at {last.heard:%Y-%m-%d %H:%M:%S} UTC" if last else "none ever was heard"
        yield _all_of(
            NO_AGENT, site, pending, f"no node serves site {site.name}: {heard}", last.heard if last else None
        )
    elif refused := refusal(site, nodes):
        yield _all_of(ROOT_REFUSED, site, pending, refused)


def _is_busy(site: Site, now: datetime) -> bool:
    """Say whether somebody works for the site now, whatever he says of himself."""
    return Task.objects.filter(site=site, state=TaskState.STARTED, lease_until__gt=now + FRESH).exists()


def _running(site: Site, started: QuerySet[Task], now: datetime) -> Iterator[Trouble]:
    alike = started.values("node", "tasktype", "error", "reason")
    for found in alike.annotate(files=Sum("numfiles"), since=Min("started"), first=Min("id"), lease=Min("lease_until")):
        heard = found["lease"] is not None and found["lease"] - now > FRESH
        trouble = Trouble(
            cause=RUNNING if heard else AGENT_SILENT,
            state="running",
            files=found["files"] or 0,
            site=site.name,
            step=found["tasktype"],
            reason=f"{found['node']} runs it" + (f"; before: {found['reason']}" if found["reason"] else ""),
            path=_path_of(found["first"]),
            since=found["since"],
            next_try=None if heard else found["lease"],
        )
        if found["error"]:  # it was tried before, and this is how that went
            yield replace(trouble, cause=cause_of(found["error"]))
        else:
            yield (
                replace(trouble, cause=STORE_DOWN, reason=f"datastore {down}")
                if heard and (down := _store_down(site, found["node"], found["tasktype"], found["first"]))
                else trouble
            )


def _store_down(site: Site, node: str, step: str, task: int) -> str:
    """Say which datastore that the task needs does not answer its node, or did not when it was probed; "" for none."""
    if step not in TO_STORES:
        return ""
    names = _datastores(site, task)
    for silent in Presence.objects.filter(site=site, node=node).values_list("silent", flat=True):
        if late := sorted(names & set(silent)):
            return f"{late[0]} {silent[late[0]]}"
    down = Datastore.objects.filter(name__in=names, abilities__isnull=True).exclude(trouble="").first()
    return f"{down.name}: {down.trouble}" if down else ""


def _datastores(site: Site, task: int) -> set[str]:
    """Return the datastores that the first entry of a task goes to or comes from, or that it was told of."""
    told = Submission.objects.filter(tasks=task).values_list("options__datastore", flat=True).first()
    names = {told} if isinstance(told, str) else set()
    if (first := _first_of(task)) is not None:
        link, stored = covering(links_of(site), first.path), first.facts.stored
        names |= {link.datastore} if link else set()
        names |= {stored.datastore} if stored else set()
    return names


def _queued(
    site: Site, nodes: list[Presence], fresh: QuerySet[Task], own: QuerySet[Task], now: datetime
) -> Iterator[Trouble]:
    """Yield what the site does first, for each kind of slot that the tasks wait for."""
    if (held := _held_by(now)) is not None:
        suspect, does = held
        reason = f"a task of job {suspect.job_id} is {does}, for {suspect.reason}"
        yield replace(_all_of(QUEUED, site, fresh, reason), jobs=(suspect.job_id,))
        return
    for queue in Queue.values:
        waiting = fresh.filter(queue=queue)
        first = waiting.order_by("id").first()
        if first is None:
            continue
        if blocked := blockage(nodes, queue):
            yield _all_of(SLOTS_HELD, site, waiting, blocked)
            continue
        others = Task.objects.filter(site=site, queue=queue).exclude(job=first.job_id)
        ahead = others.filter(state=TaskState.STARTED) | others.filter(state=TaskState.PENDING, pk__lt=first.pk)
        jobs = list(ahead.order_by("job").values_list("job", flat=True).distinct())
        if jobs:
            tasks = ahead.count()
            reason = f"{counted(tasks, 'task')} of {counted(len(jobs), 'other job')} are ahead"
            yield replace(_all_of(QUEUED, site, waiting, reason), jobs=tuple(jobs[:_AHEAD]))
        elif own.filter(queue=queue).exists():
            yield _all_of(BEHIND, site, waiting, "")
        else:
            yield _all_of(RUNNING, site, waiting, "it is about to begin")


def _held_by(now: datetime) -> tuple[Task, str] | None:
    """Return the suspect for which nothing else begins, and what becomes of it."""
    known = suspects.suspects()
    for task in known:
        if suspects.on_trial(task, now):
            return task, "tried with nothing beside it"
    return next(((task, "to begin before all others") for task in suspects.awaited(known, now)), None)


def _all_of(cause: Cause, site: Site, tasks: QuerySet[Task], reason: str, since: datetime | None = None) -> Trouble:
    found = tasks.aggregate(files=Sum("numfiles"), first=Min("id"))
    return Trouble(
        cause=cause,
        state="waiting",
        files=found["files"] or 0,
        site=site.name,
        reason=reason,
        path=_path_of(found["first"]),
        since=since,
    )


def _path_of(task: int | None) -> bytes | None:
    first = _first_of(task)
    return first.path if first else None


def _first_of(task: int | None) -> Entry | None:
    """Return the first entry that a task has left."""
    entries = TaskEntries.objects.filter(task=task).order_by("-attempt").first()
    return next((item.entry for item in unpack_carried(entries.blob)), None) if entries else None
