"""What a discovery is: it finds entries, in an order it can take up again."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, Protocol, TypeVar, runtime_checkable

from argosy.core.entry import Entry
from argosy.core.room import Room
from argosy.filesystems.base import OnError
from argosy.site import Site

T = TypeVar("T")
R = TypeVar("R")
HANDS = 16
"""Requests to a store that a discovery has under way at once."""


@runtime_checkable
class Discovery(Protocol):
    """A frozen dataclass whose fields are its options."""

    def find(self, given: Sequence[Entry], site: Site, *, on_error: OnError, after: bytes | None) -> Iterator[Entry]:
        """Yield the entries found for the given ones; behind `after` where an earlier attempt came that far."""


@runtime_checkable
class Phased(Protocol):
    """A discovery whose entries are dealt with in phases: see `argosy.core.phases`."""

    def phases(
        self, given: Sequence[Entry], site: Site, *, on_error: OnError, after: bytes | None, phase: int
    ) -> Iterator[tuple[int, Entry]]:
        """Yield the entries found, each with its phase, which never goes down; those of phases below `phase` are done.

        `after`: the last path of that phase that is recorded, if any is.
        """


DISCOVERIES: Room[Discovery] = Room("argosy.discoveries", noun="discovery", contract=(Discovery,), besides=(Phased,))
"""By documented name: `recursive`; those of other distributions under the names of their entry points."""

_TASKS: Final = {
    "recursive": "dynamo.tasks.recursive_action",
    "snapdiff": "dynamo.tasks.snapdiff",
    "references": "dynamo.tasks.references",
    "objects": "dynamo.tasks.objects",
    "rebuild": "dynamo.tasks.rebuild",
    "trash": "dynamo.tasks.trash",
    "versions": "dynamo.tasks.versions",
    "snapshots": "dynamo.tasks.snapshots",
    "undo": "dynamo.tasks.undo",
}
OTHERS: Final = "dynamo.discoveries."
"""How tasks are called that do a discovery of another distribution, before its name."""


def task_of(discovery: str) -> str:
    """Return what the tasks are called that do a discovery: the documented name, where there is one."""
    return _TASKS.get(discovery, OTHERS + discovery)


def discovery_of(task: str) -> str | None:
    """Return the discovery that tasks of this name do, None where they do a step."""
    if task.startswith(OTHERS):
        return task.removeprefix(OTHERS)
    return next((discovery for discovery, name in _TASKS.items() if name == task), None)


def in_parallel(act: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """Yield what `act` returns of each item, in their order; some are asked ahead."""
    with ThreadPoolExecutor(HANDS, "discovery") as pool:
        ahead: deque[Future[R]] = deque()
        for item in items:
            ahead.append(pool.submit(act, item))
            if len(ahead) >= 2 * HANDS:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
