"""The planner: from the base and two trees to what must be done."""

from argosy.sync.planner import collisions, guards, matching, merging, surviving
from argosy.sync.planner.contents import note_changes
from argosy.sync.planner.holding import Holder, wanted
from argosy.sync.planner.items import Item, Work
from argosy.sync.planner.linking import share_metadata
from argosy.sync.planner.operations import operations
from argosy.sync.planner.options import Options
from argosy.sync.planner.plans import Conflict, Dispute, Held, Left, Plan
from argosy.sync.planner.trees import SIDES, Entry, Kind, Side, Trees


def plan(trees: Trees, options: Options) -> Plan:
    """Return what makes both sides agree, and lose nothing that anybody wrote.

    The same trees give the same plan. Where it has `needs`, hash those and ask again; where it has `refusals`, ask
    somebody. In both cases nothing is to be done yet.

    Raises:
        Invalid: an entry is told without its directory, or a directory twice.
    """
    work = Work(trees, options)
    matching.match(work)
    refused = guards.refusals(work)
    if refused and not options.confirmed:
        return Plan(refusals=refused, left=_left(work), unknown=_unknown(work))
    note_changes(work)
    merging.settle(work)
    surviving.survive(work)
    collisions.resolve(work)
    if work.needs:
        return Plan(needs=tuple(sorted(work.needs.values())), left=_left(work), unknown=_unknown(work))
    work.forget_paths()
    share_metadata(work)
    return _answer(work)


def _answer(work: Work) -> Plan:
    for side in SIDES:
        Holder(work, side).hold()
    return Plan(
        operations=operations(work),
        conflicts=tuple(each for each in work.conflicts if not _came_together(work, each)),
        held=(*_held(work), *_skipped(work)),
        left=_left(work),
        drift=sum(_drifted(work, item) for item in work.items.values()) if work.options.one_way else 0,
        matched=(_matched(work, Side.ONE), _matched(work, Side.TWO)),
        unknown=_unknown(work),
    )


def _came_together(work: Work, conflict: Conflict) -> bool:
    """Say whether both moved it to one place after all: their directories turned out to be one."""
    item = work.items.get(conflict.object)
    if conflict.dispute is not Dispute.PLACE or item is None:
        return False
    return work.here(item, Side.ONE) == work.here(item, Side.TWO)


def _held(work: Work) -> list[Held]:
    sides = (Side.TWO,) if work.options.one_way else SIDES
    return [
        Held(side=side, object=identity, path=_shown(work, identity, side), why=why, skipped=skipped)
        for side in sides
        for identity, (why, skipped) in work.stays[side].items()
    ]


def _skipped(work: Work) -> list[Held]:
    """Return what one-way sync leaves to the destination, as asked for."""
    if not work.options.one_way:
        return []
    skips = dict(work.skips)
    for item in work.items.values():
        if item.base is not None and item.alive and item.only is Side.TWO and not item.frozen:
            skips[item.id] = item.why
    return [
        Held(side=Side.TWO, object=identity, path=_shown(work, identity, Side.TWO), why=why, skipped=True)
        for identity, why in skips.items()
    ]


def _shown(work: Work, identity: str, side: Side) -> bytes:
    item = work.items[identity]
    return work.path(item, side) if item.on[side] is not None else work.path(item)


def _drifted(work: Work, item: Item) -> bool:
    """Say whether the destination alone made it what it is: the source would have to change."""
    if item.frozen:
        return False
    if wanted(work, item, Side.ONE):
        return True
    entry = item.on[Side.ONE]
    if entry is None or not item.alive:
        return False
    return entry.metadata != item.metadata() or (item.kind is Kind.FILE and entry.version.mtime_ns != item.mtime_ns())


def _left(work: Work) -> tuple[Left, ...]:
    found = []
    for side in SIDES:
        tree = work.trees.sides[side]
        for group, unknown in ((tree.unsyncable, False), (tree.boundaries, False), (tree.unknown, True)):
            for each in group:
                parent = work.items.get(work.one(work.ids[side].get(each.parent, "")))
                above = work.path(parent, side) + b"/" if parent is not None else b""
                found.append(Left(side=side, path=above + each.name, why=each.why, unknown=unknown))
    return tuple(found)


def _matched(work: Work, side: Side) -> dict[str, Entry]:
    return {item.id: entry for item in work.items.values() if (entry := item.on[side]) is not None}


def _unknown(work: Work) -> frozenset[str]:
    return frozenset(item.id for item in work.items.values() if item.frozen)
