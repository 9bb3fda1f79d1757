"""Why what is left of a job is not done yet: who is to do it, what the last try met, and when the next is made."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Min, Q, QuerySet, Sum
from msgspec.structs import replace

from argosy.core.entry import Entry
from argosy.core.faults import StoreDown
from argosy.core.states import TaskState
from argosy.hub.jobs import suspects
from argosy.hub.jobs.blobs import unpack_carried
from argosy.hub.jobs.explain.causes import cause_of
from argosy.hub.jobs.explain.causes.agents import AGENT_DIED, AGENT_LOST, AGENT_SILENT, NO_AGENT, RESTARTED, SLOTS_HELD
from argosy.hub.jobs.explain.causes.cause import Cause
from argosy.hub.jobs.explain.causes.disks import ROOT_REFUSED
from argosy.hub.jobs.explain.causes.turns import BEHIND, IN_TURN, QUEUED, RUNNING, STARTING
from argosy.hub.jobs.explain.words import Trouble, counted
from argosy.hub.jobs.feeding import FED
from argosy.hub.jobs.leads import LEAD, shown
from argosy.hub.jobs.models import Job, Queue, Submission, Task, TaskEntries
from argosy.hub.sites.links import covering, links_of
from argosy.hub.sites.models import Datastore, Presence, Site
from argosy.hub.sites.presence import blockage, last_heard, refusal, serving

_OPEN = (TaskState.PENDING, TaskState.STARTED)
_LAST = (AGENT_DIED, AGENT_LOST, RESTARTED, QUEUED, BEHIND, RUNNING, STARTING, IN_TURN)
"""Causes that come after all others: how an attempt was cut short, which holds nothing now, and what takes its turn."""
_CUT_SHORT = ("agent_died", "lease_lost", "restarted")
"""What is recorded of tasks whose attempt came to no end, whatever they do."""
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
    open_ = _of_run(job) if job.feeds else Task.objects.filter(job=job)
    for site in Site.objects.filter(pk__in=open_.filter(state__in=_OPEN).values("site")):
        tasks = open_.filter(site=site).exclude(tasktype=LEAD)
        found += _of_site(site, tasks.filter(state=TaskState.PENDING), tasks.filter(state=TaskState.STARTED), now)
    return sorted(found, key=_rank) or list(_led(job))


def _of_run(job: Job) -> QuerySet[Task]:
    """Return the tasks of the job and of those that it feeds, which it lasts as long as, but for what waits for it."""
    return Task.objects.filter(Q(job=job) | Q(job__fed_by=job.pk)).exclude(tasktype=FED)


def _led(job: Job) -> Iterator[Trouble]:
    """Yield that the hub itself is at work, where that leads the job and nothing else is to be done."""
    for task in Task.objects.filter(job=job, tasktype=LEAD, state__in=_OPEN).select_related("site"):
        reason = "the hub plans, or records what was done; or another sync of the fileset goes first"
        yield Trouble(
            cause=RUNNING,
            state="running",
            files=0,
            site=task.site.name,
            step=shown(LEAD),
            reason=reason,
            path=None,
            since=task.started,
            next_try=None,
        )


def _rank(trouble: Trouble) -> int:
    return 1 + _LAST.index(trouble.cause) if trouble.cause in _LAST else 0


def _of_site(site: Site, pending: QuerySet[Task], started: QuerySet[Task], now: datetime) -> Iterator[Trouble]:
    nodes = serving(site, now)
    yield from _absence(site, nodes, pending, busy=_is_busy(site, now))
    yield from _tried(site, pending)
    yield from _running(site, started, now)
    fresh = pending.filter(error__in=("", *_CUT_SHORT))
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
    """Yield what holds now that which runs; what it met before comes after that."""
    alike = started.values("node", "tasktype", "error", "reason")
    for found in alike.annotate(files=Sum("numfiles"), since=Min("started"), first=Min("id"), lease=Min("lease_until")):
        heard = found["lease"] is not None and found["lease"] - now > FRESH
        cause, reason = _held_up(site, found) if heard else (AGENT_SILENT, f"{found['node']} runs it")
        yield Trouble(
            cause=cause,
            state="running",
            files=found["files"] or 0,
            site=site.name,
            step=found["tasktype"],
            reason=reason + (f"; before: {found['reason']}" if found["reason"] else ""),
            path=_path_of(found["first"]),
            since=found["since"],
            next_try=None if heard else found["lease"],
        )


def _held_up(site: Site, found: Mapping[str, Any]) -> tuple[Cause, str]:
    """Return what holds tasks alike whose node is heard, and how that is told."""
    node, step = found["node"], found["tasktype"]
    if (unwell := _unwell_store(site, node, step, found["first"])) is not None:
        return unwell
    again = found["error"] and found["error"] not in _CUT_SHORT  # what it failed of before it may well fail of again
    return cause_of(found["error"]) if again else RUNNING, f"{node} runs it"


def _unwell_store(site: Site, node: str, step: str, task: int) -> tuple[Cause, str] | None:
    """Return the trouble of a datastore that the task needs, as its node meets it, or did when it was probed."""
    if step not in TO_STORES:
        return None
    names = _datastores(site, task)
    for unwell in Presence.objects.filter(site=site, node=node).values_list("unwell", flat=True):
        if bad := sorted(names & unwell.keys()):
            code, reason = unwell[bad[0]]
            return cause_of(code), f"datastore {bad[0]}: {reason}"
    down = Datastore.objects.filter(name__in=names, abilities__isnull=True).exclude(trouble="").first()
    if down is None:
        return None
    code = down.trouble_code or StoreDown.code  # what is no error of ours is told as that
    return cause_of(code), f"datastore {down.name}: {down.trouble}"


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
        if (others := fresh.exclude(pk=suspect.pk)).exists():
            yield replace(_all_of(QUEUED, site, others, reason), jobs=(suspect.job_id,))
        return
    for queue in Queue.values:
        waiting = fresh.filter(queue=queue)
        if waiting.exists() and (blocked := blockage(nodes, queue)):
            yield _all_of(SLOTS_HELD, site, waiting, blocked)
            continue
        waiting = waiting.filter(error="")
        first = waiting.order_by("id").first()
        if first is None:
            continue
        others = Task.objects.filter(site=site, queue=queue).exclude(job=first.job_id).exclude(tasktype=LEAD)
        ready = others.filter(state=TaskState.PENDING, held=False)
        ahead = others.filter(state=TaskState.STARTED) | ready.filter(pk__lt=first.pk)
        jobs = list(ahead.order_by("job").values_list("job", flat=True).distinct())
        if jobs:
            tasks = ahead.count()
            reason = f"{counted(tasks, 'task')} of {counted(len(jobs), 'other job')} are ahead"
            yield replace(_all_of(QUEUED, site, waiting, reason), jobs=tuple(jobs[:_AHEAD]))
        elif own.filter(queue=queue).exists():
            yield _all_of(BEHIND, site, waiting, "")
        else:
            yield _all_of(STARTING, site, waiting, "")


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
