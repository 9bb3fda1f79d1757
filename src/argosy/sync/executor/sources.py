"""What must be brought to a side before its operations are applied, and where the other side has it."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from argosy.sync.planner.plans import Act, Operation, Plan
from argosy.sync.planner.trees import Entry, Kind, Side, Tree


class Paths:
    """Where entries of a side are, told by its scan."""

    def __init__(self, tree: Tree) -> None:
        self._top = tree.top
        self._directories = {each.binding: each for each in tree.entries if each.kind is Kind.DIRECTORY}

    def of(self, entry: Entry) -> bytes:
        """Return its path below the top."""
        names = [entry.name]
        above = entry.parent
        while above != self._top:
            directory = self._directories[above]
            names.append(directory.name)
            above = directory.parent
        return b"/".join(reversed(names))


class Content(NamedTuple):
    """The content of a file that an operation needs."""

    number: int
    side: Side
    entry: Entry
    """What the scan saw of what has it: on the other side, or on this one."""
    path: bytes
    """Below the top of that side."""


def contents(operations: Iterable[Operation]) -> Iterator[Content]:
    """Yield which contents must be staged."""
    for each in operations:
        if each.act in {Act.CREATE, Act.REPLACE} and each.kind is Kind.FILE and not each.linked and each.source:
            yield Content(each.number, *each.source, each.source_at)


def attached(plan: Plan, side: Side) -> Mapping[bytes, tuple[Side, Entry]]:
    """Return, by their digest, which attributes must be staged for a side, and an entry that has each of them."""
    wanted = {
        each.metadata.attributes: each
        for each in plan.operations
        if each.side is side and each.metadata is not None and each.metadata.attributes is not None and not each.linked
    }
    found: dict[bytes, tuple[Side, Entry]] = {}
    for here in (side.other, side):
        for entry in plan.matched[here].values():
            known_as = entry.metadata.attributes
            if known_as in wanted and known_as is not None:
                found.setdefault(known_as, (here, entry))
    return found
