"""What the base says after a run: an object is in it only if both sides were seen to agree on it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from argosy.sync.planner.items import Place
from argosy.sync.planner.naming import normal
from argosy.sync.planner.options import Rules
from argosy.sync.planner.plans import Plan
from argosy.sync.planner.trees import SIDES, TOP, Binding, Entry, Found, Kind, Known, Side, Spot, Trees

Given = tuple[Mapping[str, int], Mapping[str, int]]
"""By side and object, the mtime that a file was given where its filesystem keeps another for it."""

_NOTHING_ELSE: Final[Given] = ({}, {})


class Agreed(NamedTuple):
    """The rows of the base that change."""

    put: tuple[Known, ...]
    drop: tuple[str, ...]
    minted: Mapping[str, str] = {}
    """By which ids the base knows objects of the plan that it did not know before."""


def spots(trees: Trees, plan: Plan) -> tuple[frozenset[Spot], frozenset[Spot]]:
    """Return where each side could not look, for the base to record after a run.

    As long as something may be in a place that nobody could look at for the first time, that place stays a new one:
    else the next run would take what is there for gone.
    """
    one, two = (tree.spots for tree in trees.sides)
    return (one & trees.spots[0], two & trees.spots[1]) if plan.unseen else (one, two)


def agree(
    base: Sequence[Known],
    plan: Plan,
    after: tuple[Mapping[str, Entry], Mapping[str, Entry]],
    *,
    tops: tuple[Binding, Binding],
    mint: Callable[[], str],
    rules: tuple[Rules, Rules] = (Rules(), Rules()),
    given: Given = _NOTHING_ELSE,
) -> Agreed:
    """Return what the base must record of the objects that a plan was made of.

    `after` is what each side was seen to have after the operations, by object; untouched ones as the plan matched them.
    What both sides have alike enters with the inodes they have it by; what is gone from both leaves. Everything else
    keeps what was agreed on, so that it differs from the base until it is done, but for its place, where both have one:
    what a run moved and could do no more with is not taken for moved by somebody else. And it gets the inodes that
    the plan took it for: else its old one, which may be another's by now, would be taken for it in the next run.

    Of `given` times the base records what each side has: neither counts as changed by that.
    """
    return _Agreement(base, plan, after, mint=mint, tops=tops, rules=rules, given=given).changes()


class _Agreement:
    def __init__(
        self,
        base: Sequence[Known],
        plan: Plan,
        after: tuple[Mapping[str, Entry], Mapping[str, Entry]],
        *,
        tops: tuple[Binding, Binding],
        mint: Callable[[], str],
        rules: tuple[Rules, Rules],
        given: Given,
    ) -> None:
        self.base = {known.id: known for known in base}
        self.plan = plan
        self.after = after
        self.given = given
        self.mint = mint
        self.moved: dict[str, Place] = {}
        """Where both sides have what they do not have alike, if that is one place, and another than before."""
        self.written: Callable[[bytes], bytes] = normal if any(each.normalising for each in rules) else bytes
        self.minted: dict[str, str] = {}
        self.ids = (self._ids(Side.ONE, tops[0]), self._ids(Side.TWO, tops[1]))

    def changes(self) -> Agreed:
        rows: dict[str, Known] = {}
        gone: list[str] = []
        for identity in dict.fromkeys((*self.base, *self.after[0], *self.after[1])):
            if identity in self.plan.unknown:
                continue
            row = self._row(identity)
            if row is not None:
                rows[identity] = row
            elif all(identity not in side for side in self.after):
                gone.append(identity)
        for identity, place in self.moved.items():
            moved = rows[identity]._replace(parent=place.parent, name=place.name)
            if self._reachable(moved, rows):
                rows[identity] = moved
        put = [self._named(row) for row in rows.values() if self._reachable(row, rows)]
        changed = {*gone, *(row.id for row in put)}
        still = {row.parent for row in put} | {known.parent for known in self.base.values() if known.id not in changed}
        drop = tuple(each for each in gone if each in self.base and each not in still)
        return Agreed(tuple(put), drop, self.minted)

    def _ids(self, side: Side, top: Binding) -> dict[Binding, str]:
        ids = {known.on[side].binding: known.id for known in self.base.values()}
        return ids | {entry.binding: identity for identity, entry in self.after[side].items()} | {top: TOP}

    def _row(self, identity: str) -> Known | None:
        known = self.base.get(identity)
        entries = [side.get(identity) for side in self.after]
        if entries[0] is not None and entries[1] is not None:
            row = self._alike(identity, known, entries[0], entries[1])
            if row is not None:
                return row
        if known is None or not any(entries):
            return None
        place = self._place(*entries)
        if place is not None and place != (known.parent, known.name):
            self.moved[identity] = place
        return self._rebound(known, entries)

    def _place(self, one: Entry | None, two: Entry | None) -> Place | None:
        """Return where both have it, if that is one place."""
        if one is None or two is None or one.kind is not two.kind or self.written(one.name) != self.written(two.name):
            return None
        parent = self.ids[0].get(one.parent)
        return Place(parent, one.name) if parent is not None and parent == self.ids[1].get(two.parent) else None

    def _alike(self, identity: str, known: Known | None, one: Entry, two: Entry) -> Known | None:
        """Return what both agree on, if they do."""
        content, place = self._content(known, one, Side.ONE), self._place(one, two)
        if place is None or one.metadata != two.metadata or content != self._content(known, two, Side.TWO):
            return None
        if content is None or (one.kind is Kind.FILE and not self._same_time(identity, known, one, two)):
            return None
        found = (Found(one.binding, one.version), Found(two.binding, two.version))
        return Known(
            identity,
            place.parent,
            place.name,
            one.kind,
            content,
            one.version.size,
            one.version.mtime_ns,
            one.metadata,
            found,
        )

    def _same_time(self, identity: str, known: Known | None, one: Entry, two: Entry) -> bool:
        now = one.version.mtime_ns, two.version.mtime_ns
        given = [side.get(identity, time) for side, time in zip(self.given, now, strict=True)]
        before = known is not None and now == tuple(found.version.mtime_ns for found in known.on)
        return now[0] == now[1] or given[0] == given[1] or before

    def _content(self, known: Known | None, entry: Entry, side: Side) -> bytes | None:
        if entry.kind is Kind.DIRECTORY:
            return b""
        if known is not None and known.on[side] == (entry.binding, entry.version):
            return known.content
        return entry.content

    def _rebound(self, known: Known, entries: Sequence[Entry | None]) -> Known:
        """Return the row with the inodes that the sides have it by now, and what was agreed on as it was."""
        found = list(known.on)
        for side in SIDES:
            entry = entries[side]
            if entry is not None:
                same = entry.kind is Kind.DIRECTORY or self._content(known, entry, side) == known.content
                touched = entry.version.mtime_ns != known.on[side].version.mtime_ns
                found[side] = Found(entry.binding, entry.version if same and not touched else known.on[side].version)
        return known._replace(on=(found[0], found[1]))

    def _reachable(self, row: Known, rows: Mapping[str, Known]) -> bool:
        """Say whether the base knows the directories above it."""
        seen: set[str] = set()
        while row.parent not in self.base and row.parent != TOP and row.id not in seen:
            seen.add(row.id)
            above = rows.get(row.parent)
            if above is None:
                return False
            row = above
        return True

    def _named(self, row: Known) -> Known:
        """Return the row with ids that last."""
        return row._replace(id=self._lasting(row.id), parent=self._lasting(row.parent))

    def _lasting(self, identity: str) -> str:
        if not identity.startswith("+"):
            return identity
        if identity not in self.minted:
            self.minted[identity] = self.mint()
        return self.minted[identity]
