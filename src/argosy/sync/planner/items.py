"""What the planner works on: an object with what each side has of it, and what is to become of it."""

from collections.abc import Iterator
from typing import NamedTuple

from argosy.sync.planner.options import Options
from argosy.sync.planner.plans import Conflict, Need, Shelf
from argosy.sync.planner.trees import SIDES, TOP, Binding, Entry, Kind, Known, Metadata, Side, Trees


class Place(NamedTuple):
    """Where an object is: in which directory, by which name. A path would change with every directory above."""

    parent: str
    name: bytes


class Item:
    """One object. `on` and `at` are what each side has, the rest what is to be on both."""

    __slots__ = (
        "alive", "at", "base", "changed", "claim", "content", "copy", "dressed", "frozen", "id", "joined", "kind",
        "like", "lost", "name", "on", "origin", "parent", "renamed", "same", "shelf", "split", "timed", "why",
    )  # fmt: skip

    def __init__(self, identity: str, kind: Kind, base: Known | None) -> None:
        self.id = identity
        self.kind = kind
        self.base = base
        self.on: list[Entry | None] = [None, None]
        self.at: list[Place | None] = [None, None]
        self.changed: list[bool | None] = [False, False]
        """Whether each side changed the content since the base; None: only a hash would tell."""
        self.frozen = False
        """A side could not be asked about it, or about its content: nothing is done to it, on either side."""
        self.alive = True
        self.parent = TOP
        self.name = b""
        self.claim: Side | None = None
        """Which side put it where it is to be; None: it was there."""
        self.content = Side.ONE
        self.same = False
        """Whether both sides have that content already."""
        self.dressed = Side.ONE
        """Whose metadata it is to have."""
        self.timed = Side.ONE
        """Whose mtime it is to have."""
        self.like: Item = self
        """The object whose metadata and mtime it gets: its own, or those of another name of its inode."""
        self.lost = False
        """Whether the content of the other side must be kept in a conflict copy."""
        self.copy: Item | None = None
        """The conflict copy that must be there before the content is replaced."""
        self.origin: Item | None = None
        """Of a conflict copy: the object whose losing content it holds. No side has the copy yet."""
        self.renamed = False
        """Whether it got a conflict name in this plan."""
        self.shelf = Shelf.TRASH
        self.split: tuple[Side, ...] = ()
        """The sides on which it must become another file: there it is a name of one that it is not to be."""
        self.joined: tuple[Side, ...] = ()
        """The sides on which it must become another name of a file: there it is one of its own, of the same content."""
        self.why = ""

    @property
    def is_directory(self) -> bool:
        """Whether other objects can be in it."""
        return self.kind is Kind.DIRECTORY

    @property
    def only(self) -> Side | None:
        """The side that alone has it; None where both do, or neither."""
        if (self.on[0] is None) == (self.on[1] is None):
            return None
        return Side.TWO if self.on[0] is None else Side.ONE

    def entry(self, side: Side) -> Entry:
        """Return what the side has, which it must have."""
        found = self.on[side]
        if found is None:
            raise LookupError(self.id)
        return found

    def place(self, side: Side) -> Place:
        """Return where the side has it, which it must have."""
        found = self.at[side]
        if found is None:
            raise LookupError(self.id)
        return found

    def metadata(self) -> Metadata:
        """Return the metadata that it is to have."""
        return self._dresser().entry(self.like.dressed).metadata

    def mtime_ns(self) -> int:
        """Return the mtime that it is to have."""
        return self._dresser().entry(self.like.timed).version.mtime_ns

    def timely(self, side: Side) -> bool:
        """Say whether a file has the mtime there that it is to have, or what that filesystem made of it before."""
        now, wanted, base = self.entry(side).version.mtime_ns, self.mtime_ns(), self.like.base
        if now == wanted or base is None:
            return now == wanted
        return (now, wanted) == (base.on[side].version.mtime_ns, base.on[self.like.timed].version.mtime_ns)

    def _dresser(self) -> "Item":
        return self.like.origin or self.like

    def moved(self, side: Side) -> bool:
        """Say whether the side has it at another place than the base, or the base does not know it."""
        return self.base is None or self.at[side] != (self.base.parent, self.base.name)

    def put(self, place: Place, claim: Side | None) -> None:
        """Settle where it is to be, and who wants that."""
        self.parent, self.name = place
        self.claim = claim


