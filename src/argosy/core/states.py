"""The documented states of jobs, tasks and files, and which change may follow which."""

from enum import StrEnum
from typing import Final


class JobState(StrEnum):
    """Where a job is; upper case on the wire."""

    PENDING = "PENDING"
    STARTED = "STARTED"
    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    SKIPPED = "SKIPPED"
    CANCELLED = "CANCELLED"


class TaskState(StrEnum):
    """Where a task is. ERROR: some entries failed and the good ones went on; FAILURE: the task itself broke."""

    PENDING = "PENDING"
    STARTED = "STARTED"
    SUCCESS = "SUCCESS"
    ERROR = "ERROR"
    FAILURE = "FAILURE"
    SKIPPED = "SKIPPED"
    CANCELLED = "CANCELLED"


class FileState(StrEnum):
    """What became of one entry in one step."""

    PROCESSED = "processed"
    SKIPPED = "skipped"
    FAILED = "failed"
    ABORTED = "aborted"
    CANCELLED = "cancelled"

    @property
    def goes_on(self) -> bool:
        """Whether the entry is handed to the next step of its chain."""
        return self in {FileState.PROCESSED, FileState.SKIPPED}


JOB_NEXT: Final[dict[JobState, frozenset[JobState]]] = {
    JobState.PENDING: frozenset(JobState) - {JobState.PENDING},
    JobState.STARTED: frozenset({JobState.SUCCESS, JobState.FAILURE, JobState.SKIPPED, JobState.CANCELLED}),
    JobState.SUCCESS: frozenset(),
    JobState.FAILURE: frozenset(),
    JobState.SKIPPED: frozenset(),
    JobState.CANCELLED: frozenset(),
}

TASK_NEXT: Final[dict[TaskState, frozenset[TaskState]]] = {
    TaskState.PENDING: frozenset({TaskState.STARTED, TaskState.SKIPPED, TaskState.FAILURE, TaskState.CANCELLED}),
    TaskState.STARTED: frozenset(TaskState) - {TaskState.STARTED},
    TaskState.SUCCESS: frozenset(),
    TaskState.ERROR: frozenset(),
    TaskState.FAILURE: frozenset(),
    TaskState.SKIPPED: frozenset(),
    TaskState.CANCELLED: frozenset(),
}

JOB_ENDED: Final = frozenset(state for state, after in JOB_NEXT.items() if not after)
TASK_ENDED: Final = frozenset(state for state, after in TASK_NEXT.items() if not after)
