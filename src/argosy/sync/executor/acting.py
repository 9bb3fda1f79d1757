"""One operation: made ready, noted, done; and what became of it."""

import contextlib
from collections.abc import Callable
from typing import Final

from argosy.core.errors import ArgosyError, Changed, Exists, Invalid, LeaseLost, NotFound, Unavailable
from argosy.core.paths import display
from argosy.filesystems._posix.errors import translated
from argosy.sync.executor.coming import create, unpark
from argosy.sync.executor.dressing import dress, give_time
from argosy.sync.executor.going import intent, park, trash
from argosy.sync.executor.journal import Record
from argosy.sync.executor.outcomes import Became, Outcome
from argosy.sync.executor.preparing import discard, prepare
from argosy.sync.executor.replacing import replace
from argosy.sync.executor.run import Result, Run
from argosy.sync.planner.plans import Act, Operation
from argosy.sync.planner.trees import Entry, Kind

ON_WHAT_IS_THERE: Final[dict[Act, Callable[[Run, Operation, Entry], Result]]] = {
    Act.PARK: park, Act.TRASH: trash, Act.UNPARK: unpark, Act.REPLACE: replace, Act.METADATA: dress,
}  # fmt: skip
OTHERS: Final[dict[Act, Callable[[Run, Operation], Result]]] = {Act.CREATE: create, Act.MTIME: give_time}
_MAKES: Final = {Act.CREATE, Act.REPLACE}
_RENAMES: Final = {Act.PARK, Act.TRASH, Act.UNPARK}


def prepared(run: Run, operation: Operation) -> ArgosyError | None:
    """Make what is to come; return why that cannot be, if it cannot."""
    return _tried(run, operation, lambda: prepare(run, operation)) if operation.act in _MAKES else None


def intended(run: Run, operation: Operation, records: list[Record]) -> ArgosyError | None:
    """Add what the journal must know before it is done; return why it cannot be done, if that is clear already."""

    def intend() -> None:
        record = intent(run, operation)
        if record is not None:
            records.append(record)

    return _tried(run, operation, intend)


def acted(run: Run, operation: Operation) -> Outcome:
    """Do it; return what became of it."""
    result: list[Result] = []
    run.stirred.begin()
    error = _tried(run, operation, lambda: result.append(_act(run, operation)))
    run.stirred.after()
    if operation.kind is Kind.DIRECTORY and operation.act in _RENAMES:
        run.directories.forget()
    if error is not None:
        _discard(run, operation)
        return wrong(operation, error)
    return outcome(operation, Became.DONE, **result[0]._asdict())


def _act(run: Run, operation: Operation) -> Result:
    if operation.act in OTHERS:
        return OTHERS[operation.act](run, operation)
    if operation.expects is None:
        raise Invalid(f"{display(operation.path)}: operation {operation.number} tells nothing of what was scanned")
    return ON_WHAT_IS_THERE[operation.act](run, operation, operation.expects)


def _tried(run: Run, operation: Operation, act: Callable[[], None]) -> ArgosyError | None:
    """Do something for an operation; return what is wrong with that one, and raise what is wrong with all."""
    try:
        with translated(run.area.absolute(operation.target)):
            act()
    except (Unavailable, LeaseLost):
        raise
    except ArgosyError as error:
        return error
    return None


def _discard(run: Run, operation: Operation) -> None:
    if operation.act in _MAKES and not operation.linked:
        with contextlib.suppress(OSError):  # what is left goes with all that was staged
            discard(run, operation)


def wrong(operation: Operation, error: ArgosyError) -> Outcome:
    """Return what is told of one that was not done."""
    became = Became.ABORTED if isinstance(error, (Changed, Exists, NotFound)) else Became.FAILED
    return outcome(operation, became, reason=error.message, code=error.code)


def left(operation: Operation, because: int) -> Outcome:
    """Return what is told of one that was not begun."""
    return outcome(operation, Became.LEFT, reason=f"operation {because} was not done", because=because)


def outcome(operation: Operation, became: Became, **more: object) -> Outcome:
    """Return what is told of one."""
    told = {"number": operation.number, "act": operation.act, "object": operation.object, "became": became}
    return Outcome(**told, **more)  # type: ignore[arg-type]
