"""Decisions on jobs: begin, submit, cancel."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
import structlog
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from argosy.core.entry import Entry
from argosy.core.errors import Invalid, NotFound
from argosy.core.paths import absolute, below, quoted
from argosy.core.states import JOB_NEXT, JobState, before
from argosy.discoveries.base import task_of
from argosy.hub.common import changes
from argosy.hub.jobs.blobs import Carried, pack_carried
from argosy.hub.jobs.cancelling import cancel_tasks
from argosy.hub.jobs.given import bounds
from argosy.hub.jobs.ledger import OPEN_JOB, Ledger, chunks, close
from argosy.hub.jobs.models import OWN, Job, Queue, Submission, Task
from argosy.hub.jobs.places import Places
from argosy.hub.jobs.plans import kept as plans
from argosy.hub.jobs.queues import queue_of
from argosy.hub.sites.links import Linked, mapped
from argosy.hub.sites.models import Site
from argosy.hub.sites.queries import site_named
from argosy.hub.workflows import fields as field_values
from argosy.hub.workflows import offered
from argosy.hub.workflows.discovering import implied, planned_discovery
from argosy.hub.workflows.models import Workflow
from argosy.hub.workflows.rules import Link, Patterns, Rule, planned
from argosy.hub.workflows.services import runnable
from argosy.hub.workflows.spellings import FIELDS

log = structlog.get_logger()

STAT = "dynamo.tasks.stat_paths"
"""What looks at given paths where nothing discovers them: rules and steps need to know what they are."""
LINKED = {"dynamo.tasks.migrate", "dynamo.tasks.reverse_stub"}
"""Steps that move bytes between a site and the datastore its sitelink names."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A submission as it came. `discovery`: UNSET means the workflow's own, None means none."""

    site: str
    workflow: str
    paths: Sequence[Entry]
    fields: Mapping[str, Any] = {}
    discovery: str | msgspec.UnsetType | None = msgspec.UNSET
    job: int | None = None
    include: tuple[str, ...] | None = None
    exclude: tuple[str, ...] | None = None
    ignore_site_includes: bool = False
    ignore_site_excludes: bool = False
    dry_run: bool = False
    """Have the steps only say what they would do: the job is a plan."""


class _Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A submission that was found good."""

    workflow: Workflow
    site: Site
    given: list[Carried]
    fields: dict[str, Any]
    rules: list[Rule]
    discovery: str | None
    options: dict[str, Any]


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """Work of the hub's own at one site: a discovery of what it is to know, or a step over entries."""

    site: Site
    step: str
    given: Sequence[Entry]
    options: dict[str, Any] = {}
    finds: bool = True


@transaction.atomic
def begin(parts: Sequence[Part]) -> Job:
    """Record a job of the hub's own and, once it is recorded, tell its sites."""
    ledger = Ledger(timezone.now())
    job = Job.objects.create(jobtype=OWN, site=parts[0].site, created=ledger.now, discovery=None)
    for part in parts:
        _spawn(ledger, job, part)
    ledger.write()
    log.info("job begun", job=job.pk, jobtype=OWN, parts=len(parts))
    return job


def _spawn(ledger: Ledger, job: Job, part: Part) -> None:
    link = Link(step=part.step, site=part.site.pk, options=part.options)
    rules = [] if part.finds else [Rule(state="all", type="all", chain=(link,))]
    given = [Carried(entry=entry) for entry in part.given]
    submission = Submission.objects.create(
        job=job,
        site=part.site,
        rules=msgspec.to_builtins(rules),
        options=part.options if part.finds else {},
        paths=pack_carried(given if part.finds else []),
    )
    if part.finds:
        ledger.spawn(_finder(submission, part.step, Queue.DISCOVERY), given)
        return
    for some in chunks(given, part.site, ledger.known.places(part.site.pk)):
        task = Task(job=job, submission=submission, site=part.site, tasktype=part.step, queue=Queue.TRANSFER, chain=0)
        ledger.spawn(task, some)
    ledger.count(job.pk, numfiles=len(given))


def submit(asked: Asked, *, owner: User | None) -> Job:
    """Record a job, or more work for one, and once it is recorded tell its site.

    Raises:
        Invalid: something of it is unknown, missing or cannot work; the message says what.
        NotFound: there is no such job to add to.
    """
    return record(asked, owner=owner)


