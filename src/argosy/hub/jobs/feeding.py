"""Jobs that are fed by another: one discovery finds the entries for all of them, each sends them through its own rules.

The discovery is a job of its own, which finds and does nothing else. A job that it feeds has a held task from its
beginning that stands for that discovery: what is found begins chains as if this task had found it, it ends when the
discovery does, and where it was cancelled the job gets no more. The job that feeds counts each of the others as one
more open task: it lasts until they have ended, and only then rotates its snapshots. If all of them were cancelled, it
is as well. Nobody can add to any of these jobs: they take turns by what the one discovery finds.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from argosy.core.entry import Entry
from argosy.core.states import TASK_OPEN, FileState, TaskState
from argosy.discoveries.base import discovery_of
from argosy.hub.jobs.ledger import Ledger
from argosy.hub.jobs.models import COLUMN, Job, Queue, Submission, Task
from argosy.hub.jobs.passing import found
from argosy.hub.jobs.phases import HELD

FED: Final = "dynamo.tasks.fed"
"""What the tasks are called that stand for the discovery of another job."""
_OPEN: Final = sorted(TASK_OPEN)


def stand_in(submission: Submission, feeder: int) -> Task:
    """Return the task that stands, in a job that is fed, for the discovery of the job that feeds it."""
    task = Task(job=submission.job, submission=submission, site=submission.site, tasktype=FED, queue=Queue.DISCOVERY)
    task.held, task.error, task.reason = True, HELD, f"it gets what job {feeder} finds"
    return task


def feeds(ledger: Ledger, task: Task) -> bool:
    """Say whether what the task finds goes to other jobs: of all tasks of a job that feeds, its discovery alone."""
    ordered = ledger.known.ordered(task.submission_id)
    return ordered.feeds and not ordered.rules and discovery_of(task.tasktype) is not None


def feed(ledger: Ledger, task: Task, entries: Sequence[Entry], *, phase: int) -> Counter[str]:
    """Begin the chains of all that are fed; return counts for the task, with which the entries are done."""
    for fed in _stand_ins(ledger, task):
        ledger.began(fed)
        ledger.change(fed, found(ledger, fed, entries, phase=phase))
    ledger.count(task.job_id, numfiles=len(entries), numprocessedfiles=len(entries))
    return Counter({COLUMN[FileState.PROCESSED]: len(entries)})


def end(ledger: Ledger, task: Task, state: TaskState, *, error: str, reason: str) -> None:
    """Record at the jobs that are fed that the discovery has ended; one that broke breaks them."""
    for fed in _stand_ins(ledger, task):
        told = f"job {task.job_id} found no more: {reason}" if state is TaskState.FAILURE else ""
        if told:
            count = ledger.known.row(fed).count
            ledger.count(fed.job_id, numfiles=count)
            ledger.change(fed, ledger.note_all(fed, FileState.FAILED, count, error=error, reason=told))
        ended = state if told else TaskState.SUCCESS
        ledger.began(fed)
        ledger.walked(fed)
        ledger.change(fed, state=ended.value, completed=ledger.now, error=error if told else "", reason=told)


def jobs_of(ledger: Ledger, task: Task) -> list[int]:
    """Return the job of the task, and those that are fed by what it finds."""
    if not feeds(ledger, task):
        return [task.job_id]
    return [task.job_id, *Job.objects.filter(fed_by=task.job_id).values_list("pk", flat=True)]


def _stand_ins(ledger: Ledger, task: Task) -> list[Task]:
    open_ = ledger.tasks().filter(job__fed_by=task.job_id, tasktype=FED, state__in=_OPEN)
    return ledger.known.hold(open_.select_for_update(of=("self",)).order_by("pk"))
