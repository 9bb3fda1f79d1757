"""The planner: from the base and two trees to what must be done."""

import msgspec

from argosy.sync.planner import collisions, guards, matching, merging, surviving
from argosy.sync.planner.contents import note_changes
from argosy.sync.planner.holding import Holder, wanted
from argosy.sync.planner.items import Item, Work
from argosy.sync.planner.linking import exchange_names, link_names, share_metadata
from argosy.sync.planner.operations import operations
from argosy.sync.planner.options import Options
from argosy.sync.planner.plans import Conflict, Dispute, Held, Left, Plan
from argosy.sync.planner.trees import SIDES, Binding, Entry, Kind, Side, Trees

Content = tuple[Side, Binding]


def plan(trees: Trees, options: Options) -> Plan:
    """Return what makes both sides agree, and lose nothing that anybody wrote.

    The same trees give the same plan. Where it has `needs`, hash those and ask again, with what could not be hashed as
    `unread`; where it has `refusals`, ask somebody. In both cases nothing is to be done yet.

    Raises:
        Invalid: an entry is told without its directory, or a directory twice.
    """
    closed: frozenset[Content] = frozenset()
    returned: frozenset[str] = frozenset()
    while True:
        work = Work(trees, options, returned)
        matching.match(work)
        said = guards.alarms(work)
        if refused := guards.refusals(work, said):
            return Plan(refusals=refused, alarms=said, left=_left(work), unknown=frozenset(work.unknown))
        _close(work, closed)
        _decide(work)
        hopeless = trees.unread & work.needs.keys() - closed
        if hopeless:
            closed |= hopeless  # what was decided meanwhile may have hung on them: begin anew without them
        elif work.displaced and not work.needs:
            returned |= work.displaced  # it may meet others there, or need directories: begin anew with it there
        else:
            return _answer(work)


def _close(work: Work, closed: frozenset[Content]) -> None:
    """Have all stay as they are whose contents decide something and cannot be known."""
    for item in work.items.values() if closed else ():
        for side in SIDES:
            entry = item.on[side]
            if entry is not None and (side, entry.binding) in closed:
                item.frozen = True
                work.unread[item.id] = side


def _decide(work: Work) -> None:
    note_changes(work)
    merging.settle(work)
    surviving.survive(work)
    collisions.resolve(work)


def _answer(work: Work) -> Plan:
    if work.needs:
        needs = tuple(sorted(work.needs.values()))
        return Plan(needs=needs, left=_left(work), unknown=frozenset(work.unknown))
    work.forget_paths()
    share_metadata(work)
    exchange_names(work)
    for side in SIDES:
        Holder(work, side).hold()
    link_names(work)
    return Plan(
        operations=operations(work),
        conflicts=tuple(_placed(work, each) for each in work.conflicts if not _came_together(work, each)),
        held=(*_held(work), *_skipped(work), *_waiting(work)),
        left=_left(work),
        drift=sum(_drifted(work, item) for item in work.items.values()) if work.options.one_way else 0,
        matched=(_matched(work, Side.ONE), _matched(work, Side.TWO)),
        unknown=frozenset(work.unknown),
        unseen=frozenset(work.unseen),
    )


def _came_together(work: Work, conflict: Conflict) -> bool:
    """Say whether both moved it to one place after all: their directories turned out to be one."""
    item = work.items.get(conflict.object)
    if conflict.dispute is not Dispute.PLACE or item is None:
        return False
    return work.here(item, Side.ONE) == work.here(item, Side.TWO)


def _placed(work: Work, conflict: Conflict) -> Conflict:
    """Return the conflict with where both versions are in the end, as far as they are in sight."""
    named, copy = (work.items.get(work.one(each)) for each in (conflict.named, conflict.copy))
    if named is None:
        return conflict
    at, kept = work.path(named), work.path(copy) if copy is not None and copy.alive else b""
    if copy is None or kept in {b"", at}:
        return msgspec.structs.replace(conflict, named=named.id, copy="", at=at, kept=b"")
    return msgspec.structs.replace(conflict, named=named.id, copy=copy.id, at=at, kept=kept)


def _held(work: Work) -> list[Held]:
    sides = (Side.TWO,) if work.options.one_way else SIDES
    return [
        _told(work, side, identity, why, skipped=skipped)
        for side in sides
        for identity, (why, skipped) in work.stays[side].items()
    ]


def _waiting(work: Work) -> list[Held]:
    """Return what waits for somebody to look, or to read."""
    unseen = [_told(work, side.other, identity, why) for identity, (side, why) in work.unseen.items()]
    unread = [
        _told(work, side, identity, "what to do hangs on its unread content")
        for identity, side in work.unread.items()
        if identity not in work.unseen
    ]
    return [*unseen, *unread]


def _skipped(work: Work) -> list[Held]:
    """Return what one-way sync leaves to the destination, as asked for."""
    if not work.options.one_way:
        return []
    skips = dict(work.skips)
    for item in work.items.values():
        if item.base is not None and item.alive and item.only is Side.TWO and not item.frozen:
            skips[item.id] = item.why
    return [_told(work, Side.TWO, identity, why, skipped=True) for identity, why in skips.items()]


def _told(work: Work, side: Side, identity: str, why: str, *, skipped: bool = False) -> Held:
    item = work.items[identity]
    path = work.path(item, side) if item.on[side] is not None else work.path(item)
    there = work.path(item, side.other) if item.on[side.other] is not None else path
    elsewhere = there if there != path else b""
    return Held(side=side, object=identity, path=path, why=why, skipped=skipped, elsewhere=elsewhere)


def _drifted(work: Work, item: Item) -> bool:
    """Say whether the destination alone made it what it is: the source would have to change."""
    if item.frozen:
        return False
    if wanted(work, item, Side.ONE):
        return True
    entry = item.on[Side.ONE]
    if entry is None or not item.alive:
        return False
    return entry.metadata != item.metadata() or (item.kind is Kind.FILE and not item.timely(Side.ONE))


def _left(work: Work) -> tuple[Left, ...]:
    found = []
    for side in SIDES:
        tree = work.trees.sides[side]
        for group, unknown in ((tree.unsyncable, False), (tree.boundaries, False), (tree.unknown, True)):
            for each in group:
                above = _directory(work, each.parent, side)
                path = above + b"/" + each.name if above else each.name
                found.append(Left(side=side, path=path, why=each.why, unknown=unknown))
        found += [
            Left(side=side, path=path or b".", why="could not be listed whole", unknown=True)
            for path in sorted(_directory(work, each, side) for each in tree.unlisted)
        ]
    return tuple(found)


def _directory(work: Work, binding: Binding, side: Side) -> bytes:
    """Return the path of a directory, empty for the top."""
    item = work.items.get(work.one(work.ids[side].get(binding, "")))
    return b"" if item is None else work.path(item, side)


def _matched(work: Work, side: Side) -> dict[str, Entry]:
    return {item.id: entry for item in work.items.values() if (entry := item.on[side]) is not None}
