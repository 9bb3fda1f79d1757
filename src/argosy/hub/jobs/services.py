"""Decisions on jobs: begin, submit, cancel."""

from collections.abc import Iterator, Mapping, Sequence
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
from argosy.core.phases import REST
from argosy.core.states import JOB_NEXT, JobState, before
from argosy.discoveries.base import task_of
from argosy.hub.common import changes
from argosy.hub.jobs import feeding, leads
from argosy.hub.jobs.blobs import Carried, pack_carried
from argosy.hub.jobs.cancelling import cancel_tasks
from argosy.hub.jobs.given import bounds
from argosy.hub.jobs.ledger import OPEN_JOB, Ledger, chunks, close, let_go
from argosy.hub.jobs.models import OWN, Job, Queue, Submission, Task
from argosy.hub.jobs.phases import held, in_phases
from argosy.hub.jobs.places import Places
from argosy.hub.jobs.plans import kept as plans
from argosy.hub.jobs.queues import queue_of
from argosy.hub.sites.links import Linked, mapped
from argosy.hub.sites.models import Site
from argosy.hub.sites.queries import site_named
from argosy.hub.workflows import fields as field_values
from argosy.hub.workflows import offered
from argosy.hub.workflows.discovering import expected, implied, planned_discovery
from argosy.hub.workflows.models import Workflow
from argosy.hub.workflows.rules import Link, Patterns, Rule, planned
from argosy.hub.workflows.services import is_led, runnable
from argosy.hub.workflows.spellings import FIELDS

log = structlog.get_logger()

STAT = "dynamo.tasks.stat_paths"
"""What looks at given paths where nothing discovers them: rules and steps need to know what they are."""
LINKED = {"dynamo.tasks.migrate", "dynamo.tasks.reverse_stub"}
"""Steps that move bytes between a site and the datastore its sitelink names."""
MOVING = {"dynamo.tasks.move_paths_on_gpfs", "dynamo.tasks.one_step_move_paths_on_gpfs"}
"""Steps that give entries their new names at the site where they run."""


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
    found: bool = False
    """The paths are what a discovery found earlier, some in several states; a deleted one that is there again stays."""


class _Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A submission that was found good."""

    workflow: Workflow
    site: Site
    given: list[Carried]
    fields: dict[str, Any]
    rules: list[Rule]
    discovery: str | None
    options: dict[str, Any]
    led: leads.Wanted | None = None
    """Of a job that is led."""


class Scheduled(msgspec.Struct, frozen=True, kw_only=True):
    """The schedule that has a job begun, and what it settles for it."""

    schedule: int
    name: str
    discovery_options: Mapping[str, Any] = {}
    """In the place of those of the workflow, option by option."""
    fed_by: int | None = None
    """The job that finds the entries."""


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


def record(
    asked: Asked, *, owner: User | None, resubmission_of: int | None = None, scheduled: Scheduled | None = None
) -> Job:
    """Submit, and note of which job this is the resubmission; raises as `submit` does, or as `run` for a schedule."""
    return _record(_planned(asked, scheduled), asked, owner=owner, resubmission_of=resubmission_of, scheduled=scheduled)


def run(asked: Asked, scheduled: Scheduled, *, owner: User | None) -> Job:
    """Submit for a schedule; raises as `submit` does, but for workflows that only schedules run."""
    return _record(_planned(asked, scheduled), asked, owner=owner, scheduled=scheduled)


@transaction.atomic
def discover(discovery: str, given: Sequence[Entry], site: Site, scheduled: Scheduled, *, owner: User | None) -> Job:
    """Record a job that finds entries for those that are recorded with it as what they are fed by.

    Raises:
        Invalid: there is no such discovery, or it does not take the options; or a path is outside the site's roots.
    """
    options = expected(discovery, scheduled.discovery_options)
    carried = _given(given, site)
    ledger = Ledger(timezone.now())
    first, last = bounds(carried)
    job = Job.objects.create(
        jobtype=discovery,
        site=site,
        owner=owner,
        created=ledger.now,
        discovery=discovery,
        schedule=scheduled.schedule,
        schedule_name=scheduled.name,
        feeds=True,
    )
    submission = Submission.objects.create(
        job=job, site=site, rules=[], options=options, paths=pack_carried(carried), first=first, last=last
    )
    found_by = task_of(discovery)
    ledger.spawn(_finder(submission, found_by, queue_of(found_by, {})), carried)
    ledger.write()
    log.info("job begun for a schedule", job=job.pk, discovery=discovery, schedule=scheduled.name)
    return job


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
    """End the job: nothing starts any more, what runs is told to stop. Harmless when repeated.

    With it end those that it feeds, and, where all that it feeds were cancelled, the one that does.

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
        _cancel_idle_feeder(job, by=by)
        let_go(job, ledger.now)
        changes.note(changes.Kind.JOB, [pk])
        log.info("job cancelled", job=pk, by=by)
        for fed in Job.objects.filter(fed_by=pk, state__in=OPEN_JOB).values_list("pk", flat=True):
            cancel(fed, by=by)
    job.refresh_from_db()
    return job


