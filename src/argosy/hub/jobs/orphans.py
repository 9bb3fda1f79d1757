"""What agents ran that are gone is offered again."""

from itertools import product

from argosy.core.states import TaskState
from argosy.hub.common import changes
from argosy.hub.jobs.ledger import OPEN_TASK, Ledger
from argosy.hub.jobs.models import Queue, Task
from argosy.hub.jobs.offer import offer
from argosy.hub.jobs.suspects import died_once_more
from argosy.hub.sites.models import Site

RESTARTED = "restarted"
"""What stands in the place of an error where an attempt was ended by nothing that is wrong with the task."""
_BEGUN_AGAIN = "the agents were started anew while this ran: it is begun again"


def adopt(ledger: Ledger, *, died: bool) -> None:
    """Offer again all that ran; `died`: the agents did, and not with everything else, so it may be for a task."""
    running = _running(ledger)
    for task in running:
        why = died_once_more(task, alone=len(running) == 1) if died else {"error": RESTARTED, "reason": _BEGUN_AGAIN}
        ledger.change(task, state=TaskState.PENDING.value, attempt=task.attempt + 1, lost=task.attempt, **why)
    ledger.tasks().exclude(lease_until=None).update(lease_until=None)
    ledger.tasks().filter(state__in=OPEN_TASK).update(rung_at=None)
    ledger.known.forget()
    changes.note_many(changes.Kind.TASK)
    offer(product(Site.objects.values_list("pk", flat=True), Queue.values), ledger.now)


def _running(ledger: Ledger) -> list[Task]:
    """Return the tasks that are STARTED, held so that nobody ends them meanwhile."""
    started = ledger.tasks().filter(state=TaskState.STARTED).values_list("taskid", flat=True)
    taskids = list(map(str, started))
    ledger.known.load(taskids)
    known = [task for taskid in taskids if (task := ledger.known.task(taskid))]
    return [task for task in known if task.state == TaskState.STARTED]
