"""Jobs that are led: another app says, from phase to phase, what their sites have to do.

Such a job has one task, from its beginning to its end, that no agent gets: it stands for the leading, and ends with it.
What the sites scan, hash and apply is no file of the job; who leads it says what its files are.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from argosy.core.entry import Entry
from argosy.core.errors import ArgosyError
from argosy.core.report import Report
from argosy.core.states import TaskState
from argosy.core.syncing import APPLY, HASH, SCAN, STAGE
from argosy.hub.jobs.models import Job, Queue, Submission, Task
from argosy.hub.sites.models import Site

if TYPE_CHECKING:
    from argosy.hub.jobs.ledger import Ledger

LEAD: Final = "dynamo.tasks.lead"
"""What the task is called that stands for the leading."""
ASIDE: Final = frozenset({SCAN, HASH, APPLY})
"""Tasks of which nothing is a file of the job."""
TOLD: Final = HASH
"""Of these: what each entry came to is kept, for whoever leads."""
PREPARED: Final = STAGE
"""What ends well in it goes on, in the hands of whoever leads."""


OWN: Final = frozenset({SCAN, HASH, STAGE, APPLY})
"""Tasks that only those jobs may have that are led."""


_SHOWN: Final = {
    LEAD: "dynamo.tasks.check_sync_state",
    SCAN: "dynamo.tasks.snapdiff",
    HASH: "dynamo.tasks.check_sync_state",
    STAGE: "dynamo.tasks.reverse_stub",
    APPLY: "dynamo.tasks.reverse_stub",
}
_SHOWN_OF: Final = {
    (APPLY, "deleted"): "dynamo.tasks.delete_paths_from_gpfs",
    (APPLY, "moved"): "dynamo.tasks.move_paths_on_gpfs",
}


def shown(tasktype: str, state: str = "") -> str:
    """Return by which documented step people know what is done, or was done to an entry of the state."""
    return _SHOWN_OF.get((tasktype, state)) or _SHOWN.get(tasktype, tasktype)


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of a job that will be led."""

    workflow: str
    site: Site
    given: tuple[Entry, ...]
    fields: Mapping[str, Any]


class Leader(Protocol):
    """Leads the jobs of a workflow."""

    def check(self, wanted: Wanted) -> None:
        """Return if that can be done.

        Raises:
            Invalid: it cannot; the message says what to do.
            Conflict: it cannot now.
        """

    def begin(self, ledger: "Ledger", submission: Submission, wanted: Wanted) -> None:
        """Begin, in the transaction in which the job comes to be."""


def told_of(task: Task, told: Report) -> Report:
    """Return how a task of those went: as broken where what it is for was not done.

    One that applies, and was begun anew, says no more than that, and is no failure: whoever leads goes on from there.
    """
    if task.tasktype == APPLY and told.attempt > 1:
        return msgspec.structs.replace(told, error="", reason="", outcomes=())
    undone = next((each for each in told.outcomes if not each.state.goes_on), None)
    if undone is None or told.error or task.tasktype not in ASIDE:
        return told
    return msgspec.structs.replace(told, error=undone.error or ArgosyError.code, reason=undone.reason)


_LEADERS: dict[str, Leader] = {}


def add(workflow: str, leader: Leader) -> None:
    """Have the jobs of the workflow be led."""
    _LEADERS[workflow] = leader


def of(workflow: str) -> Leader | None:
    """Return who leads the jobs of the workflow; None: its rules do."""
    return _LEADERS.get(workflow)


def begin(ledger: "Ledger", submission: Submission) -> None:
    """Add the task that stands for the leading; the job has begun."""
    task = Task(job=submission.job, submission=submission, site=submission.site, tasktype=LEAD, queue=Queue.DISCOVERY)
    task.state, task.started, task.node = TaskState.STARTED.value, ledger.now, "hub"
    ledger.spawn(task, [])
    ledger.began(task)


def is_busy(job: Job, ledger: "Ledger") -> bool:
    """Say whether anything but the leading is left to do in the job."""
    return ledger.tasks().filter(job=job, completed=None).exclude(tasktype=LEAD).exists()


def end(ledger: "Ledger", job: Job, *, error: str = "", reason: str = "") -> None:
    """End the leading, and with it the job as soon as its snapshots are rotated; an error makes it fail."""
    open_ = ledger.tasks().filter(job=job, tasktype=LEAD, completed=None)
    for task in ledger.known.hold(open_.select_for_update(of=("self",))):
        state = TaskState.FAILURE if error else TaskState.SUCCESS
        ledger.walked(task)
        ledger.change(task, state=state.value, completed=ledger.now, error=error, reason=reason)