def _cancel_idle_feeder(job: Job, *, by: str) -> None:
    """Cancel the job that feeds this one, which was cancelled, if the others that it feeds were as well."""
    if job.fed_by is not None and not Job.objects.filter(fed_by=job.fed_by).exclude(state=JobState.CANCELLED).exists():
        cancel(job.fed_by, by=by)


def _planned(asked: Asked, scheduled: Scheduled | None = None) -> _Plan:
    workflow = runnable(asked.workflow, scheduled=scheduled is not None)
    site = site_named(asked.site)
    aliases = FIELDS.get(workflow.name, {})
    declared = [*workflow.fields, *implied(workflow, asked.discovery, asked.fields)]
    values = field_values.values(declared, asked.fields, aliases=aliases, home=site.name)
    if is_led(workflow) and (leader := leads.of(workflow.name)) is not None:
        return _led(leader, workflow, site, values, asked)
    rules = planned(workflow.filter_rules, values, home=site, patterns=_patterns(asked, site))
    discovery, options = planned_discovery(workflow, asked.discovery, values)
    if discovery is not None and scheduled is not None:
        options = expected(discovery, {**options, **scheduled.discovery_options})
    given = _given(asked.paths, site, found=asked.found)
    if discovery is not None:
        _expect_plain(given, discovery)
    else:
        options = {"unless_again": True} if asked.found else options
        options |= {"has_moved": True} if _follow(rules, site, given) else {}
    for rule in rules:
        _check_links(rule.chain, site, given)
    return _Plan(
        workflow=workflow, site=site, given=given, fields=values, rules=rules, discovery=discovery, options=options
    )


def _led(leader: leads.Leader, workflow: Workflow, site: Site, values: dict[str, Any], asked: Asked) -> _Plan:
    """Return the plan of a job that is led: its rules are shown, and say nothing of what is done."""
    name = workflow.name
    if asked.job is not None:
        raise Invalid(f"workflow {name} is a job of its own: submit it without `job`")
    if asked.dry_run:
        raise Invalid(f"workflow {name} makes no such plan: `argosy sync plan` says what a sync would do")
    if asked.discovery not in {msgspec.UNSET, workflow.discovery}:
        raise Invalid(f"workflow {name} has discovery {workflow.discovery}: leave out `discovery`")
    if asked.include is not None or asked.exclude is not None:
        raise Invalid(f"workflow {name} syncs all of a fileset: leave out `include` and `exclude`")
    given = _given(asked.paths, site)
    _expect_plain(given, str(workflow.discovery))
    wanted = leads.Wanted(workflow=name, site=site, given=tuple(item.entry for item in given), fields=values)
    leader.check(wanted)
    return _Plan(
        workflow=workflow,
        site=site,
        given=given,
        fields=values,
        rules=[],
        discovery=workflow.discovery,
        options={},
        led=wanted,
    )


def _patterns(asked: Asked, site: Site) -> Patterns:
    return Patterns.of(
        site,
        include=asked.include,
        exclude=asked.exclude,
        ignore_site_includes=asked.ignore_site_includes,
        ignore_site_excludes=asked.ignore_site_excludes,
    )


def _given(entries: Sequence[Entry], site: Site, *, found: bool = False) -> list[Carried]:
    """Return the given entries, each once, with normal paths below the site's roots; `found`: once for each state."""
    if not entries:
        raise Invalid("there is nothing to do: give at least one path")
    roots = [root.encode() for root in site.roots]
    unique: dict[object, Carried] = {}
    for entry in entries:
        path = _inside(entry.path, roots, site)
        source = None if entry.source is None else _inside(entry.source, roots, site)
        item = Carried(entry=msgspec.structs.replace(entry, path=path, source=source))
        if unique.setdefault((path, entry.state, source) if found else path, item) != item:
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


