"""A plan is applied: what it said would be done is done, to the entries as they were seen, and to nothing else."""

from collections.abc import Iterator
from copy import copy
from datetime import datetime
from itertools import islice
from uuid import uuid4

import structlog
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from argosy.core.entry import Expected
from argosy.core.errors import Invalid, NotFound
from argosy.core.states import JOB_ENDED, JOB_OPEN, FileState, JobState
from argosy.hub.common.errors import Conflict
from argosy.hub.jobs.blobs import Carried, Noted
from argosy.hub.jobs.files import noted
from argosy.hub.jobs.known import rules_of
from argosy.hub.jobs.ledger import Ledger, chunks
from argosy.hub.jobs.models import Job, Plan, Queue, Result, Submission, Task
from argosy.hub.jobs.plans.kept import settings_of
from argosy.hub.sites.models import Site

AT_ONCE = 20_000
"""Entries whose tasks are written together, so that memory stays flat."""

log = structlog.get_logger()


@transaction.atomic
def apply(pk: int, *, owner: User | None) -> tuple[Job, bool]:
    """Return the job that does what the plan says, and whether it is a new one: while one does, there is no other.

    Entries that the plan would leave alone, or could not do, are no part of it.

    Raises:
        NotFound: there is no such plan.
        Conflict: it is not complete, or made under other settings.
        Invalid: there is nothing to do.
    """
    plan = Plan.objects.select_for_update().filter(job=pk, job__removed=False).first()
    if plan is None:
        raise NotFound(f"job {pk} is no plan, or not there: make one with `argosy plan`, or submit with dry_run")
    _expect_complete(plan.job)
    _expect_settled(plan)
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
    rules = [rule for submission in plan.job.submissions.all() for rule in rules_of(submission.pk)]
    if settings_of(plan.job, rules) != plan.settings:
        raise Conflict(f"settings or sitelinks of the sites have changed since plan {plan.job_id} was made: plan again")


def _applied(planned: Job, owner: User | None) -> Job:
    now = timezone.now()
    job = Job.objects.create(
        jobtype=planned.jobtype,
        site=planned.site,
        owner=owner,
        created=now,
        fields=planned.fields,
        discovery=planned.discovery,
        dir_walk_complete=True,
    )
    for submission in Submission.objects.filter(job=planned).select_related("site"):
        made = _copied(submission, job)
        for chain, rule in enumerate(rules_of(submission.pk)):
            task = Task(job=job, submission=made, tasktype=rule.chain[0].step, queue=Queue.TRANSFER, chain=chain)
            task.site = Site.objects.get(pk=rule.chain[0].site)
            _spawn(now, task, _planned(submission, chain))
    job.refresh_from_db()
    if not job.numopen:
        raise Invalid(f"plan {planned.pk} has nothing to do")
    return job


def _copied(submission: Submission, job: Job) -> Submission:
    """Record the same submission for another job; done again, it is no plan."""
    asked = {key: value for key, value in submission.asked.items() if key != "dry_run"}
    kept = {name: getattr(submission, name) for name in ("site", "rules", "options", "paths", "first", "last")}
    return Submission.objects.create(job=job, asked=asked, **kept)


def _planned(submission: Submission, chain: int) -> Iterator[Carried]:
    """Yield what the plan would do something to in a chain, as it came to the first link."""
    rows = Result.objects.filter(job=submission.job_id, final=FileState.PROCESSED, late=False)
    for row in rows.filter(task__submission=submission, task__chain=chain).order_by("id").iterator(chunk_size=200):
        yield from filter(None, map(_carried, noted(row)))


def _carried(each: Noted) -> Carried | None:
    outcome = each.outcome
    expected = outcome.entry.facts.expected
    if expected is None or expected.found is None:
        return None
    found = expected.found.learned(expected=Expected(seen=expected.seen))
    origin = each.source or outcome.entry.path
    return Carried(entry=found, source=b"" if origin == found.path or not each.source else origin)


def _spawn(now: datetime, like: Task, carried: Iterator[Carried]) -> None:
    """Add tasks like this one, each for as many entries as its site wants."""
    while some := list(islice(carried, AT_ONCE)):
        ledger = Ledger(now)
        for each in chunks(some, like.site):
            task = copy(like)
            task.taskid = uuid4()
            ledger.spawn(task, each)
        ledger.count(like.job_id, numfiles=len(some), numbytes=sum(item.entry.size for item in some))
        ledger.write()
