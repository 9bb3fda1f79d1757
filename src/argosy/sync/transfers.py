"""What must be brought to a side before its operations are applied, told by the operations alone; and what it taught.

A content is brought for each operation that needs one. Attributes are known by their digest, so that those which many
have alike are brought once, with the first operation that has them.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Final, NamedTuple

import msgspec

from argosy.sync.executor.sources import Paths
from argosy.sync.planner.plans import Act, Operation, Plan
from argosy.sync.planner.trees import Entry, Kind, Side, Trees

_MAKE: Final = {Act.CREATE, Act.REPLACE}
_NEEDY: Final = {*_MAKE, Act.METADATA}


class Transfer(NamedTuple):
    """Something that an operation needs, and where it is."""

    number: int
    """Of the operation."""
    to: Side
    origin: Side
    """The side that has it: the other, or the same."""
    path: bytes
    """Where, relative to the top of that side."""
    entry: Entry
    """As that side's scan saw it; its content, if that is known, is what is to come."""
    whole: bool
    """Whether its content is wanted; else its attributes alone."""
    size: int


class Sent(NamedTuple):
    """What was found at the origin when a content was sent."""

    content: bytes
    ctime_ns: int


def transfers(plan: Plan, trees: Trees) -> Iterator[Transfer]:
    """Yield what must be brought, in the order of the operations that need it first.

    An operation may need a content of one side and attributes of the other.
    """
    having = _Having(plan, trees)
    brought: set[tuple[Side, bytes]] = set()
    for each in plan.operations:
        if each.linked or each.act not in _NEEDY:
            continue
        attached = None if each.metadata is None else each.metadata.attributes
        if each.kind is Kind.FILE and each.act in _MAKE and each.source is not None:
            origin, entry = each.source
            size, content = entry.version.size, entry._replace(content=each.content)
            yield Transfer(each.number, each.side, origin, each.source_at, content, whole=True, size=size)
            if attached is not None and entry.metadata.attributes == attached:
                brought.add((each.side, attached))
        if attached is not None and (each.side, attached) not in brought:
            brought.add((each.side, attached))
            yield from having.bring(each, attached)


class _Having:
    """Who has which attributes."""

    def __init__(self, plan: Plan, trees: Trees) -> None:
        self._plan, self._trees = plan, trees

    def bring(self, operation: Operation, attached: bytes) -> Iterator[Transfer]:
        """Yield how these come to the operation's side, if anybody has them."""
        if operation.source is not None and operation.source[1].metadata.attributes == attached:
            origin, entry = operation.source
            yield Transfer(operation.number, operation.side, origin, operation.source_at, entry, whole=False, size=0)
            return
        for origin in (operation.side.other, operation.side):
            there = self._found[origin].get(attached)
            if there is not None:
                path = self._paths[origin].of(there)
                yield Transfer(operation.number, operation.side, origin, path, there, whole=False, size=0)
                return

    @cached_property
    def _found(self) -> tuple[dict[bytes, Entry], dict[bytes, Entry]]:
        one, two = (
            {each.metadata.attributes: each for each in matched.values() if each.metadata.attributes is not None}
            for matched in self._plan.matched
        )
        return one, two

    @cached_property
    def _paths(self) -> tuple[Paths, Paths]:
        return Paths(self._trees.sides[0]), Paths(self._trees.sides[1])


class Learned:
    """What was learned of files when they were sent."""

    def __init__(self, sent: Mapping[int, Sent], operations: Iterable[Operation]) -> None:
        """`sent`: by the number of the operation that each was sent for; `operations`: of both sides."""
        self._sent = sent
        self._of = {
            (each.source[0], each.source[1].binding): (each.source[1].version, sent[each.number])
            for each in operations
            if each.number in sent and each.source is not None
        }

    def told(self, operation: Operation) -> Operation:
        """Return an operation with the contents of what is to come, and of what is to be there.

        That somebody looks at the content again which is to be there, for its copy was noted on it, finds no change.
        """
        known, expects = self._sent.get(operation.number), operation.expects
        if known is not None and operation.content is None:
            operation = msgspec.structs.replace(operation, content=known.content)
        found = None if expects is None else self._known(operation.side, expects)
        if expects is not None and found is not None:
            operation = msgspec.structs.replace(operation, expects=expects._replace(content=found.content))
        return operation

    def matched(self, side: Side, matched: Mapping[str, Entry]) -> dict[str, Entry]:
        """Return what a side had before the operations, by object, as `After` is to be told.

        To note on a file where its copy is gives it another ctime: without this the next run would have to read it.
        """
        return {identity: self._as_sent(side, entry) for identity, entry in matched.items()}

    def _as_sent(self, side: Side, entry: Entry) -> Entry:
        found = self._known(side, entry)
        if found is None:
            return entry
        return entry._replace(version=entry.version._replace(ctime_ns=found.ctime_ns), content=found.content)

    def _known(self, side: Side, entry: Entry) -> Sent | None:
        version, sent = self._of.get((side, entry.binding), (None, None))
        return sent if version == entry.version else None
