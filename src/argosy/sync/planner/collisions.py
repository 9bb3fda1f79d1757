"""Two objects that are to have one name: they become one, or one of them gets a conflict name.

Directories are gone through from the top downward: what is decided in one changes names in it, and what lies below
directories that become one, never anything above.
"""

from collections import deque
from collections.abc import Callable

from argosy.sync.planner.choosing import choose, reason
from argosy.sync.planner.contents import equal, need
from argosy.sync.planner.items import Item, Place, Work
from argosy.sync.planner.merging import reconcile
from argosy.sync.planner.naming import conflict_name, folding, hexed, hexed_text
from argosy.sync.planner.options import Policy
from argosy.sync.planner.plans import Conflict, Dispute, Shelf
from argosy.sync.planner.trees import SIDES, TOP, Kind, Side


def resolve(work: Work) -> None:
    """Give every object that is to be a name of its own, and every lost content a conflict copy beside the winner."""
    _Resolver(work).resolve()


class _Resolver:
    def __init__(self, work: Work) -> None:
        self.work = work
        self.key = folding(work.options.rules)
        self.longest = min(rules.longest for rules in work.options.rules)
        self.children: dict[str, list[Item]] = {}
        for item in work.living():
            self.children.setdefault(item.parent, []).append(item)
        self.copies: dict[tuple[Side, object], Item] = {}
        """By the inode that lost: hard links lose once."""

    def resolve(self) -> None:
        tops = [parent for parent in self.children if parent not in self.work.items or self.work.items[parent].frozen]
        waiting = deque([TOP, *(each for each in tops if each != TOP)])
        while waiting:
            parent = waiting.popleft()
            for item in self._directory(parent).values():
                if item.id in self.children:
                    waiting.append(item.id)

    def _directory(self, parent: str) -> dict[bytes, Item]:
        """Settle the names of one directory; return what is in it by name."""
        names: dict[bytes, Item] = {}
        losers: list[Item] = []
        lost: list[Item] = []
        collided = self._fill(names, self.children.get(parent, []), lost)
        for item in sorted(collided, key=_order):
            self._meet(names, item, losers)
        for item in losers:
            self._rename(names, item)
        for item in lost:
            if item.alive and item.lost and names.get(self.key(item.name)) is item:
                self._keep(names, item)
        return names

    def _fill(self, names: dict[bytes, Item], children: list[Item], lost: list[Item]) -> list[Item]:
        """Enter children by name; return those whose name is taken."""
        collided = []
        for item in children:
            if item.lost:
                lost.append(item)
            if names.setdefault(self.key(item.name), item) is not item:
                collided.append(item)
        return collided

    # two natural claims

    def _meet(self, names: dict[bytes, Item], item: Item, losers: list[Item]) -> None:
        key = self.key(item.name)
        first, second = sorted((names[key], item), key=_order)
        if self._are_one(first, second):
            names[key] = self._unite(first, second)
            return
        winner, loser, why = self._contest(first, second)
        names[key] = winner
        self._lose(winner, loser, why, losers)

    def _are_one(self, one: Item, two: Item) -> bool:
        """Say whether both sides made the same thing: two directories, or equal contents, of which one is new."""
        if one.kind is not two.kind or (one.base and two.base) or self._variants(one, two):
            return False
        if self.work.options.one_way and one.on[Side.ONE] is not None and two.on[Side.ONE] is not None:
            return False  # the source has two: the destination gets both
        if one.is_directory:
            return True
        return bool(equal(self.work, (one, one.content), (two, two.content)))

    def _variants(self, one: Item, two: Item) -> bool:
        """Say whether one side has both, under names that only the other takes for the same: then they are two."""
        for side in SIDES:
            places = self.work.here(one, side), self.work.here(two, side)
            if places[0] and places[1] and self._folded(places[0]) == self._folded(places[1]):
                return True
        return False

    def _folded(self, place: Place) -> Place:
        return Place(place.parent, self.key(place.name))

    def _unite(self, one: Item, two: Item) -> Item:
        """Make one object of two: it has what each side has of either. Where a side has both, the new one goes."""
        kept, other = (one, two) if one.base or not two.base else (two, one)
        for inside in self.children.pop(other.id, ()):
            inside.parent = kept.id
            self.children.setdefault(kept.id, []).append(inside)
        if any(kept.on[side] and other.on[side] for side in SIDES):
            other.alive, other.why = (
                False,
                f"the same as {kept.name.decode(errors='replace')!r}, which is already there",
            )
            return kept
        self.work.merged[other.id] = kept.id
        del self.work.items[other.id]
        for side in SIDES:
            if other.on[side] is not None:
                kept.on[side], kept.at[side] = other.on[side], other.at[side]
                kept.changed[side] = None if kept.base and kept.kind is Kind.FILE else True
        kept.content = next(side for side in SIDES if kept.on[side] is not None)
        self._agree(kept)
        return kept

    def _agree(self, item: Item) -> None:
        """Settle what an object of equal halves holds: its contents are known to be equal."""
        item.changed = [True, True]
        reconcile(self.work, item)

    def _contest(self, one: Item, two: Item) -> tuple[Item, Item, str]:
        """Return who keeps the name, who does not, and why."""
        if one.is_directory != two.is_directory:
            winner, loser = (one, two) if one.is_directory else (two, one)
            return winner, loser, "a directory keeps its name"
        claims = self._claims(one, two)
        if claims[0] is claims[1]:
            return one, two, "this side takes their names for the same"
        first, second = (one, two) if claims[0] is Side.ONE else (two, one)
        options = self.work.options
        side = choose(options, first.entry(first.content), second.entry(second.content))
        winner, loser = (first, second) if side is Side.ONE else (second, first)
        return winner, loser, reason(options, side)

    def _claims(self, one: Item, two: Item) -> tuple[Side, Side]:
        """Return which side wants each; what was there before is claimed against the newcomer."""
        claims = [_claim(one), _claim(two)]
        if claims[0] is None and claims[1] is None:
            return Side.ONE, Side.ONE
        first = claims[0] if claims[0] is not None else Side(claims[1] or 0).other
        second = claims[1] if claims[1] is not None else first.other
        return first, second

    def _lose(self, winner: Item, loser: Item, why: str, losers: list[Item]) -> None:
        """Settle what becomes of the loser: another name, or what one-way sync has for it."""
        work = self.work
        claim = self._claims(winner, loser)[1]
        if work.options.one_way and claim is Side.TWO and loser.on[Side.ONE] is not None:
            work.displaced.add(loser.id)
        elif not work.options.one_way or loser.is_directory:
            losers.append(loser)
        elif claim is Side.ONE and loser.id not in work.returned:
            work.stays[Side.TWO][loser.id] = (f"the destination has another object of that name: {why}", True)
        elif work.options.policy is Policy.KEEP_BOTH:
            losers.append(loser)
        else:
            loser.alive, loser.shelf, loser.why = False, Shelf.VERSIONS, f"its name goes to another: {why}"
        loser.claim = claim
        loser.why = loser.why or why
        winner_side = claim.other
        work.conflicts.append(
            Conflict(
                dispute=Dispute.NAME,
                object=loser.id,
                path=work.shown(winner),
                winner=winner_side,
                named=winner.id,
                copy=loser.id,
                why=why,
            )
        )

    # conflict names

    def _rename(self, names: dict[bytes, Item], item: Item) -> None:
        """Give a loser the first conflict name that is free, or make it one with the copy that is there already."""
        digits = self._digits(item, item.content)
        if digits is None:
            return
        site = self.work.options.sites[item.claim or Side.ONE]
        item.renamed = True
        taken = self._free(names, item.name, site, digits, lambda other: self._are_one(item, other))
        if isinstance(taken, Item):
            name = taken.name
            united = names[self.key(name)] = self._unite(taken, item)
            united.name = name
        else:
            item.name = taken
            names[self.key(taken)] = item

    def _keep(self, names: dict[bytes, Item], item: Item) -> None:
        """Give the content that lost a conflict copy beside the winner; one-way sync keeps it elsewhere."""
        options = self.work.options
        loser = item.content.other
        if options.one_way and (options.policy is not Policy.KEEP_BOTH or item.content is Side.TWO):
            self._one_way(item)
            return
        key = (loser, item.entry(loser).binding)
        digits = self._digits(item, loser)
        if digits is None:
            return
        if key not in self.copies:
            same: Callable[[Item], bool] = lambda other: self._holds(other, item, loser)  # noqa: E731
            taken = self._free(names, item.name, options.sites[loser], digits, same)
            self.copies[key] = taken if isinstance(taken, Item) else self._copy(names, item, taken)
        item.copy = self.copies[key]
        self._disputed(item, item.copy.name, item.copy.id)

    def _one_way(self, item: Item) -> None:
        self._disputed(item, b"", "")
        if item.content is Side.TWO:
            why = reason(self.work.options, Side.TWO)
            self.work.skips[item.id] = f"changed on both sides: {why}"

    def _disputed(self, item: Item, kept: bytes, copy: str) -> None:
        work = self.work
        path = work.path(item, item.content)
        beside = b"/".join((*path.split(b"/")[:-1], kept)) if kept else b""
        why = f"changed on both sides: {reason(work.options, item.content)}"
        work.conflicts.append(
            Conflict(
                dispute=Dispute.CONTENT,
                object=item.id,
                path=path,
                winner=item.content,
                kept=beside,
                named=item.id,
                copy=copy,
                why=why,
            )
        )

    def _copy(self, names: dict[bytes, Item], item: Item, name: bytes) -> Item:
        """Make a new object with the losing content: it comes from the side that lost, and is on neither yet."""
        loser = item.content.other
        copy = self.work.new(item.kind)
        copy.content = copy.dressed = copy.timed = loser
        copy.origin = item
        copy.put(Place(item.parent, name), loser)
        copy.why = f"the version of {self.work.options.sites[loser]}, which lost"
        names[self.key(name)] = copy
        return copy

    def _free(
        self, names: dict[bytes, Item], name: bytes, site: str, digits: str, same: Callable[[Item], bool]
    ) -> bytes | Item:
        """Return the first conflict name that nobody has, or who has it with the same content."""
        attempt = 1
        while True:
            wanted = conflict_name(name, site, digits, attempt=attempt, longest=self.longest)
            there = names.get(self.key(wanted))
            if there is None:
                return wanted
            if same(there):
                return there
            attempt += 1

    def _holds(self, other: Item, item: Item, loser: Side) -> bool:
        if other.kind is not item.kind or other is item:
            return False
        if other.origin is not None:
            return self._digits(other.origin, other.content) == self._digits(item, loser)
        return bool(equal(self.work, (other, other.content), (item, loser)))

    def _digits(self, item: Item, side: Side) -> str | None:
        """Return the digits of a conflict name; None: the content must be hashed first."""
        if item.is_directory:
            return hexed_text(item.name)
        content = need(self.work, item, side) if item.on[side] is not None else None
        if content is None:
            return None
        return hexed(content) if item.kind is Kind.FILE else hexed_text(content)


def _order(item: Item) -> tuple[bool, bool, bytes, str]:
    """Order by who was there before: a plan must not depend on the order in which things are told."""
    places = [place.name for place in item.at if place is not None]
    return item.base is None, item.moved(item.content), min(places, default=item.name), item.id


def _claim(item: Item) -> Side | None:
    if item.claim is not None:
        return item.claim
    wrote = [side for side in SIDES if item.changed[side] is not False]
    return wrote[0] if len(wrote) == 1 else None
