"""What agents ran that are gone is offered again."""

from itertools import product
from typing import Any

from django.db.models import Q

from argosy.core.states import TaskState
from argosy.hub.common import changes
from argosy.hub.jobs.leads import LEAD
from argosy.hub.jobs.ledger import OPEN_TASK, Ledger
from argosy.hub.jobs.models import Queue, Task
from argosy.hub.jobs.offer import offer
from argosy.hub.jobs.suspects import alike, died_once_more, is_condemned, suspected_for
from argosy.hub.sites.models import Site

RESTARTED = "restarted"
"""What stands in the place of an error where an attempt was ended by nothing that is wrong with the task."""
_BEGUN_AGAIN = "the agents were started anew while this ran: it is begun again"


def adopt(ledger: Ledger, *, died: bool, of: tuple[str, str] | None = None) -> None:
    """Offer again all that ran; `died`: the agents did, and not with everything else, so it may be for a task.

    `of`: a site and a node, where only what that one ran is meant.
    """
    theirs = Q() if of is None else Q(site__name=of[0], node=of[1])
    told = Q(state__in=OPEN_TASK) if of is None else Q(site__name=of[0], state=TaskState.PENDING)
    running = _running(ledger, theirs)
    alone = len(running) == 1 and not _is_more_at_work(ledger, theirs)
    last = max((task.rung_at for task in running if task.rung_at), default=None)
    for task in running:
        why: dict[str, Any] = {"error": RESTARTED, "reason": _BEGUN_AGAIN}
        if died:
            why = died_once_more(task, alone=alone, last=task.rung_at == last)
        ledger.change(task, state=TaskState.PENDING.value, attempt=task.attempt + 1, lost=task.attempt, **why)
    for task in filter(is_condemned, running):
        _suspect_another(ledger, task)
    ledger.tasks().filter(theirs).exclude(lease_until=None).update(lease_until=None)
    ledger.tasks().filter(told).update(rung_at=None)
    ledger.known.forget()
    changes.note_many(changes.Kind.TASK)
    offer(product(Site.objects.values_list("pk", flat=True), Queue.values), ledger.now)


def _suspect_another(ledger: Ledger, condemned: Task) -> None:
    if (another := alike(condemned, ledger.tasks(), ledger.now)) is not None:
        (held,) = ledger.known.hold([another])
        ledger.change(held, **suspected_for(condemned))


def _is_more_at_work(ledger: Ledger, theirs: Q) -> bool:
    """Say whether agents may have been at something else, too, that was cancelled or taken from them."""
    return ledger.tasks().filter(theirs).exclude(lease_until=None).exclude(state=TaskState.STARTED).exists()


def _running(ledger: Ledger, theirs: Q) -> list[Task]:
    """Return the tasks that are STARTED, held so that nobody ends them meanwhile."""
    started = (
        ledger.tasks().filter(theirs, state=TaskState.STARTED).exclude(tasktype=LEAD).values_list("taskid", flat=True)
    )
    taskids = list(map(str, started))
    ledger.known.load(taskids)
    known = [task for taskid in taskids if (task := ledger.known.task(taskid))]
    return [task for task in known if task.state == TaskState.STARTED]
