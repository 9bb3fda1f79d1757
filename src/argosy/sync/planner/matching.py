"""Which entry is which object: the same inode, else the same place, else something new."""

from collections import defaultdict
from collections.abc import Iterable

from argosy.core.errors import Invalid
from argosy.core.paths import display
from argosy.sync.planner.items import Item, Place, Work
from argosy.sync.planner.naming import normal
from argosy.sync.planner.trees import SIDES, TOP, Binding, Entry, Kind, Side


def match(work: Work) -> None:
    """Give every entry of both sides its object; what no side has stays without entries.

    Raises:
        Invalid: an entry is told without its directory, or a directory twice.
    """
    for known in work.trees.base:
        work.items[known.id] = Item(known.id, known.kind, known)
    for side in SIDES:
        _Matcher(work, side).match()
    _freeze(work)


class _Matcher:
    def __init__(self, work: Work, side: Side) -> None:
        self.work = work
        self.side = side
        self.tree = work.trees.sides[side]
        self.ids: dict[object, str] = work.ids[side]
        self.normalising = work.options.rules[side].normalising
        self.bound: defaultdict[Binding, list[Item]] = defaultdict(list)
        for item in work.items.values():
            if item.base is not None:
                self.bound[item.base.on[side].binding].append(item)

    def match(self) -> None:
        self.ids[self.tree.top] = TOP
        directories = [each for each in self.tree.entries if each.kind is Kind.DIRECTORY]
        others = [each for each in self.tree.entries if each.kind is not Kind.DIRECTORY]
        for entry in directories:
            self._directory(entry)
        for item_entry in directories:
            item = self.work.items[self.ids[item_entry.binding]]
            self._assign(item, item_entry)
        strange = self._same_inode(others)
        for entry in self._same_place(strange):
            self._assign(self.work.new(entry.kind), entry)

    def _directory(self, entry: Entry) -> None:
        if entry.binding in self.ids:
            places = " and ".join(self._places(entry))
            raise Invalid(
                f"{self.work.options.sites[self.side]}: {places} are one directory: it was moved while this side was "
                "scanned, or the filesystem gives two the same number; scan this side again"
            )
        bound = [item for item in self.bound.get(entry.binding, ()) if item.is_directory]
        self.ids[entry.binding] = bound[0].id if bound else self.work.new(entry.kind).id

    def _places(self, told: Entry) -> list[str]:
        """Return every path that the scan has of a directory."""
        directories = [each for each in self.tree.entries if each.kind is Kind.DIRECTORY]
        above = {each.binding: each for each in reversed(directories) if each.binding != told.binding}
        places = [[each] for each in directories if each.binding == told.binding]
        for place in places:
            while (holder := above.get(place[-1].parent)) is not None and holder not in place:
                place.append(holder)
        found = [display(b"/".join(each.name for each in reversed(place))) for place in places]
        return found if len(found) > 1 else [*found, "the top"]

    def _same_inode(self, entries: Iterable[Entry]) -> list[Entry]:
        """Give objects the entries with their inode, those at their place first; return what has no object."""
        strange: list[Entry] = []
        groups: defaultdict[Binding, list[Entry]] = defaultdict(list)
        for entry in entries:
            bound = self.bound.get(entry.binding)
            if not bound:
                strange.append(entry)
            elif (
                len(bound) == 1 and entry.links == 1 and bound[0].kind is entry.kind and bound[0].on[self.side] is None
            ):
                self._assign(bound[0], entry)
            else:
                groups[entry.binding].append(entry)
        new = self._new_names() if groups else {}
        for binding, names in groups.items():
            strange += self._group(self.bound[binding], names, new)
        return strange

    def _new_names(self) -> dict[Place, Binding]:
        """Return where the other side, if it was gone through already, has names of files that are no objects yet."""
        other = self.side.other
        return {
            place: entry.binding
            for item in self.work.items.values()
            if item.base is None and (entry := item.on[other]) is not None and entry.links > 1
            if (place := item.at[other]) is not None
        }

    def _group(self, bound: list[Item], entries: list[Entry], new: dict[Place, Binding]) -> list[Entry]:
        """Give the names of one inode to the objects that it was.

        A name that is a new one of the same file on the other side too is not what another name there was.
        """
        files = {each.base.on[self.side.other].binding for each in bound if each.base is not None}
        free = {_base_place(item): item for item in bound if item.kind is entries[0].kind and not item.on[self.side]}
        elsewhere: list[tuple[Place, Entry]] = []
        for entry in entries:
            place = self._place(entry, None)
            item = free.pop(place, None) or (free.pop(self._normal(place), None) if self.normalising else None)
            if item is None:
                elsewhere.append((place, entry))
            else:
                self._assign(item, entry)
        both = [entry for place, entry in elsewhere if new.get(place) in files]
        elsewhere = sorted((each for each in elsewhere if new.get(each[0]) not in files), key=lambda each: each[0])
        for item in [each for each in free.values() if each.at[self.side.other] is not None]:
            same = [each for each in elsewhere if each[0] == item.at[self.side.other]]
            if same:
                elsewhere.remove(same[0])
                del free[_base_place(item)]
                self._assign(item, same[0][1])
        for (_, entry), item in zip(elsewhere, [free[place] for place in sorted(free)], strict=False):
            self._assign(item, entry)
        return [*both, *(entry for _, entry in elsewhere[len(free) :])]

    def _same_place(self, entries: list[Entry]) -> list[Entry]:
        """Give entries without an object to what was at their place; return the rest, and inodes that lost theirs."""
        if not entries:
            return []
        there = self._places_of_base()
        strange: list[Entry] = []
        waiting = list(reversed(entries))
        while waiting:
            entry = waiting.pop()
            item = there.pop((self._normal(self._place(entry, None)), entry.kind), None)
            if item is None:
                strange.append(entry)
                continue
            if item.on[self.side] is not None:
                waiting.append(item.entry(self.side))  # it was moved away, and may be what another place had
            self._assign(item, entry)
        return strange

    def _places_of_base(self) -> dict[tuple[Place, Kind], Item]:
        return {
            (self._normal(_base_place(item)), item.kind): item
            for item in self.work.items.values()
            if item.base is not None and not item.is_directory
        }

    def _assign(self, item: Item, entry: Entry) -> None:
        item.on[self.side] = entry
        item.at[self.side] = self._place(entry, item)

    def _place(self, entry: Entry, item: Item | None) -> Place:
        parent = self.ids.get(entry.parent)
        if parent is None:
            raise Invalid(f"{entry.name!r}: told without its directory; scan this side again")
        name = entry.name
        if self.normalising and item is not None and item.base is not None and normal(name) == normal(item.base.name):
            name = item.base.name  # this side writes the same name in its own way: nobody renamed it
        return Place(parent, name)

    def _normal(self, place: Place) -> Place:
        return Place(place.parent, normal(place.name)) if self.normalising else place