def record(asked: Asked, *, owner: User | None, resubmission_of: int | None = None) -> Job:
    """Submit, and note of which job this is the resubmission; raises as `submit` does."""
    return _record(_planned(asked), asked, owner=owner, resubmission_of=resubmission_of)


def register(*, site: str, jobtype: str, given: Sequence[Entry], discovery: str | None, owner: User | None) -> Job:
    """Record a job with nothing to do yet: submissions that name it give it work. The paths are kept for people to see.

    Raises:
        Invalid: something of it is unknown, or a path is outside the roots of the site.
    """
    place = site_named(site)
    carried = _given(given, place) if given else []
    if discovery is not None:
        offered.discovery(discovery)
    with transaction.atomic():
        job = Job.objects.create(
            jobtype=runnable(jobtype).name, site=place, owner=owner, created=timezone.now(), discovery=discovery
        )
        if carried:
            first, last = bounds(carried)
            packed = pack_carried(carried)
            Submission.objects.create(job=job, site=place, rules=[], paths=packed, first=first, last=last)
        changes.note(changes.Kind.JOB, [job.pk])
    log.info("job registered", job=job.pk, workflow=jobtype, site=site)
    return job


@transaction.atomic
def cancel(pk: int, *, by: str = "the hub itself") -> Job:
    """End the job: nothing of it starts any more, what runs is told to stop. Harmless when repeated.

    `by`: who wants it, as people are told; where it was cancelled before, who did that stays.

    Raises:
        NotFound: there is no such job.
    """
    ledger = Ledger(timezone.now())
    job = Job.objects.select_for_update().filter(pk=pk, removed=False).first()
    if job is None:
        raise NotFound(f"there is no job {pk}")
    running = Job.objects.filter(pk=pk, state__in=before(JobState.CANCELLED, JOB_NEXT))
    if running.update(state=JobState.CANCELLED, completed=ledger.now, cancelled_by=by):
        cancel_tasks(ledger, job)
        ledger.write()
        job.refresh_from_db()
        close(job, ledger.now)
        changes.note(changes.Kind.JOB, [pk])
        log.info("job cancelled", job=pk, by=by)
    job.refresh_from_db()
    return job


def _planned(asked: Asked) -> _Plan:
    workflow = runnable(asked.workflow)
    site = site_named(asked.site)
    aliases = FIELDS.get(workflow.name, {})
    declared = [*workflow.fields, *implied(workflow, asked.discovery, asked.fields)]
    values = field_values.values(declared, asked.fields, aliases=aliases, home=site.name)
    rules = planned(workflow.filter_rules, values, home=site, patterns=_patterns(asked, site))
    discovery, options = planned_discovery(workflow, asked.discovery, values)
    given = _given(asked.paths, site)
    if discovery is not None:
        _expect_plain(given, discovery)
    for rule in rules:
        _check_links(rule.chain, site, given)
    return _Plan(
        workflow=workflow, site=site, given=given, fields=values, rules=rules, discovery=discovery, options=options
    )


def _patterns(asked: Asked, site: Site) -> Patterns:
    return Patterns.of(
        site,
        include=asked.include,
        exclude=asked.exclude,
        ignore_site_includes=asked.ignore_site_includes,
        ignore_site_excludes=asked.ignore_site_excludes,
    )


def _given(entries: Sequence[Entry], site: Site) -> list[Carried]:
    """Return the given entries, each once, with normal paths below the site's roots."""
    if not entries:
        raise Invalid("there is nothing to do: give at least one path")
    roots = [root.encode() for root in site.roots]
    unique: dict[bytes, Carried] = {}
    for entry in entries:
        path = _inside(entry.path, roots, site)
        source = None if entry.source is None else _inside(entry.source, roots, site)
        item = Carried(entry=Entry(path=path, state=entry.state, source=source))
        if unique.setdefault(path, item) != item:
            raise Invalid(f"path {quoted(path)} is given twice, with different states or sources: leave one out")
    return list(unique.values())


def _expect_plain(given: Sequence[Carried], discovery: str) -> None:
    """See to it that nothing is said of the paths that a discovery would not heed."""
    for item in given:
        said = "state" if item.entry.state else "source"
        if item.entry.state or item.entry.source is not None:
            raise Invalid(
                f"path {quoted(item.entry.path)} is given with a {said}, which counts where paths are taken as they "
                f"are, and discovery {discovery} finds others: leave out the {said}, or have `discovery` null"
            )


