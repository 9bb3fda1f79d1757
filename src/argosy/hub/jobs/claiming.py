"""What nodes are told when they claim a task. Each function is called inside a transaction, with its ledger."""

from datetime import timedelta
from functools import cache
from typing import Final

import msgspec

from argosy.core.order import Order, Policy
from argosy.core.phases import MOVED
from argosy.core.report import Report
from argosy.core.states import TaskState
from argosy.discoveries.base import discovery_of
from argosy.hub.common.models import Configuration
from argosy.hub.jobs import leads, record, sinks, suspects
from argosy.hub.jobs.closing import SNAPSHOTTING
from argosy.hub.jobs.known import Known
from argosy.hub.jobs.ledger import Ledger
from argosy.hub.jobs.models import OWN, Task
from argosy.hub.sites.models import Site
from argosy.steps.base import HUBS

MOST_FOUND: Final = 2048
"""Entries of the first batch of a discovery at most: of later ones, several times as many fit into a message."""
_ANY_SIZE: Final = 1 << 60


def claim(ledger: Ledger, taskid: str, attempt: int, *, node: str, lease: float) -> Order | None:
    """Give the attempt to a node, with all it needs to run; None where the task is not waiting for it."""
    task = ledger.known.task(taskid)
    if task is None or task.attempt != attempt or task.state != TaskState.PENDING:
        return None
    if task.held or (task.due is not None and task.due > ledger.now):  # held back since its site was told of it
        return None
    if suspects.is_condemned(task):  # whoever asks has told how the last attempt ended, if it did
        record.end(ledger, task, Report(task=taskid, attempt=attempt, error=task.error, reason=task.reason))
        return None
    if task.chain is not None and task.phase > MOVED and record.leave_out(ledger, task):
        return None
    if not _may_begin(ledger, task):
        ledger.change(task, rung_at=None)
        return None
    until = ledger.now + timedelta(seconds=lease)
    started = task.started or ledger.now
    ledger.change(
        task,
        state=TaskState.STARTED.value,
        started=started,
        rung_at=ledger.now,
        lease_until=until,
        node=node[:255],
    )
    ledger.began(task)
    return _order(ledger.known, task, lease, age=(ledger.now - started).total_seconds())


def reclaim(ledger: Ledger, taskid: str, attempt: int, *, node: str, lease: float) -> Order | None:
    """Give the attempt to a node that may have it already: the answer that said so was lost, and nothing was begun."""
    task = ledger.known.task(taskid)
    if task is None or task.attempt != attempt or task.state != TaskState.STARTED or task.node != node[:255]:
        return claim(ledger, taskid, attempt, node=node, lease=lease)
    ledger.change(task, lease_until=ledger.now + timedelta(seconds=lease))
    age = ledger.now - (task.started or ledger.now)
    return _order(ledger.known, task, lease, age=age.total_seconds())


def _may_begin(ledger: Ledger, task: Task) -> bool:
    if not suspects.suspects():
        return True
    ledger.tasks()  # what the acts before this one began
    return suspects.may_begin(task, ledger.now)


def _order(known: Known, task: Task, lease: float, *, age: float) -> Order:
    site = known.site(task.site_id)
    sunk = sinks.of(task.tasktype) is not None
    return Order(
        task=str(task.taskid),
        attempt=task.attempt,
        age=age,
        job=task.job_id,
        site=site.name,
        step=task.tasktype,
        options=_options(known, task),
        entries=tuple(item.entry for item in known.entries(task)),
        lease=lease,
        links=tuple(known.linked(task.site_id).links),
        stores=known.stores(task.site_id),
        policy=_policy(site, task.tasktype),
        batch_files=sinks.BATCH if sunk else min(site.file_batch_size, MOST_FOUND),
        batch_bytes=_ANY_SIZE if sunk else site.file_batch_gb << 30,
        sequence=task.sequence,
        phase=task.phase,
        own=_is_own(task),
        dry_run=_is_looked(task) and known.ordered(task.submission_id).dry_run,
        after=bytes(task.after) if task.after is not None else None,
    )


def _is_looked(task: Task) -> bool:
    """Say whether only to look makes a difference: a discovery of others may do anything, and must not in a plan."""
    return task.chain is not None or discovery_of(task.tasktype) is not None


def _is_own(task: Task) -> bool:
    """Say whether it is one of the steps that only the hub's own jobs may have, and such a job has it."""
    if task.tasktype in leads.OWN:
        return leads.of(task.job.jobtype) is not None
    return task.tasktype in _hubs_steps() and task.job.jobtype == OWN


@cache
def _hubs_steps() -> frozenset[str]:
    return frozenset(HUBS.names())


def _policy(site: Site, step: str) -> Policy:
    policy = Policy(unguarded_stubs=site.unguarded_stubs, min_stub_size=site.min_stub_size, trash_days=site.trash_days)
    if step not in SNAPSHOTTING:
        return policy
    patience = Configuration.current().snapshot_create_delete_retry_timeout
    return msgspec.structs.replace(policy, lock_threshold=site.lock_threshold, snapshot_retry=patience)


def _options(known: Known, task: Task) -> dict[str, object]:
    if task.chain is not None:
        return dict(known.rules(task.submission_id)[task.chain].chain[task.seq].options)
    return dict(task.submission.options)


def renew(ledger: Ledger, taskid: str, attempt: int, *, lease: float) -> bool:
    """Let the attempt run on; False where it is no longer the one that has the task."""
    task = ledger.known.task(taskid)
    if task is None or task.attempt != attempt or task.state != TaskState.STARTED:
        return False
    ledger.change(task, lease_until=ledger.now + timedelta(seconds=lease))
    return True
