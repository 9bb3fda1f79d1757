"""Applying the operations of one side, in their order, some at a time.

What an operation is to make is made before any of its batch is done; what it takes from a name is in the journal
before; and its outcome is told when it is on the disk. Nothing is replaced before all that comes is on the disk:
conflict copies among it. Memory grows with what operations to come may meet again: directories that are made or in
which something is done, what is moved, what has several names; and with what is not done. Nothing else is remembered.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby, islice
from typing import Final

from argosy.core.errors import ArgosyError
from argosy.core.failpoints import failpoint
from argosy.filesystems import ids
from argosy.filesystems._posix.errors import translated
from argosy.filesystems._posix.undoing import Undoing
from argosy.sync.executor import acting, seeing, staging
from argosy.sync.executor.area import Area
from argosy.sync.executor.directories import Directories
from argosy.sync.executor.durability import Unsynced
from argosy.sync.executor.expecting import Expecting
from argosy.sync.executor.journal import Begun, Journal, Record
from argosy.sync.executor.outcomes import Became, Outcome
from argosy.sync.executor.recovery import recover_owned
from argosy.sync.executor.run import Run
from argosy.sync.executor.staging import Staging
from argosy.sync.executor.strays import Strays
from argosy.sync.executor.undoing import AT_ONCE, Noting
from argosy.sync.planner.plans import Act, Operation

_PHASES: Final = {
    Act.PARK: 1, Act.TRASH: 1, Act.CREATE: 2, Act.UNPARK: 2, Act.REPLACE: 3, Act.METADATA: 4, Act.MTIME: 5,
}  # fmt: skip
"""A batch is of one phase: what belongs to an earlier one is on the disk before."""


def apply(
    area: Area, run: str, operations: Iterable[Operation], *, check: Callable[[], None] = lambda: None,
    live: Iterable[str] = (),
) -> Iterator[Outcome]:  # fmt: skip
    """Do the operations of a side in their order; yield what became of each, once, as soon as it is on the disk.

    Something that could not come back to a name is told last, when it has come home. What an earlier run left is
    recovered first. Afterwards nothing of the run is left but what it shelved.

    `run`: names it, and what was staged for it. `check` is called before every visible change, and ends the run by what
    it raises; what is under way then is recovered by the next. `live`: other runs for which something is staged.

    Raises:
        LeaseLost: `check` said so.
        Occupied: another run is under way.
        Unavailable: the tree is no longer there.
    """
    with area.owned(), translated(area.path):
        check()
        recover_owned(area, live=frozenset({run, *live}))
        check()
        begun = Begun(run=run, shelf_id=ids.of_tree(area.path, run))
        with Staging(area, run) as staged, Journal(area.journal, begun) as journal, Undoing(area.home, run) as undoing:
            staged.sync()
            failpoint("sync:before_apply")
            execution = _Execution(area, staged, journal, Noting(undoing), shelf_id=begun.shelf_id, check=check)
            try:
                yield from execution.outcomes(operations)
            finally:
                execution.close()
            if not (seeing.names(area.parked) or seeing.names(area.displaced)):
                journal.end()  # else a full disk keeps something out of sight, and the next run needs to know of it
        staging.discard(area, run)
        failpoint("sync:after_apply")


class _Execution:
    def __init__(
        self, area: Area, staged: Staging, journal: Journal, noting: Noting, *, shelf_id: str,
        check: Callable[[], None],
    ) -> None:  # fmt: skip
        self._journal = journal
        self._noting = noting
        self._run = Run(
            area=area, staging=staged, check=check, shelf_id=shelf_id, expecting=Expecting(area.seal),
            directories=Directories(area.top), unsynced=Unsynced(),
        )  # fmt: skip
        self._undone: set[int] = set()
        self._strays = Strays(self._run)

    def outcomes(self, operations: Iterable[Operation]) -> Iterator[Outcome]:
        """Yield what became of each."""
        for batch in _batches(operations):
            yield from self._batch(batch)
        yield from self._strays.homes(self._journal)

    def close(self) -> None:
        """Let go of what is open."""
        self._run.directories.forget()
        self._run.unsynced.forget()

    def _batch(self, batch: list[Operation]) -> list[Outcome]:
        """Prepare, note what is to be done, do it, and wait for the disk.

        Directories are found anew whenever the disk was waited for: until then others may have moved them.
        """
        self._run.directories.forget()
        wrong = self._prepare(batch)
        self._run.unsynced.sync()
        self._intend(batch, wrong)
        self._run.directories.forget()
        done = [(each, outcome) for each in batch if (outcome := self._one(each, wrong.get(each.number))) is not None]
        self._run.unsynced.sync()
        self._noting.note(done)
        return [outcome for _, outcome in done]

    def _prepare(self, batch: list[Operation]) -> dict[int, ArgosyError]:
        """Make what is to come; return why that cannot be, by number."""
        able = [each for each in batch if self._hindrance(each) is None]
        return {each.number: error for each in able if (error := acting.prepared(self._run, each)) is not None}

    def _intend(self, batch: list[Operation], wrong: dict[int, ArgosyError]) -> None:
        """Have the journal know what is about to go from its name."""
        records: list[Record] = []
        for each in batch:
            if each.number not in wrong and self._hindrance(each) is None:
                error = acting.intended(self._run, each, records)
                if error is not None:
                    wrong[each.number] = error
        self._journal.write(records)

    def _one(self, operation: Operation, wrong: ArgosyError | None) -> Outcome | None:
        """Return what became of the operation; None where that is told later."""
        because = self._hindrance(operation)
        if because is not None:
            outcome = acting.left(operation, because)
        elif wrong is not None:
            outcome = acting.wrong(operation, wrong)
        else:
            outcome = acting.acted(self._run, operation)
        if outcome.became is Became.DONE:
            return outcome
        self._undone.add(operation.number)
        return None if self._strays.take(operation, outcome) else outcome

    def _hindrance(self, operation: Operation) -> int | None:
        return next((each for each in operation.after if each in self._undone), None)


def _batches(operations: Iterable[Operation]) -> Iterator[list[Operation]]:
    """Yield operations in their order, so many at once, of one phase."""
    for _, phase in groupby(operations, key=lambda each: _PHASES[each.act]):
        while batch := list(islice(phase, AT_ONCE)):
            yield batch