def _inside(path: bytes, roots: Sequence[bytes], site: Site) -> bytes:
    path = absolute(path)
    if roots and not any(below(path, root) for root in roots):
        raise Invalid(f"path {quoted(path)} is outside the roots of site {site.name}: {', '.join(site.roots)}")
    return path


def _check_links(chain: Sequence[Link], site: Site, given: Sequence[Carried]) -> None:
    """See to it that every path has a place in the datastore, and at the other sites of the chain."""
    places = {link.site for link in chain} | {site.pk}
    linked = {place.pk: Linked.of(place) for place in Site.objects.filter(pk__in=places)}
    for item in given:
        here, path, source = site.pk, item.entry.path, item.entry.source
        for link in chain:
            if link.site != here:
                path = mapped(path, linked[here], linked[link.site])
                source = None if source is None else mapped(source, linked[here], linked[link.site])
                here = link.site
            if link.step in LINKED:
                linked[here].covering(path)


@transaction.atomic
def _record(plan: _Plan, asked: Asked, *, owner: User | None, resubmission_of: int | None) -> Job:
    ledger = Ledger(timezone.now())
    if asked.job is not None:
        row = _open_job(asked.job)
        plans.expect_alike(row, dry_run=asked.dry_run)
    else:
        row = _job(plan, ledger.now, owner, resubmission_of, dry_run=asked.dry_run)
    if asked.dry_run:
        plans.keep(row, plan.rules, plan.discovery)
    first, last = bounds(plan.given)
    submission = Submission.objects.create(
        job=row,
        site=plan.site,
        rules=msgspec.to_builtins(plan.rules),
        options=plan.options,
        paths=pack_carried(plan.given),
        first=first,
        last=last,
        asked=_to_ask_again(asked, plan),
    )
    for task, given in _first_tasks(plan, submission, ledger.known.places(plan.site.pk)):
        ledger.spawn(task, given)
    ledger.write()
    log.info("job submitted", job=row.pk, workflow=plan.workflow.name, site=plan.site.name, paths=len(plan.given))
    row.refresh_from_db()
    return row


def _to_ask_again(asked: Asked, plan: _Plan) -> dict[str, Any]:
    """Return what a resubmission asks for, but for the paths: what was said, and what that meant at the time."""
    meant = msgspec.structs.replace(asked, paths=(), job=None, fields=plan.fields, discovery=plan.discovery)
    again: dict[str, Any] = msgspec.to_builtins(meant)
    return again


def _job(plan: _Plan, now: datetime, owner: User | None, resubmission_of: int | None, *, dry_run: bool) -> Job:
    return Job.objects.create(
        jobtype=plan.workflow.name,
        site=plan.site,
        owner=owner,
        created=now,
        fields=plan.fields,
        discovery=plan.discovery,
        resubmission_of=resubmission_of,
        dry_run=dry_run,
    )


def _open_job(pk: int) -> Job:
    job = Job.objects.select_for_update().filter(pk=pk, removed=False).first()
    if job is None:
        raise NotFound(f"there is no job {pk} to add to")
    if job.jobtype == OWN:
        raise Invalid(f"job {pk} is the hub's own: submit without `job` to begin another")
    if job.state not in OPEN_JOB:
        raise Invalid(f"job {pk} has ended ({job.state}): submit without `job` to begin another")
    job.dir_walk_complete = False
    job.save(update_fields=["dir_walk_complete"])
    return job


def _first_tasks(plan: _Plan, submission: Submission, places: Places) -> list[tuple[Task, list[Carried]]]:
    """Return one discovery of everything; or, without, tasks that look at the given paths."""
    if plan.discovery is not None:
        found_by = task_of(plan.discovery)
        return [(_finder(submission, found_by, queue_of(found_by, {})), plan.given)]
    return [(_finder(submission, STAT, Queue.TRANSFER), some) for some in chunks(plan.given, plan.site, places)]


def _finder(submission: Submission, tasktype: str, queue: Queue) -> Task:
    return Task(
        job=submission.job, submission=submission, site=submission.site, tasktype=tasktype, queue=queue, chain=None
    )