class Work:
    """A plan in the making."""

    def __init__(self, trees: Trees, options: Options, returned: frozenset[str] = frozenset()) -> None:
        """`returned`: what goes back, one-way, to where the source has it, wherever the destination moved it."""
        self.trees = trees
        self.options = options
        self.returned = returned
        self.displaced: set[str] = set()
        """One-way: what has to, for the name that the destination gave it goes to another."""
        self.items: dict[str, Item] = {}
        self.ids: tuple[dict[object, str], dict[object, str]] = ({}, {})
        """By side: the object that a directory's binding stands for."""
        self.merged: dict[str, str] = {}
        """Directories that were found to be one with another: their id, and that other's."""
        self.needs: dict[tuple[Side, Binding], Need] = {}
        self.conflicts: list[Conflict] = []
        self.stays: tuple[dict[str, tuple[str, bool]], dict[str, tuple[str, bool]]] = ({}, {})
        """By side: objects that stay as they are there, why, and whether that was asked for."""
        self.unknown: set[str] = set()
        """Objects of the base of which nobody knows whether a side still has them."""
        self.unseen: dict[str, tuple[Side, str]] = {}
        """Of these: what that side may have nevertheless, and why."""
        self.unread: dict[str, Side] = {}
        """Objects on whose content something hangs, which that side has and nobody could read."""
        self.skips: dict[str, str] = {}
        """One-way: objects whose version the destination keeps, and why."""
        self._paths: dict[tuple[str, int], bytes] = {}
        self._minted = 0

    def new(self, kind: Kind) -> Item:
        """Add an object that the base does not know."""
        self._minted += 1
        item = self.items[f"+{self._minted}"] = Item(f"+{self._minted}", kind, None)
        return item

    def living(self) -> Iterator[Item]:
        """Yield what is to be, and can be decided upon."""
        return (item for item in self.items.values() if item.alive and not item.frozen)

    def one(self, identity: str) -> str:
        """Return the id of the object that this one has become."""
        while identity in self.merged:
            identity = self.merged[identity]
        return identity

    def here(self, item: Item, side: Side) -> Place | None:
        """Return where the side has it, by the directory's present id."""
        place = item.at[side]
        if place is None or not self.merged:
            return place
        return Place(self.one(place.parent), place.name)

    def path(self, item: Item, side: Side | None = None) -> bytes:
        """Return its path relative to the top: where the side has it now or, without a side, where it is to be.

        What is to be is only told once names are settled.
        """
        key = -1 if side is None else int(side)
        chain = [item]
        parent = self._parent(item, side)
        while parent in self.items and (parent, key) not in self._paths:
            chain.append(self.items[parent])
            parent = self._parent(chain[-1], side)
            if len(chain) > len(self.items):
                raise RecursionError(item.id)
        path = self._paths.get((parent, key), b"")
        for each in reversed(chain):
            here = None if side is None else each.on[side]
            name = each.name if here is None else here.name
            path = path + b"/" + name if path else name
            if each.kind is Kind.DIRECTORY:
                self._paths[each.id, key] = path
        return path

    def forget_paths(self) -> None:
        """Compute paths anew from now on: names have changed."""
        self._paths.clear()

    def shown(self, item: Item) -> bytes:
        """Return a path that it has or had on a side, to speak of it before names are settled."""
        for side in SIDES:
            if item.at[side] is not None:
                return self.path(item, side)
        return item.name

    def _parent(self, item: Item, side: Side | None) -> str:
        if side is None:
            return item.parent
        place = item.at[side]
        return self.one(item.parent if place is None else place.parent)
