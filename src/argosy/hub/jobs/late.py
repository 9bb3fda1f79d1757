"""What is told of a task when its job was cancelled already: its entries stay cancelled, and say what was done."""

from collections.abc import Iterable
from typing import Final

from argosy.core.outcome import Outcome
from argosy.core.states import FileState
from argosy.hub.jobs.blobs import Carried, Noted, pack_noted
from argosy.hub.jobs.ledger import Ledger
from argosy.hub.jobs.models import Result, Task

WHILE: Final = "the job was cancelled while this ran"
_DONE: Final = {FileState.PROCESSED: "it was done", FileState.FAILED: "it failed"}


def tell(ledger: Ledger, task: Task, outcomes: Iterable[Outcome]) -> None:
    """Have the cancelled entries of a task say what was done to them, as the agent says that had them."""
    told = {outcome.entry.path: outcome for outcome in outcomes}
    row = ledger.results().filter(task=task, state=FileState.CANCELLED, blob=None).first() if told else None
    if row is None:
        return
    noted = [
        Noted(outcome=_cancelled(item, told.get(item.entry.path), row.reason), source=item.source)
        for item in ledger.known.entries(task)
    ]
    Result.objects.filter(pk=row.pk).update(blob=pack_noted(noted))


def _cancelled(item: Carried, outcome: Outcome | None, reason: str) -> Outcome:
    if outcome is not None:
        done = _DONE.get(outcome.state, f"it was {outcome.state.value}")
        reason = ": ".join(filter(None, (WHILE, done, outcome.reason)))
    return Outcome(entry=item.entry, state=FileState.CANCELLED, reason=reason)
