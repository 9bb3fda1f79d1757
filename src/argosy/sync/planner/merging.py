"""Object by object: whether it is to be, where, with which content and which metadata."""

from argosy.sync.planner.choosing import choose, reason
from argosy.sync.planner.contents import equal, need
from argosy.sync.planner.items import Item, Place, Work
from argosy.sync.planner.options import Policy
from argosy.sync.planner.plans import Conflict, Dispute
from argosy.sync.planner.trees import SIDES, Kind, Side


def settle(work: Work) -> None:
    """Decide of every object whether it survives by itself, its place, and what it holds. Names may still collide."""
    for item in list(work.items.values()):
        if item.frozen:
            _leave(item)
        elif item.on[0] is None and item.on[1] is None:
            item.alive = False
        else:
            _existence(work, item)
            _place(work, item)
            _holding(work, item)


def _leave(item: Item) -> None:
    """Have it count as being where it is known to be."""
    known = [place for place in item.at if place is not None]
    if known:
        item.put(known[0], None)
    elif item.base is not None:
        item.put(Place(item.base.parent, item.base.name), None)


def _existence(work: Work, item: Item) -> None:
    """Have what one side removed survive where the other side changed it."""
    side = item.only
    if item.base is None or side is None:
        return
    if item.moved(side):
        item.alive, item.why = True, f"moved on {_site(work, side)}, gone on the other side"
    elif item.is_directory:
        item.alive, item.why = False, f"gone on {_site(work, side.other)}"
    elif redressed(item, side) or touched(item, side):
        item.alive, item.why = True, f"its metadata changed on {_site(work, side)}, gone on the other side"
    else:
        if item.changed[side] is None:
            need(work, item, side)
        item.alive = item.changed[side] is not False
        item.why = (
            f"changed on {_site(work, side)}, gone on the other side"
            if item.alive
            else f"gone on {_site(work, side.other)}"
        )


def _place(work: Work, item: Item) -> None:
    moved = [item.on[side] is not None and item.moved(side) for side in SIDES]
    if item.id in work.returned:
        _back(work, item)
    elif not any(moved):
        side = item.only or Side.ONE
        item.put(item.place(side), item.only)
    elif not all(moved) or item.at[0] == item.at[1]:
        side = Side.ONE if moved[0] else Side.TWO
        item.put(item.place(side), side)
    else:
        _moved_apart(work, item)


def _back(work: Work, item: Item) -> None:
    """Put it where the source has it, since the name that the destination gave it goes to another."""
    item.put(item.place(Side.ONE), Side.ONE)
    where = item.place(Side.TWO).name.decode(errors="replace")
    work.conflicts.append(
        Conflict(
            dispute=Dispute.PLACE,
            object=item.id,
            path=work.path(item, Side.ONE),
            winner=Side.ONE,
            why=f"{work.options.sites[Side.TWO]} had called it {where!r}, which is the name of another now",
        )
    )


def _moved_apart(work: Work, item: Item) -> None:
    side = Side.TWO if work.options.one_way and work.options.policy is Policy.IGNORE else Side.ONE
    item.put(item.place(side), side)
    where = item.place(side.other).name.decode(errors="replace")
    work.conflicts.append(
        Conflict(
            dispute=Dispute.PLACE,
            object=item.id,
            path=work.path(item, side),
            winner=side,
            why=f"moved on both sides: {work.options.sites[side.other]} had called it {where!r}",
        )
    )


def _holding(work: Work, item: Item) -> None:
    """Decide whose content, metadata and mtime it gets."""
    side = item.only
    if side is None:
        reconcile(work, item)
    else:
        item.content = item.dressed = item.timed = side


def reconcile(work: Work, item: Item) -> None:
    """Decide whose content, metadata and mtime an object gets that both sides have."""
    item.lost = False
    _content(work, item)
    _metadata(work, item)
    if item.kind is Kind.FILE:
        _mtime(work, item)


def _content(work: Work, item: Item) -> None:
    one, two = item.changed
    item.same = one is False and two is False
    if item.is_directory or item.same:
        item.same = True
    elif one is False or two is False:
        _changed_once(work, item, Side.ONE if two is False else Side.TWO)
    elif None in item.changed and _doubtful(work, item):
        item.content = Side.ONE  # until it is known
    else:
        _changed_twice(work, item)


def _changed_once(work: Work, item: Item, side: Side) -> None:
    item.content = side
    if item.changed[side] is None:
        need(work, item, side)
    item.same = False


def _doubtful(work: Work, item: Item) -> bool:
    """Ask for what would tell whether both sides changed it."""
    for side in SIDES:
        if item.changed[side] is None:
            need(work, item, side)
    return True


def _changed_twice(work: Work, item: Item) -> None:
    same = equal(work, (item, Side.ONE), (item, Side.TWO))
    item.same = bool(same)
    if same is False:
        item.content = choose(work.options, item.entry(Side.ONE), item.entry(Side.TWO))
        item.lost = True


def _metadata(work: Work, item: Item) -> None:
    one, two = (redressed(item, side) for side in SIDES)
    item.dressed = Side.ONE if one or not two else Side.TWO
    dressed = [item.entry(side).metadata for side in SIDES]
    if one and two and dressed[0] != dressed[1]:
        item.dressed = choose(work.options, item.entry(Side.ONE), item.entry(Side.TWO))
        if item.base is not None:
            _metadata_lost(work, item)


def _metadata_lost(work: Work, item: Item) -> None:
    lost = item.entry(item.dressed.other).metadata
    work.conflicts.append(
        Conflict(
            dispute=Dispute.METADATA,
            object=item.id,
            path=work.path(item, item.dressed),
            winner=item.dressed,
            why=f"{reason(work.options, item.dressed)}; lost: mode {lost.mode:04o}, owner {lost.uid}:{lost.gid}",
        )
    )


def _mtime(work: Work, item: Item) -> None:
    """Let the time go with the content that somebody wrote; where nobody wrote, or both the same, with who set it."""
    if not item.same:
        item.timed = item.content
        return
    one, two = (touched(item, side) for side in SIDES)
    item.timed = Side.ONE if one or not two else Side.TWO
    if one and two:
        item.timed = choose(work.options, item.entry(Side.ONE), item.entry(Side.TWO))


def redressed(item: Item, side: Side) -> bool:
    """Say whether the side changed its metadata since the base."""
    return item.base is None or item.entry(side).metadata != item.base.metadata


def touched(item: Item, side: Side) -> bool:
    """Say whether the side changed the mtime of a file since the base."""
    if item.kind is not Kind.FILE:
        return False
    base = item.base
    return base is None or item.entry(side).version.mtime_ns != base.on[side].version.mtime_ns


def _site(work: Work, side: Side) -> str:
    return work.options.sites[side]