def _base_place(item: Item) -> Place:
    if item.base is None:
        raise LookupError(item.id)
    return Place(item.base.parent, item.base.name)


def _freeze(work: Work) -> None:
    """Mark what may be there where a side could not look, or what is mounted hides it: it is not gone."""
    for side in SIDES:
        tree = work.trees.sides[side]
        covered = (*tree.unknown, *tree.boundaries)
        if not tree.unlisted and not covered and tree.complete:
            continue
        ids = work.ids[side]
        hidden = {Place(ids[each.parent], each.name) for each in covered if each.parent in ids}
        verdicts: dict[str, bool] = {TOP: False}
        why = _overlooked(work, side)
        for item in work.items.values():
            if item.base is None or item.on[side] is not None:
                continue
            if _is_hidden(work, side, item, hidden, verdicts):
                _is_unknown(work, item)
            elif why and item.on[side.other] is not None:
                _is_unknown(work, item)
                work.unseen[item.id] = (side, why)


def _is_unknown(work: Work, item: Item) -> None:
    item.frozen = True
    work.unknown.add(item.id)


def _overlooked(work: Work, side: Side) -> str:
    """Return why what the side lacks may be there nevertheless; empty: it is gone."""
    site = work.options.sites[side]
    if not work.trees.sides[side].complete:
        return f"{site} changed faster than it could be scanned: plan again"
    where = _new_spot(work, side)
    if where is None:
        return ""
    return (
        f"missing on {site}, and may be there in {where!r}, where nobody could look: let that be read, or remove this "
        "one as well"
    )


def _new_spot(work: Work, side: Side) -> str | None:
    """Return in words where the side cannot look though it could when both last agreed; None: there is no such place.

    What vanished since may have been moved there. Where nobody could look even then, nothing is looked for: else no
    removal would ever count in a tree with a mount point.
    """
    new = work.trees.sides[side].spots - work.trees.spots[side]
    ids = work.ids[side]
    paths = [
        b"/".join(filter(None, (work.path(above, side) if above is not None else b"", each.name)))
        for each in new
        if each.directory in ids
        for above in [work.items.get(ids[each.directory])]
    ]
    return None if not paths else min(paths).decode(errors="replace") or "the top"


def _is_hidden(work: Work, side: Side, item: Item, hidden: set[Place], verdicts: dict[str, bool]) -> bool:
    """Say whether nobody knows if the side still has it: its name, its directory or one above could not be read."""
    tree = work.trees.sides[side]
    chain: list[Item] = []
    current = item
    while True:
        chain.append(current)
        place = _base_place(current)
        above = work.items.get(place.parent)
        parent = tree.top if above is None else None if above.on[side] is None else above.entry(side).binding
        if place in hidden or (parent is not None and parent in tree.unlisted):
            verdict = True
            break
        if parent is not None or above is None:
            verdict = False
            break
        if above.id in verdicts:
            verdict = verdicts[above.id]
            break
        current = above
    verdicts.update((each.id, verdict) for each in chain)
    return verdict
