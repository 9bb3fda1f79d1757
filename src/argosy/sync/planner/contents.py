"""What is known of contents without reading them, and what must be hashed to know more."""

from argosy.sync.planner.items import Item, Work
from argosy.sync.planner.plans import Need
from argosy.sync.planner.trees import SIDES, Entry, Kind, Side


def hashed(work: Work, item: Item, side: Side) -> bytes | None:
    """Return the content that the side has of it, if that is known."""
    entry = item.entry(side)
    if entry.kind is not Kind.FILE or entry.content is not None:
        return entry.content
    if item.base is not None and _untouched(item, side, entry):
        return item.base.content
    return work.trees.hashes.get((side, entry.binding))


def changed(work: Work, item: Item, side: Side) -> bool | None:
    """Say whether the side changed the content since the base; None: a hash is needed to tell."""
    entry, base = item.entry(side), item.base
    if base is None:
        return True
    if item.kind is Kind.DIRECTORY or _untouched(item, side, entry):
        return False
    if item.kind is Kind.FILE and entry.version.size != base.size:
        return True
    content = hashed(work, item, side)
    return None if content is None else content != base.content


def equal(work: Work, one: tuple[Item, Side], two: tuple[Item, Side]) -> bool | None:
    """Say whether two files or two symlinks have the same content; None: that needs hashes, which are asked for."""
    entries = [item.entry(side) for item, side in (one, two)]
    if entries[0].kind is Kind.FILE and entries[0].version.size != entries[1].version.size:
        return False
    known = [hashed(work, *each) for each in (one, two)]
    if None in known:
        for each in (one, two):
            need(work, *each)
        return None
    return known[0] == known[1]


def need(work: Work, item: Item, side: Side) -> bytes | None:
    """Return the content that the side has of it; where it is not known, ask for it to be hashed."""
    content = hashed(work, item, side)
    if content is None and item.kind is Kind.FILE:
        binding = item.entry(side).binding
        work.needs.setdefault((side, binding), Need(side, binding, work.path(item, side)))
    return content


def note_changes(work: Work) -> None:
    """Note of every object of the base which side changed its content."""
    for item in work.items.values():
        if item.base is not None:
            for side in SIDES:
                item.changed[side] = changed(work, item, side) if item.on[side] is not None else False


def _untouched(item: Item, side: Side, entry: Entry) -> bool:
    base = item.base
    return base is not None and base.on[side] == (entry.binding, entry.version)