def _follow(rules: Sequence[Rule], site: Site, given: Sequence[Carried]) -> bool:
    """Say whether something given moved here already: the rules that take what moved have no step move it here."""
    taking = [rule for rule in rules if rule.is_default or rule.state in {"all", "moved"}]
    moving = {link.site for rule in taking for link in rule.chain if link.step in MOVING}
    return site.pk not in moving and any(item.entry.source is not None for item in given)


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
def _record(
    plan: _Plan,
    asked: Asked,
    *,
    owner: User | None,
    resubmission_of: int | None = None,
    scheduled: Scheduled | None = None,
) -> Job:
    ledger = Ledger(timezone.now())
    if asked.job is not None:
        row = _open_job(asked.job)
        plans.expect_alike(row, dry_run=asked.dry_run)
    else:
        row = _job(plan, ledger.now, owner, resubmission_of, scheduled, dry_run=asked.dry_run)
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
    leader = leads.of(plan.workflow.name) if plan.led is not None else None
    if leader is not None and plan.led is not None:
        leads.begin(ledger, submission)
        leader.begin(ledger, submission, plan.led)
    elif scheduled is not None and scheduled.fed_by is not None:
        ledger.spawn(feeding.stand_in(submission, scheduled.fed_by), plan.given)
        ledger.count(scheduled.fed_by, numopen=1)
    else:
        for task, given in _first_tasks(plan, submission, ledger.known.places(plan.site.pk), dry_run=asked.dry_run):
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


def _job(
    plan: _Plan,
    now: datetime,
    owner: User | None,
    resubmission_of: int | None,
    scheduled: Scheduled | None,
    *,
    dry_run: bool,
) -> Job:
    return Job.objects.create(
        jobtype=plan.workflow.name,
        site=plan.site,
        owner=owner,
        created=now,
        fields=plan.fields,
        discovery=plan.discovery,
        resubmission_of=resubmission_of,
        dry_run=dry_run,
        schedule=scheduled.schedule if scheduled else None,
        schedule_name=scheduled.name if scheduled else "",
        fed_by=scheduled.fed_by if scheduled and plan.led is None else None,
    )


def _open_job(pk: int) -> Job:
    job = Job.objects.select_for_update().filter(pk=pk, removed=False).first()
    if job is None:
        raise NotFound(f"there is no job {pk} to add to")
    if job.jobtype == OWN:
        raise Invalid(f"job {pk} is the hub's own: submit without `job` to begin another")
    if job.state not in OPEN_JOB:
        raise Invalid(f"job {pk} has ended ({job.state}): submit without `job` to begin another")
    if job.feeds or job.fed_by is not None:
        raise Invalid(
            f"job {pk} is part of a run of schedule {job.schedule_name}, and does what is found for that and nothing "
            "else: submit without `job` to begin another"
        )
    if Task.objects.filter(job=job, tasktype=leads.LEAD).exists():
        raise Invalid(f"job {pk} is a sync, and does nothing else: submit without `job` to begin another")
    job.dir_walk_complete = False
    job.save(update_fields=["dir_walk_complete"])
    return job


def _first_tasks(
    plan: _Plan, submission: Submission, places: Places, *, dry_run: bool
) -> Iterator[tuple[Task, list[Carried]]]:
    """Yield one discovery of everything; or, without, tasks that look at the given paths, phase by phase.

    A plan looks at all at once, for it changes nothing, but for what depends on whether something else can be moved.
    """
    if plan.discovery is not None:
        found_by = task_of(plan.discovery)
        yield _finder(submission, found_by, queue_of(found_by, {})), plan.given
        return
    moves = any(item.entry.state == "moved" for item in plan.given)
    phases = in_phases(plan.given) if moves or not dry_run else [(REST, plan.given)]
    behind: int | None = None
    for phase, given in phases:
        for some in chunks(given, plan.site, places):
            task = _finder(submission, STAT, Queue.TRANSFER)
            if behind is not None:
                held(task, phase, behind=behind)
            yield task, some
        behind = phase


def _finder(submission: Submission, tasktype: str, queue: Queue) -> Task:
    return Task(
        job=submission.job, submission=submission, site=submission.site, tasktype=tasktype, queue=queue, chain=None
    )
