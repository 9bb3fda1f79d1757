"""Hard links, and contents that need not cross because the side has them, or gets them already.

Objects that are to be names of one file have one `like`: those that either side has as one, but for what `_apart` says.
Both sides are made so: names are linked that are two files, and a name becomes a file of its own that was linked.
"""

from argosy.sync.planner.contents import hashed
from argosy.sync.planner.holding import replaces
from argosy.sync.planner.items import Item, Place, Work
from argosy.sync.planner.merging import redressed, touched
from argosy.sync.planner.trees import SIDES, Binding, Entry, Kind, Side


class Links:
    """What one side can make of its own instead of carrying it over."""

    def __init__(self, work: Work, side: Side) -> None:
        self.work = work
        self.side = side
        self.able = work.options.rules[side].hard_links
        self.groups: dict[str, str] = {}
        """By what their names are like: the object that is the file of which the others become names here."""
        self.carried: set[tuple[Side, Binding]] = set()
        self.dressed: set[Binding] = set()
        self.contents: dict[bytes, Item] = {}
        for item in work.items.values():
            self._note(item)

    def _note(self, item: Item) -> None:
        """Note what the side has and keeps: as the first name of a file, and as a content."""
        if item.on[self.side] is None or item.kind is not Kind.FILE:
            return
        content = hashed(self.work, item, self.side)
        if content is not None:
            self.contents.setdefault(content, item)
        if self.able and _stands(self.work, item, self.side):
            self.groups.setdefault(item.like.id, item.id)

    def linked(self, item: Item) -> str:
        """Return the object of which it can become another name here; empty: none, and it is the first itself."""
        if not self.able or item.kind is not Kind.FILE or item.origin is not None:
            return ""
        if item.content is self.side and self.side not in (*item.split, *item.joined):
            return ""
        first = self.groups.setdefault(item.like.id, item.id)
        return "" if first == item.id else first

    def bytes(self, item: Item, source: Side, entry: Entry) -> int:
        """Return how many bytes must cross for the content, which crosses once."""
        if item.kind is not Kind.FILE or source is self.side or (source, entry.binding) in self.carried:
            return 0
        if self.nearest(item, source)[0] is self.side:
            return 0
        self.carried.add((source, entry.binding))
        return entry.version.size

    def nearest(self, item: Item, source: Side) -> tuple[Side, Item]:
        """Return whose content is to be taken: what this side has, if it has the same under another name."""
        there = item.origin or item
        if item.kind is not Kind.FILE or source is self.side:
            return source, there
        content = hashed(self.work, there, source)
        here = self.contents.get(content) if content is not None else None
        return (source, there) if here is None else (self.side, here)

    def first_dressed(self, entry: Entry) -> bool:
        """Say whether this inode has not been given metadata yet in this plan."""
        if entry.links < 2:
            return True
        if entry.binding in self.dressed:
            return False
        self.dressed.add(entry.binding)
        return True


def share_metadata(work: Work) -> None:
    """Have the names of one inode get the same metadata: on the side that links them they have but one between them.

    Those that are to be another file get an inode of their own there.
    """
    for side in SIDES:
        files: dict[Binding, list[Item]] = {}
        for item in work.living():
            entry = item.on[side]
            if entry is None or entry.links < 2 or replaces(item, side):
                continue
            firsts = files.setdefault(entry.binding, [])
            first = next((each for each in firsts if not _apart(item, each, side)), None)
            if first is None:
                first = item
                firsts.append(item)
            else:
                _join(item, first)
            if first is not firsts[0]:
                item.split += (side,)
    for item in work.living():
        item.like = _root(item)


def exchange_names(work: Work) -> None:
    """Have each be where it is to be, if another name of its file is there already: which is which is all the same."""
    for side in SIDES:
        files: dict[Binding, dict[Place, Item]] = {}
        for item in work.living():
            entry, place = item.on[side], work.here(item, side)
            if entry is not None and place is not None and entry.links > 1 and not replaces(item, side):
                files.setdefault(entry.binding, {})[place] = item
        for places in files.values():
            for item in list(places.values()):
                wanted, here = Place(item.parent, item.name), work.here(item, side)
                other = places.get(wanted, item)
                if other is not item and here is not None:
                    places[wanted], places[here] = item, other
                    item.on[side], other.on[side] = other.on[side], item.on[side]
                    item.at[side], other.at[side] = other.at[side], item.at[side]


def link_names(work: Work) -> None:
    """Have all become names of one file, on a side that can, that are to be and are several files there."""
    for side in SIDES:
        if not work.options.rules[side].hard_links:
            continue
        files: dict[str, Binding] = {}
        for item in work.living():
            if _stands(work, item, side):
                binding = item.entry(side).binding
                if files.setdefault(item.like.id, binding) != binding:
                    item.joined += (side,)


def _stands(work: Work, item: Item, side: Side) -> bool:
    """Say whether the side has it as a file that may have several names, and keeps its content as it is."""
    if item.kind is not Kind.FILE or item.on[side] is None or not item.alive or item.frozen:
        return False
    linked = any(entry is not None and entry.links > 1 for entry in item.on)
    return linked and item.id not in work.stays[side] and not replaces(item, side)


def _apart(item: Item, first: Item, side: Side) -> bool:
    """Say whether two names of one inode are to be two files, as the other side has them.

    That is so where they are to differ, or where somebody made two of them there, alike, and did nothing else. In doubt
    they are one: a run that was killed may have left two.
    """
    there = item.on[side.other], first.on[side.other]
    if there[0] is None or there[1] is None or there[0].binding == there[1].binding:
        return False
    wanted = [(each.metadata(), each.mtime_ns()) for each in (_root(item), _root(first))]
    return wanted[0] != wanted[1] or _parted(item, first, side.other)


def _parted(one: Item, two: Item, side: Side) -> bool:
    """Say whether both sides had them as one file, and this one has made two of it, which the other left alone."""
    if one.base is None or two.base is None:
        return False
    if any(one.base.on[each].binding != two.base.on[each].binding for each in SIDES):
        return False
    return any(
        each.base is not None
        and each.entry(side).binding != each.base.on[side].binding
        and not any(each.moved(where) for where in SIDES)
        and not redressed(each, side.other)
        and not touched(each, side.other)
        for each in (one, two)
    )


def _join(one: Item, two: Item) -> None:
    """Have both get what the one gets that was there first."""
    first, second = sorted((_root(one), _root(two)), key=lambda each: (each.base is None, each.id))
    second.like = first


def _root(item: Item) -> Item:
    while item.like is not item:
        item = item.like
    return item
