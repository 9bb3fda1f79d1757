"""Acts on the tasks of a job come out alike, whether each has a transaction of its own or they share one."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from django.db import transaction
from django.db.models import F
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from argosy.core.outcome import Outcome
from argosy.core.states import TASK_OPEN, FileState, JobState
from argosy.hub.common.models import Configuration
from argosy.hub.jobs import claiming, delivery, housekeeping, record
from argosy.hub.jobs.blobs import unpack_carried
from argosy.hub.jobs.cancelling import cancel_tasks
from argosy.hub.jobs.files import JobFiles
from argosy.hub.jobs.ledger import Ledger
from argosy.hub.jobs.models import COLUMN, Failure, Job, Result, Task, TaskEntries
from argosy.hub.sites.models import Site
from tests.hub.fake import FakeAgent, file, processed, report, send, told

TREE = "/srv/london/projects"
COUNTS = [*COLUMN.values(), "moved_data"]

Acts = dict[str, tuple[Callable[[Ledger], Any], str]]
"""What is done, by name, and to which task."""
NAMES = [
    "a failed for the last time",
    "a failed for the last time, a file did not",
    "a went well",
    "a, a file failed",
    "a, its lease ran out",
    "b failed for the last time",
    "b was inactive",
    "b went well",
    "c failed",
    "c failed, a file did not",
    "c is renewed",
    "c went well",
    "c, its lease ran out",
    "d is claimed",
    "the job is cancelled",
    "the walk broke",
    "the walk ended",
    "the walk found more",
    "the walk, its lease ran out",
    "what is open is offered",
]


class Scene:
    """A job that is under way: a walk, tasks a, b and c that run, two of them for the last time, and d that waits."""

    def __init__(self, agent: FakeAgent) -> None:
        self.agent = agent
        Site.objects.update(file_batch_size=2)
        self.job = send()
        self.walk = agent.claim()
        agent.delivery.batch(told(self.walk, 0, *(file(f"{TREE}/{n}") for n in range(8))))
        self.a, self.b, self.c = (agent.claim() for _ in range(3))
        _, self.d, _, _ = agent.rung.popleft()
        Task.objects.filter(taskid__in=[self.a.task, self.b.task]).update(failures=record.ATTEMPTS - 1)
        agent.clock.forward(60 * Configuration.current().task_invalidation_timeout + 120)

    def acts(self) -> Acts:
        """Return what may come in next."""
        a, b, c, walk = self.a, self.b, self.c, self.walk
        more = told(walk, 1, *(file(f"{TREE}/more{n}") for n in range(3)), failed=[_failed(file(f"{TREE}/closed"))])
        reports = {
            "a went well": report(a, map(Outcome.processed, a.entries)),
            "a, a file failed": report(a, [_failed(a.entries[0]), processed(a, a.entries[1])]),
            "a failed for the last time": _unavailable(a),
            "a failed for the last time, a file did not": _unavailable(a, processed(a, a.entries[0])),
            "b went well": report(b, map(Outcome.processed, b.entries)),
            "b failed for the last time": _unavailable(b),
            "c went well": report(c, map(Outcome.processed, c.entries)),
            "c failed": _unavailable(c),
            "c failed, a file did not": _unavailable(c, processed(c, c.entries[0])),
            "the walk ended": report(walk),
            "the walk broke": report(walk, error="denied", reason="is closed"),
        }
        acts: Acts = {name: (partial(record.report, told=each), each.task) for name, each in reports.items()}
        for name, order in {"a": a, "c": c, "the walk": walk}.items():
            acts[f"{name}, its lease ran out"] = (partial(delivery._expire, taskid=order.task), order.task)
        return acts | {
            "d is claimed": (partial(claiming.claim, taskid=self.d, attempt=1, node="node1", lease=60.0), self.d),
            "c is renewed": (partial(claiming.renew, taskid=c.task, attempt=1, lease=60.0), c.task),
            "the walk found more": (partial(record.batch, told=more), walk.task),
            "b was inactive": (partial(housekeeping._fail, taskid=b.task), b.task),
            "what is open is offered": (delivery._offer_all, ""),
            "the job is cancelled": (self.cancel, ""),
        }

    def cancel(self, ledger: Ledger) -> None:
        Job.objects.filter(pk=self.job.pk).update(state=JobState.CANCELLED)
        cancel_tasks(ledger, self.job)

    def after(self, *transactions: list[str]) -> list[Any]:
        """Return how everything is after these acts, and take them back."""
        acts = self.acts()
        with _taken_back():
            for names in transactions:
                self.agent.delivery._recorder._commit([(*acts[name], Future()) for name in names])
            self.check()
            return self.state()

    def state(self) -> list[Any]:
        left = _left()
        named = {pk: (tasktype, left[pk]) for pk, tasktype in Task.objects.values_list("pk", "tasktype")}
        tasks = Task.objects.values_list("pk", "state", "attempt", "failures", "lease_until", "due", "error", *COUNTS)
        results = Result.objects.values_list("task", "attempt", "state", "final", "late", "count", "error", "reason")
        job = Job.objects.filter(pk=self.job.pk)
        return [
            list(
                job.values_list("state", "dir_walk_complete", "numfiles", "numbytes", "numopen", "numbroken", *COUNTS)
            ),
            *(sorted(((named[pk], *rest) for pk, *rest in rows), key=repr) for rows in (tasks, results)),
            sorted(Failure.objects.values_list("path", flat=True)),
        ]

    def check(self) -> None:
        """See that the counts of the job, its tasks and its lists of files agree."""
        job = Job.objects.get(pk=self.job.pk)
        left, tasks = _left(), list(Task.objects.filter(job=job))
        at_work = [task for task in tasks if task.state in TASK_OPEN and not task.finds]
        ended = {state: getattr(job, COLUMN[state]) for state in FileState}
        assert job.numopen == sum(task.state in TASK_OPEN for task in tasks)
        assert job.numbroken == sum(task.state == "FAILURE" for task in tasks)
        assert job.numfiles == sum(ended.values()) + sum(len(left[task.pk]) for task in at_work)
        assert {state: len(JobFiles(job, state)) for state in FileState if ended[state]} == {
            state: n for state, n in ended.items() if n
        }
        for task in tasks:
            if not task.finds and task.state not in TASK_OPEN:
                assert task.numfiles == sum(getattr(task, column) for column in COLUMN.values())


def _failed(entry) -> Outcome:
    return Outcome(entry=entry, state=FileState.FAILED, reason="is broken", error="corrupt")


def _unavailable(order, *outcomes):
    return report(order, outcomes, error="unavailable", reason="the store is down", retry=True)


def _left() -> dict[int, list[bytes]]:
    """Return the paths that each task has left."""
    rows = TaskEntries.objects.filter(attempt__lte=F("task__attempt")).order_by("attempt")
    return {row.task_id: [item.entry.path for item in unpack_carried(row.blob)] for row in rows}


@contextmanager
def _taken_back() -> Iterator[None]:
    point = transaction.savepoint()
    yield
    transaction.savepoint_rollback(point)


@pytest.fixture
def scene(agent, two_sites) -> Iterator[Scene]:
    scene = Scene(agent)
    with transaction.atomic():
        yield scene
        transaction.set_rollback(True)


@settings(max_examples=80, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(NAMES), min_size=2, max_size=3, unique=True))
@example(["d is claimed", "a failed for the last time"])
@example(["a failed for the last time", "b failed for the last time"])
@example(["a went well", "a, its lease ran out"])
@example(["b went well", "a failed for the last time"])
@example(["c failed, a file did not", "a failed for the last time"])
@example(["c failed", "d is claimed"])
@example(["a went well", "the job is cancelled"])
def test_acts_come_out_alike_in_one_transaction_and_in_several(scene, names):
    assert scene.after(names) == scene.after(*([name] for name in names))
