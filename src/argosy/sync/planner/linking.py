"""Hard links, and contents that need not cross because the side has them, or gets them already."""

from argosy.sync.planner.contents import hashed
from argosy.sync.planner.holding import replaces
from argosy.sync.planner.items import Item, Work
from argosy.sync.planner.trees import SIDES, Binding, Entry, Kind, Metadata, Side


class Links:
    """What one side can make of its own instead of carrying it over."""

    def __init__(self, work: Work, side: Side) -> None:
        self.work = work
        self.side = side
        self.able = work.options.rules[side].hard_links
        self.groups: dict[tuple[Binding, Metadata, int], str] = {}
        """By an inode of the other side with several names, and what it is to look like: the object here that is it."""
        self.carried: set[tuple[Side, Binding]] = set()
        self.dressed: set[Binding] = set()
        self.contents: dict[bytes, Item] = {}
        for item in work.items.values():
            self._note(item)

    def _note(self, item: Item) -> None:
        """Note what the side has and keeps: as the first name of an inode, and as a content."""
        here, there = item.on[self.side], item.on[self.side.other]
        if here is None or item.kind is not Kind.FILE:
            return
        content = hashed(self.work, item, self.side)
        if content is not None:
            self.contents.setdefault(content, item)
        settled = item.alive and not item.frozen and there is not None and not replaces(item, self.side)
        if settled and there is not None and there.links > 1 and item.same and self.able:
            self.groups.setdefault((there.binding, item.metadata(), item.mtime_ns()), item.id)

    def linked(self, item: Item) -> str:
        """Return the object of which it can become another name here; empty: none, and it is the first itself."""
        if not self.able or item.kind is not Kind.FILE or item.origin is not None or item.split is self.side:
            return ""
        if item.content is self.side:
            return ""
        entry = item.entry(item.content)
        if entry.links < 2:
            return ""
        first = self.groups.setdefault((entry.binding, item.metadata(), item.mtime_ns()), item.id)
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

    Unless the other side has made two files of them and now they differ: then they become two here as well.
    """
    for side in SIDES:
        groups: dict[Binding, Item] = {}
        for item in work.living():
            entry = item.on[side]
            if entry is None or entry.links < 2 or replaces(item, side):
                continue
            first = groups.setdefault(entry.binding, item)
            if first is not item and not _part(item, first, side):
                _join(item, first)
    for item in work.living():
        item.like = _root(item)


def _part(item: Item, first: Item, side: Side) -> bool:
    """Have the item become a file of its own, if the other side wants that; say whether it does."""
    there = item.on[side.other], first.on[side.other]
    if there[0] is None or there[1] is None or there[0].binding == there[1].binding:
        return False
    wanted = [(each.metadata(), each.mtime_ns()) for each in (_root(item), _root(first))]
    if wanted[0] == wanted[1]:
        return False
    item.split = side
    return True


def _join(one: Item, two: Item) -> None:
    """Have both get what the one gets that was there first."""
    first, second = sorted((_root(one), _root(two)), key=lambda each: (each.base is None, each.id))
    second.like = first


def _root(item: Item) -> Item:
    while item.like is not item:
        item = item.like
    return item
