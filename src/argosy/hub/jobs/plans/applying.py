"""A plan is applied: what it said would be done is done, to the entries as they were seen, and to nothing else."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from uuid import uuid4

import msgspec
import structlog
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from argosy.core.entry import Expected
from argosy.core.errors import Invalid, NotFound
from argosy.core.phases import REST
from argosy.core.ready import ready
from argosy.core.states import JOB_ENDED, JOB_OPEN, FileState, JobState
from argosy.hub.common.errors import Conflict
from argosy.hub.jobs.blobs import Carried, Noted, unpack_carried
from argosy.hub.jobs.files import noted
from argosy.hub.jobs.ledger import Ledger, chunks
from argosy.hub.jobs.models import Job, Plan, Result, Submission, Task
from argosy.hub.jobs.phases import held, in_phases
from argosy.hub.jobs.plans.kept import rules_of, settings_of
from argosy.hub.jobs.queues import queue_of
from argosy.hub.sites.models import Site
from argosy.hub.workflows.rules import Rule
from argosy.hub.workflows.services import runnable

AT_ONCE = 20_000
"""Entries whose tasks are written together, so that memory stays flat."""

log = structlog.get_logger()


def no_plan(pk: int) -> NotFound:
    """Return what is raised where a number is that of no plan."""
    return NotFound(f"job {pk} is no plan, or not there: make one with `argosy plan`, or submit with dry_run")


@transaction.atomic
def apply(pk: int, *, owner: User | None) -> tuple[Job, bool]:
    """Return the job that does what the plan says, and whether it is a new one: while one does, there is no other.

    Entries that the plan would leave alone, or could not do, are no part of it.

    Raises:
        NotFound: there is no such plan.
        Conflict: it is not complete, or made under other settings, or nobody may run its workflow any more.
        Invalid: there is nothing to do.
    """
    plan = Plan.objects.select_for_update().filter(job__id=pk, job__removed=False).first()
    if plan is None:
        raise no_plan(pk)
    _expect_complete(plan.job)
    _expect_settled(plan)
    _expect_allowed(plan.job)
    if plan.applied is not None and plan.applied.state in JOB_OPEN:
        return plan.applied, False
    plan.applied = _applied(plan.job, owner)
    plan.save(update_fields=["applied"])
    log.info("plan applied", plan=pk, job=plan.applied.pk, files=plan.applied.numfiles)
    return plan.applied, True


def _expect_complete(job: Job) -> None:
    if job.state not in JOB_ENDED:
        raise Conflict(f"plan {job.pk} is still being made: wait for its end")
    if job.state == JobState.CANCELLED:
        raise Conflict(f"plan {job.pk} was cancelled before it was complete: plan again")


def _expect_settled(plan: Plan) -> None:
    if settings_of(plan.job, rules_of(plan.job)) != plan.settings:
        raise Conflict(f"settings or sitelinks of the sites have changed since plan {plan.job_id} was made: plan again")


def _expect_allowed(job: Job) -> None:
    """Return where whoever submitted the same now would not be refused; what the workflow says may have changed."""
    for submission in job.submissions.all():
        try:
            runnable(submission.asked.get("workflow", job.jobtype))
        except Invalid as error:
            raise Conflict(f"plan {job.pk} is not applied: {error.message}") from error


def _rules(submission: Submission) -> list[Rule]:
    return msgspec.convert(submission.rules, ready(list[Rule]))


def _applied(planned: Job, owner: User | None) -> Job:
    """Record the job; until all its tasks are, one more counts as open, so that none begins that comes later."""
    now, application = timezone.now(), uuid4().bytes
    job = Job.objects.create(
        jobtype=planned.jobtype,
        site=planned.site,
        owner=owner,
        created=now,
        fields=planned.fields,
        discovery=planned.discovery,
        dir_walk_complete=True,
        applies=planned.pk,
        numopen=1,
    )
    order = _order(planned)
    for submission in Submission.objects.filter(job=planned).select_related("site"):
        made = _copied(submission, job)
        phases = _phases(submission)
        for chain, rule in enumerate(_rules(submission)):
            first = rule.chain[0]
            queue = queue_of(first.step, first.options)
            task = Task(job=job, submission=made, tasktype=first.step, queue=queue, chain=chain)
            task.site = Site.objects.get(pk=rule.chain[0].site)
            for some in _parts(_planned(submission, chain, application)):
                _spawn(now, task, some, phases, order)
    job.refresh_from_db()
    if job.numopen == 1:
        raise Invalid(f"plan {planned.pk} has nothing to do")
    ledger = Ledger(now)
    ledger.count(job.pk, numopen=-1)
    ledger.write()
    job.refresh_from_db()
    return job


def _copied(submission: Submission, job: Job) -> Submission:
    """Record the same submission for another job; done again, it is no plan."""
    asked = {key: value for key, value in submission.asked.items() if key != "dry_run"}
    kept = {name: getattr(submission, name) for name in ("site", "rules", "options", "paths", "first", "last")}
    return Submission.objects.create(job=job, asked=asked, **kept)


def _planned(submission: Submission, chain: int, application: bytes) -> Iterator[list[Carried]]:
    """Yield what the plan would do something to in a chain, as it came to the first link: what one task had together.

    Apart, what is to get another name could be in the way of what gets its own.
    """
    rows = Result.objects.filter(job=submission.job_id, final=FileState.PROCESSED, late=False)
    rows = rows.filter(task__submission=submission, task__chain=chain).order_by("id")
    for _, some in groupby(rows.iterator(chunk_size=200), key=attrgetter("task_id")):
        yield [carried for row in some for each in noted(row) if (carried := _carried(each, application)) is not None]


def _carried(each: Noted, application: bytes) -> Carried | None:
    outcome = each.outcome
    expected = outcome.entry.facts.expected
    if expected is None or expected.found is None:
        return None
    found = expected.found.learned(expected=Expected(seen=expected.seen, application=application))
    origin = each.source or outcome.entry.path
    return Carried(entry=found, source=b"" if origin == found.path or not each.source else origin)


def _phases(submission: Submission) -> dict[bytes, int]:
    """Return in which phase each of the paths comes that were given."""
    given = unpack_carried(submission.paths)
    return {item.entry.path: phase for phase, some in in_phases(given) for item in some}


def _order(planned: Job) -> list[int]:
    """Return the phases of all that was given."""
    return sorted({phase for each in Submission.objects.filter(job=planned) for phase in _phases(each).values()})


def _parts(planned: Iterable[list[Carried]]) -> Iterator[list[Carried]]:
    """Yield what comes, as much at once as is to be held in memory."""
    some: list[Carried] = []
    for more in planned:
        some += more
        if len(some) >= AT_ONCE:
            yield some
            some = []
    if some:
        yield some


def _spawn(
    now: datetime, like: Task, some: Sequence[Carried], phases: Mapping[bytes, int], order: Sequence[int]
) -> None:
    """Add tasks like this one, each for as many entries as its site wants; those of a later phase are held."""
    ledger = Ledger(now)
    places = ledger.known.places(like.site.pk)
    for phase, given in _by_phase(some, phases):
        for each in chunks(given, like.site, places):
            task = copy(like)
            task.taskid = uuid4()
            if before := [each for each in order if each < phase]:
                held(task, phase, behind=before[-1])
            ledger.spawn(task, each)
    ledger.count(like.job_id, numfiles=len(some), numbytes=sum(item.entry.size for item in some))
    ledger.write()


def _by_phase(some: Sequence[Carried], phases: Mapping[bytes, int]) -> list[tuple[int, list[Carried]]]:
    found: defaultdict[int, list[Carried]] = defaultdict(list)
    for item in some:
        found[phases.get(item.origin, REST)].append(item)
    return sorted(found.items())
