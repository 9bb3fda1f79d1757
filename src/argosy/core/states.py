"""The documented states of jobs, tasks and files, and which change may follow which."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, TypeVar

S = TypeVar("S", bound=StrEnum)


class JobState(StrEnum):
    """Where a job is; upper case on the wire."""

    PENDING = "PENDING"
    """Recorded; no task of it has begun."""
    STARTED = "STARTED"
    """At least one of its tasks has begun."""
    SUCCESS = "SUCCESS"
    """All is done, and no file failed; some may be aborted."""
    FAILURE = "FAILURE"
    """All is done that could be; at least one file failed, or a task broke."""
    SKIPPED = "SKIPPED"
    """There was nothing to do: no file was found, none matched a rule, or a sync found only what it leaves alone."""
    CANCELLED = "CANCELLED"
    """Somebody cancelled it; what had been done stays."""


class TaskState(StrEnum):
    """Where a task is. ERROR: some entries failed and the good ones went on; FAILURE: the task itself broke."""

    PENDING = "PENDING"
    """Waits for an agent, or for another try; its `reason` says why the last try ended."""
    STARTED = "STARTED"
    """An agent has claimed it."""
    SUCCESS = "SUCCESS"
    """No entry failed."""
    ERROR = "ERROR"
    """Some entries failed; the good ones went on to the next step."""
    FAILURE = "FAILURE"
    """The task itself broke: what it had not done before has failed, and went on nowhere."""
    SKIPPED = "SKIPPED"
    """There was nothing for it to do. Known to clients; the hub makes no such task, and lists none."""
    CANCELLED = "CANCELLED"
    """Its job was cancelled."""


class FileState(StrEnum):
    """What became of one entry in one step."""

    PROCESSED = "processed"
    """The step did its work."""
    SKIPPED = "skipped"
    """It already was as wanted, or is of a kind that is never transferred."""
    FAILED = "failed"
    """It could not be done; the reason says what to do."""
    ABORTED = "aborted"
    """It changed or was in use; nothing was done to it, and a later run is expected to succeed."""
    CANCELLED = "cancelled"
    """Its job was cancelled first."""

    @property
    def goes_on(self) -> bool:
        """Whether the entry is handed to the next step of its chain."""
        return self in {FileState.PROCESSED, FileState.SKIPPED}


JOB_NEXT: Final[dict[JobState, frozenset[JobState]]] = {
    JobState.PENDING: frozenset({JobState.STARTED, JobState.CANCELLED}),
    JobState.STARTED: frozenset({JobState.SUCCESS, JobState.FAILURE, JobState.SKIPPED, JobState.CANCELLED}),
    JobState.SUCCESS: frozenset(),
    JobState.FAILURE: frozenset(),
    JobState.SKIPPED: frozenset(),
    JobState.CANCELLED: frozenset(),
}
"""Which state of a job may follow which. Whoever changes one asks here first."""

TASK_NEXT: Final[dict[TaskState, frozenset[TaskState]]] = {
    TaskState.PENDING: frozenset(
        {TaskState.STARTED, TaskState.SUCCESS, TaskState.ERROR, TaskState.FAILURE, TaskState.CANCELLED}
    ),
    TaskState.STARTED: frozenset(
        {TaskState.PENDING, TaskState.SUCCESS, TaskState.ERROR, TaskState.FAILURE, TaskState.CANCELLED}
    ),
    TaskState.SUCCESS: frozenset(),
    TaskState.ERROR: frozenset(),
    TaskState.FAILURE: frozenset(),
    TaskState.SKIPPED: frozenset(),
    TaskState.CANCELLED: frozenset(),
}
"""Which state of a task may follow which. One that waits has ended if the attempt that lost it reports so."""

JOB_ENDED: Final = frozenset(state for state, after in JOB_NEXT.items() if not after)
TASK_ENDED: Final = frozenset(state for state, after in TASK_NEXT.items() if not after)
JOB_OPEN: Final = frozenset(JobState) - JOB_ENDED
TASK_OPEN: Final = frozenset(TaskState) - TASK_ENDED


def before(state: S, following: Mapping[S, frozenset[S]]) -> frozenset[S]:
    """Return the states that may be followed by `state`: whoever brings it about changes no other."""
    return frozenset(known for known, after in following.items() if state in after)
