"""What a side has after its operations, as `planner.agreeing` wants to be told: by object."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from argosy.sync.executor.outcomes import Became, Outcome
from argosy.sync.planner.plans import Act, Operation
from argosy.sync.planner.trees import Binding, Entry, Kind, Known, Side, Version


class After:
    """Begins as the plan matched the side, and follows what became of its operations."""

    def __init__(
        self, side: Side, matched: Mapping[str, Entry], operations: Iterable[Operation],
        hashes: Mapping[tuple[Side, Binding], bytes], base: Iterable[Known] = (),
    ) -> None:  # fmt: skip
        """What is known of contents from anywhere counts: without it nobody could say that both sides agree.

        `operations`: of both sides, with the contents that were staged. `base`, `hashes`: what the plan was made of.
        """
        held = {each.on[side].binding: (each.on[side].version, each.content) for each in base if each.kind is Kind.FILE}
        linked = set[Binding]()
        for each in operations:
            if each.side is side and each.linked_to is not None:
                linked.add(each.linked_to.binding)
            if (learned := _learned(side, each)) is not None:
                held |= learned
        self.entries: dict[str, Entry] = {}
        """By object: what the side has."""
        self._given: dict[Binding, tuple[int, int]] = {}
        self._names: defaultdict[Binding, set[str]] = defaultdict(set)
        for identity, entry in matched.items():
            self.entries[identity] = _known(entry, held.get(entry.binding), hashes.get((side, entry.binding)))
            if entry.kind is not Kind.DIRECTORY and (entry.links > 1 or entry.binding in linked):
                self._names[entry.binding].add(identity)

    @property
    def given(self) -> dict[str, int]:
        """By object, the mtime that was given where the filesystem keeps another for it, and keeps that still."""
        if not self._given:
            return {}
        kept = {identity: (self._given.get(each.binding), each) for identity, each in self.entries.items()}
        return {
            identity: given[1]
            for identity, (given, entry) in kept.items()
            if given is not None and given[0] == entry.version.mtime_ns
        }

    def note(self, outcome: Outcome) -> None:
        """Take note of what became of an operation, in the order in which it is told."""
        before, entry = self.entries.get(outcome.object), outcome.entry
        if before is not None and outcome.shelved is not None:
            self._names[before.binding].discard(outcome.object)
            self._renew(self._names[before.binding], outcome.shelved)
        if outcome.act is Act.TRASH and outcome.became is Became.DONE:
            self.entries.pop(outcome.object, None)
        elif entry is not None:
            if outcome.given_ns is not None:
                self._given[entry.binding] = entry.version.mtime_ns, outcome.given_ns
            if before is not None and before.binding == entry.binding and entry.content is None:
                entry = entry._replace(content=before.content)  # the same inode, of which only the rest was changed
            self._share(outcome.object, entry)

    def _share(self, identity: str, entry: Entry) -> None:
        """Have all names of an inode know what was seen under this one, and this one what was known of the others."""
        if entry.kind is not Kind.DIRECTORY:
            names = self._names[entry.binding]
            held = [self.entries[each].content for each in names if self.entries[each].content is not None]
            if entry.content is None and held:
                entry = entry._replace(content=held[0])
            self._renew(names, entry)
            names.add(identity)
        self.entries[identity] = entry

    def _renew(self, names: Iterable[str], like: Entry) -> None:
        for each in names:
            ours = self.entries[each]
            self.entries[each] = ours._replace(version=like.version, metadata=like.metadata, links=like.links)


Held = dict[Binding, tuple[Version, bytes]]
"""What inodes held in which version."""


def _learned(side: Side, operation: Operation) -> Held | None:
    """Return what was read of the side for an operation; None: nothing."""
    source, content = operation.source, operation.content
    if source is None or source[0] is not side or operation.kind is not Kind.FILE or content is None:
        return None
    return {source[1].binding: (source[1].version, content)}


def _known(entry: Entry, held: tuple[Version, bytes] | None, hashed: bytes | None) -> Entry:
    if entry.content is not None or entry.kind is not Kind.FILE:
        return entry
    same = held is not None and held[0] == entry.version
    return entry._replace(content=held[1] if held is not None and same else hashed)
