"""From what is to be to what each side must do, in the order in which no crash can lose anything.

First, from the deepest name upward, everything that goes from its name: parked or trashed. Then from the top downward
what comes, conflict copies with it, and once all that is there further names of files. Then other contents, of which
each needs its conflict copy to be there. Then metadata, and last the times of directories, which all this has changed.
"""

from argosy.sync.planner.contents import hashed
from argosy.sync.planner.holding import moves, replaces
from argosy.sync.planner.items import Item, Place, Work
from argosy.sync.planner.linking import Links
from argosy.sync.planner.naming import folding
from argosy.sync.planner.plans import Act, Operation, Shelf
from argosy.sync.planner.trees import SIDES, TOP, Entry, Kind, Side


def operations(work: Work) -> tuple[Operation, ...]:
    """Return what is to be done on both sides, numbered in order."""
    done: list[Operation] = []
    for side in SIDES:
        if side is Side.TWO or not work.options.one_way:
            done += Writer(work, side, len(done)).write()
    return tuple(done)


class Writer:
    """Writes the operations of one side."""

    def __init__(self, work: Work, side: Side, first: int) -> None:
        self.work = work
        self.side = side
        self.first = first
        self.key = folding(work.options.rules)
        self.links = Links(work, side)
        self.freed: dict[Place, int] = {}
        """Names that an operation frees."""
        self.emptied: dict[str, list[int]] = {}
        """What takes children out of a directory."""
        self.parked: dict[str, int] = {}
        self.there: dict[str, int] = {}
        """What brings an object to its name."""
        self.stirred: dict[str, None] = {}
        """Directories that get another time by what is done in them."""

    def write(self) -> list[Operation]:
        """Return the operations of this side in order."""
        self.done: list[Operation] = []
        items = [
            each for each in self.work.items.values() if not each.frozen and each.id not in self.work.stays[self.side]
        ]
        self._goings(items)
        self._comings(items)
        self._changes(items)
        self._times()
        return self.done

    # names

    def _goings(self, items: list[Item]) -> None:
        going = [
            each
            for each in items
            if each.on[self.side] is not None and (not each.alive or moves(self.work, each, self.side))
        ]
        paths = [(self.work.path(each, self.side), each) for each in going]
        for path, item in sorted(paths, key=lambda each: (-each[0].count(b"/"), each[0])):
            number = self._park(item, path) if item.alive else self._trash(item, path)
            place = self._here(item)
            self.freed[Place(place.parent, self.key(place.name))] = number
            self.emptied.setdefault(place.parent, []).append(number)
            self.stirred[place.parent] = None

    def _here(self, item: Item) -> Place:
        return self.work.here(item, self.side) or Place(TOP, item.name)

    def _park(self, item: Item, path: bytes) -> int:
        self.parked[item.id] = self._add(
            item,
            Act.PARK,
            path=path,
            target=self.work.path(item),
            expects=self._expected(item),
            reason=self._moved(item),
        )
        return self.parked[item.id]

    def _trash(self, item: Item, path: bytes) -> int:
        after = tuple(self.emptied.get(item.id, ())) if item.is_directory else ()
        expects = self._expected(item)
        return self._add(
            item, Act.TRASH, path=path, target=path, expects=expects, shelf=item.shelf, after=after, reason=item.why
        )

    def _comings(self, items: list[Item]) -> None:
        coming = [(self.work.path(each), each) for each in items if moves(self.work, each, self.side)]
        names: list[tuple[bytes, Item]] = []
        for path, item in sorted(coming, key=lambda each: (each[0].count(b"/"), each[0])):
            self.stirred[item.parent] = None
            if item.on[self.side] is not None:
                self.there[item.id] = self._unpark(item, path)
            elif self.links.linked(item):
                names.append((path, item))
            else:
                self.there[item.id] = self._create(item, path)
        for path, item in names:  # last, for what they are further names of may come, or be moved, to below them
            self.there[item.id] = self._create(item, path)

    def _unpark(self, item: Item, path: bytes) -> int:
        before = (self.parked[item.id], *self._room(item))
        now = self.work.path(item, self.side)
        expects = self._expected(item)
        return self._add(
            item, Act.UNPARK, path=now, target=path, expects=expects, after=before, reason=self._moved(item)
        )

    def _create(self, item: Item, path: bytes) -> int:
        source, entry = self._source(item)
        linked = self.links.linked(item)
        crossing = self.links.bytes(item, source, entry) if not linked else 0
        after = self._room(item) + ((self.there[linked],) if linked in self.there else ())
        return self._add(
            item, Act.CREATE, path=path, target=path, **self._from(*self.links.nearest(item, source)),
            **self._linked(linked), shared=self._shared(item, entry), content=self._content(item, source),
            size=entry.version.size if item.kind is Kind.FILE else 0, metadata=item.metadata(),
            mtime_ns=self._mtime(item), bytes=crossing, after=after,
            reason=item.why or f"new on {self.work.options.sites[source]}",
        )  # fmt: skip

    def _room(self, item: Item) -> tuple[int, ...]:
        """Return what must have been done for its name to be free, in a directory that is there."""
        after = [self.there[item.parent]] if item.parent in self.there else []
        free = self.freed.get(Place(item.parent, self.key(item.name)))
        return (*after, free) if free is not None and free != self.parked.get(item.id) else tuple(after)

    # contents and metadata

    def _changes(self, items: list[Item]) -> None:
        replaced: set[str] = set()
        for item in items:
            if replaces(item, self.side):
                self.there[item.id] = self._replace(item)
                replaced.add(item.id)
        for item in items:
            if item.alive and item.on[self.side] is not None and item.id not in replaced and self._differs(item):
                self._dress(item)

    def _replace(self, item: Item) -> int:
        source = self.side if self.side in (*item.split, *item.joined) else item.content
        entry = item.entry(source)
        linked = self.links.linked(item)
        copy = item.copy.id if item.copy is not None else ""
        after = tuple(self.there[each] for each in (item.id, copy, linked) if each in self.there)
        crossing = self.links.bytes(item, source, entry) if not linked else 0
        path, target = self.work.path(item, self.side), self.work.path(item)
        return self._add(
            item, Act.REPLACE, path=path, target=target, expects=self._expected(item), **self._linked(linked),
            shared=self._shared(item, entry),
            **self._from(*self.links.nearest(item, source)), content=self._content(item, source),
            size=entry.version.size, metadata=item.metadata(), mtime_ns=self._mtime(item), shelf=Shelf.VERSIONS,
            bytes=crossing, after=after, reason=self._replacing(item, source),
        )  # fmt: skip

    def _replacing(self, item: Item, source: Side) -> str:
        other = self.work.options.sites[self.side.other]
        if self.side in item.joined:
            return f"names of one file on {other}"
        if self.side in item.split:
            return f"files of their own on {other}"
        return f"changed on {self.work.options.sites[source]}"

    def _differs(self, item: Item) -> bool:
        if item.entry(self.side).metadata != item.metadata():
            return True
        return item.kind is Kind.FILE and not item.timely(self.side)

    def _dress(self, item: Item) -> None:
        entry = item.entry(self.side)
        if not self.links.first_dressed(entry):
            return
        like = item.like
        side = like.dressed if like.dressed is not self.side else like.timed
        after = (self.there[item.id],) if item.id in self.there else ()
        path, target = self.work.path(item, self.side), self.work.path(item)
        self._add(
            item, Act.METADATA, path=path, target=target, expects=self._expected(item), **self._from(side, like),
            after=after, metadata=item.metadata(), mtime_ns=self._mtime(item),
            reason=f"metadata changed on {self.work.options.sites[side]}",
        )  # fmt: skip

    def _times(self) -> None:
        stirred = [self.work.items[each] for each in self.stirred if each in self.work.items]
        alive = [(self.work.path(each), each) for each in stirred if each.alive and not each.frozen]
        for path, item in sorted(alive, key=lambda each: (-each[0].count(b"/"), each[0])):
            if item.id in self.work.stays[self.side]:
                continue
            side = max(
                (each for each in SIDES if item.on[each]), key=lambda each: (item.entry(each).version.mtime_ns, -each)
            )
            after = (self.there[item.id],) if item.id in self.there else ()
            self._add(
                item, Act.MTIME, path=path, target=path, **self._from(side, item), after=after,
                expects=self._expected(item) if item.on[self.side] is not None else None,
                mtime_ns=item.entry(side).version.mtime_ns, reason="its time before what was done in it",
            )  # fmt: skip

    # what all of them need

    def _source(self, item: Item) -> tuple[Side, Entry]:
        origin = item.origin or item
        return item.content, origin.entry(item.content)

    def _from(self, side: Side, item: Item) -> dict[str, object]:
        """Return what an operation says of what it takes from a side."""
        return {"source": (side, item.entry(side)), "source_at": self.work.path(item, side)}

    def _expected(self, item: Item) -> Entry:
        """Return what the scan saw of it, with its content, if that is known: whoever has doubts can compare."""
        return item.entry(self.side)._replace(content=hashed(self.work, item, self.side))

    def _linked(self, identity: str) -> dict[str, object]:
        """Return what an operation says of the object of which it makes another name."""
        if not identity:
            return {}
        item = self.work.items[identity]
        there = item.on[self.side]
        kept = there is not None and not replaces(item, self.side)
        return {
            "linked": identity,
            "linked_at": self.work.path(item),
            "linked_to": self._expected(item) if kept else None,
        }

    @staticmethod
    def _shared(item: Item, entry: Entry) -> bool:
        """Say whether the other side has more names of it, whosever bytes it is made of."""
        return item.kind is Kind.FILE and entry.links > 1

    def _content(self, item: Item, source: Side) -> bytes | None:
        return hashed(self.work, item.origin or item, source)

    def _mtime(self, item: Item) -> int | None:
        return None if item.kind is Kind.SYMLINK else item.mtime_ns()

    def _moved(self, item: Item) -> str:
        if item.renamed:
            return f"its name goes to another: {item.why}"
        claim = item.claim if item.claim is not None else self.side.other
        return f"moved on {self.work.options.sites[claim]}"

    def _add(self, item: Item, act: Act, **fields: object) -> int:
        number = self.first + len(self.done)
        parent = self.work.items.get(item.parent)
        if act is Act.TRASH:
            parent = self.work.items.get(self._here(item).parent)
        on = parent.on[self.side] if parent is not None else None
        top = self.work.trees.sides[self.side].top
        self.done.append(
            Operation(
                number=number, side=self.side, act=act, object=item.id, kind=item.kind,
                parent=parent.id if parent is not None else TOP,
                into=top if parent is None else on.binding if on is not None else None,
                name=item.name if act is not Act.TRASH else item.entry(self.side).name,
                **fields,  # type: ignore[arg-type]
            )
        )  # fmt: skip
        return number
