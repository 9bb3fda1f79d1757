"""What stays as it is in this run: a name is taken by what cannot be synced, or is none that the side can have.

One thing that stays keeps others where they are: the directory it is in cannot go, its name is taken, what was to come
into a directory that does not come has no place. A later run finds the difference again.
"""

from argosy.sync.planner.items import Item, Place, Work
from argosy.sync.planner.naming import folding, refusal
from argosy.sync.planner.trees import TOP, Side


class Holder:
    """What stays on one side. `work.stays` tells the rest of the planner."""

    def __init__(self, work: Work, side: Side) -> None:
        self.work = work
        self.side = side
        self.key = folding(work.options.rules)
        self.rules = work.options.rules[side]
        self.stays = work.stays[side]
        self.taken: dict[Place, str] = {}
        """Names that nobody can have, and why."""
        self.pinned: dict[str, str] = {}
        """Directories that cannot go, and why."""
        self.unlisted = {work.one(ids) for ids in self._unlisted()}

    def hold(self) -> None:
        """Add to what stays everything that cannot be done because of it."""
        self._obstacles()
        for item in self.work.items.values():
            if item.id in self.stays or item.frozen:
                self._stay(item)
        if not (self.taken or self.pinned or self.stays or self.unlisted) and self.rules.takes_all:
            return
        waiting = [item for item in self.work.items.values() if wanted(self.work, item, self.side) and not item.frozen]
        while any([self._round(waiting), self._circles(waiting)]):
            waiting = [item for item in waiting if item.id not in self.stays]

    def _unlisted(self) -> list[str]:
        ids = self.work.ids[self.side]
        return [ids[each] for each in self.work.trees.sides[self.side].unlisted if each in ids]

    def _obstacles(self) -> None:
        tree, ids = self.work.trees.sides[self.side], self.work.ids[self.side]
        for each in (*tree.unsyncable, *tree.boundaries, *tree.unknown):
            if each.parent in ids:
                parent = self.work.one(ids[each.parent])
                why = f"{each.name.decode(errors='replace')!r} is {each.why}"
                self.taken[Place(parent, self.key(each.name))] = why
                self.pinned[parent] = why
        for identity in self.unlisted:
            self.pinned[identity] = "what is in it could not be listed"

    def _stay(self, item: Item) -> None:
        place = self.work.here(item, self.side)
        if place is None and item.frozen and item.base is not None:
            place = Place(item.base.parent, item.base.name)
        if place is not None:
            why = f"{place.name.decode(errors='replace')!r} stays there"
            self.taken[Place(place.parent, self.key(place.name))] = why
            self.pinned[place.parent] = why

    def _round(self, waiting: list[Item]) -> bool:
        found = False
        for item in waiting:
            why = None if item.id in self.stays else self._hindrance(item)
            if why is not None:
                self._hold(item, why)
                found = True
        return found

    def _hold(self, item: Item, why: str) -> None:
        self.stays[item.id] = (why, False)
        self._stay(item)

    def _hindrance(self, item: Item) -> str | None:
        """Return why what is wanted of it cannot be done, if so."""
        if not item.alive:
            return self.pinned.get(item.id)
        if not moves(self.work, item, self.side):
            return self._without_copy(item)
        if item.parent in self.unlisted or (item.parent == TOP and TOP in self.unlisted):
            return "its directory could not be listed"
        if why := refusal(item.name, self.rules):
            return why
        above = self.work.items.get(item.parent)
        if above is not None and above.on[self.side] is None and (above.frozen or above.id in self.stays):
            return "its directory is not there"
        return self.taken.get(Place(item.parent, self.key(item.name)))

    def _without_copy(self, item: Item) -> str | None:
        copy = item.copy
        if copy is not None and copy.on[self.side] is None and copy.id in self.stays and item.content is not self.side:
            return "the version that lost could not be kept beside it"
        return None

    def _circles(self, waiting: list[Item]) -> bool:
        """Hold what would be moved into itself, because what was to go out of it stays."""
        found = False
        for item in waiting:
            if item.alive and item.is_directory and item.id not in self.stays and self._in_itself(item):
                self._hold(item, "it would lie in itself")
                found = True
        return found

    def _in_itself(self, item: Item) -> bool:
        current: Item | None = item
        seen: set[str] = set()
        while current is not None and current.id not in seen:
            seen.add(current.id)
            place = self.work.here(current, self.side)
            stays = current.frozen or current.id in self.stays
            current = self.work.items.get(place.parent if stays and place is not None else current.parent)
            if current is item:
                return True
        return False


def moves(work: Work, item: Item, side: Side) -> bool:
    """Say whether the side is to get it, or to have it under another name."""
    return item.alive and work.here(item, side) != (item.parent, item.name)


def replaces(item: Item, side: Side) -> bool:
    """Say whether the side is to get another content for it, or another file with the same."""
    if not item.alive or item.on[side] is None:
        return False
    return side in item.split or side in item.joined or (not item.same and item.content is not side)


def wanted(work: Work, item: Item, side: Side) -> bool:
    """Say whether a side must change for it, in its names or its content."""
    if not item.alive:
        return item.on[side] is not None
    return moves(work, item, side) or replaces(item, side)
