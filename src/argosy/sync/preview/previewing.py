"""From two trees of this machine to a plan. Nothing is changed in either; what is needed on the way is in a folder."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import pyarrow.compute as pc
import pyarrow.parquet as pq

from argosy.core.errors import ArgosyError, Invalid
from argosy.core.syncing import Circumstances
from argosy.snapshots.schema import About
from argosy.sync.planner.options import Options
from argosy.sync.planner.planning import plan
from argosy.sync.planner.plans import Need, Plan
from argosy.sync.planner.trees import SIDES, Binding, Side, Trees, Version
from argosy.sync.preview.circumstances import circumstances
from argosy.sync.preview.hashing import hash_of
from argosy.sync.preview.trees import Place, check_apart, is_marked, opened, scan
from argosy.sync.reduction.base import Base
from argosy.sync.reduction.hashes import with_hashes
from argosy.sync.reduction.reducing import reduce
from argosy.sync.reduction.sides import Scanned, place_of
from argosy.sync.reduction.union import Union, unite
from argosy.sync.rounds.circumstances import rules_of

_BATCH: Final = 4096
_INDEXES: Final = ("one", "two")


class Reading(NamedTuple):
    """What is about to be read because only that tells whether files are alike."""

    files: int
    bytes: int


class Unread(NamedTuple):
    """A file whose content decides something, and that was not to be read."""

    side: Side
    path: bytes
    size: int


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """What a sync would do."""

    plan: Plan
    rows: tuple[int, int] = (0, 0)
    """How many names each side has."""
    alike: int | None = None
    """Of a first sync: how many names both sides have alike already."""
    maybe: Path | None = None
    """Of a first sync: files that may be alike and were not read, see `reduction.union.OPEN`."""
    unread: tuple[Unread, ...] = ()
    """What else would have had to be read."""
    unreadable: tuple[str, ...] = ()
    """Why files that had to be read could not be."""
    told: tuple[Circumstances, Circumstances] = (Circumstances(), Circumstances())
    """What is so at each side, for which it was planned."""


class Previewing:
    """One preview, with what it keeps in a folder while it is made."""

    def __init__(
        self,
        places: tuple[Place, Place],
        folder: Path,
        options: Options,
        *,
        base: Base | None = None,
        is_recorded: bool = False,
        ask: Callable[[Place, int], Circumstances] = circumstances,
        read: Callable[[Reading], bool] = lambda _reading: True,
    ) -> None:
        """`read` is asked before files are read, and says whether they may be.

        `is_recorded`: whether the base is what a hub has of these filesets. One of other trees is none then, as it is
        to the hub. `ask` says what is so at a place, whose top is open.
        """
        check_apart(places)
        self._places = places
        self._folder = folder
        self._options = options
        self._base = base
        self._is_recorded = is_recorded
        self._ask = ask
        self._read = read
        self._unread: list[Unread] = []
        self._unreadable: list[str] = []
        self._tops: list[int] = []

    def preview(self) -> Preview:
        """Return what a sync would do.

        Raises:
            NotFound, Denied, Unavailable: a tree is not there, or may not be read.
            Invalid: the base is not one of these two trees.
        """
        with ExitStack() as held:
            self._tops = [held.enter_context(opened(place)) for place in self._places]
            told = self._circumstances()
            one, two = (scan(place, self._folder / name) for place, name in zip(self._places, _INDEXES, strict=True))
            self._base = self._of_these((one, two))
            found = self._first_sync() if self._base is None else self._later_sync(self._base)
        return msgspec.structs.replace(
            found, rows=(one.rows, two.rows), unread=tuple(self._unread), unreadable=tuple(self._unreadable), told=told
        )

    def _circumstances(self) -> tuple[Circumstances, Circumstances]:
        """Find out what is so at both sides, and plan for that."""
        one, two = map(self._ask, self._places, self._tops)
        self._options = msgspec.structs.replace(
            self._options,
            clock_offsets_ns=(one.clock_off_ns, two.clock_off_ns),
            rules=(rules_of(one), rules_of(two)),
            guards=(self._places[0].guard, self._places[1].guard),
        )
        return one, two

    def _of_these(self, scanned: tuple[About, About]) -> Base | None:
        """Return the base, if there is one of these two trees.

        Raises:
            Invalid: the one that was named is of others.
        """
        if self._base is None or _is_of(self._base, scanned):
            return self._base
        if self._is_recorded:
            return None
        raise _other(self._base, scanned)

    def _later_sync(self, base: Base) -> Preview:
        return Preview(plan=self._planned(reduce(base, self._sides(_INDEXES), rules=self._options.rules)))

    def _first_sync(self) -> Preview:
        found = self._united()
        made = self._planned(reduce(found.base, found.sides, rules=self._options.rules))
        return Preview(plan=made, alike=found.alike, maybe=found.open if found.files else None)

    def _united(self) -> Union:
        """Return what both sides have alike, with files read where that is allowed."""
        sides = self._sides(_INDEXES)
        found = unite(sides, self._folder, policy=self._options.policy)
        if not found.files or not self._read(Reading(*found.unread)):
            return found
        names = [f"{name}.hashed" for name in _INDEXES]
        for side in SIDES:
            with_hashes(self._folder / _INDEXES[side], self._hashes(found.open, side), self._folder / names[side])
        sides = self._sides((names[0], names[1]))
        return unite(sides, self._folder, policy=self._options.policy)

    def _hashes(self, files: Path, side: Side) -> Iterator[tuple[int, bytes]]:
        """Yield row and hash of what may be alike, as far as it can be read; memory does not grow with it."""
        row, inode, mtime, ctime = (f"{_INDEXES[side]}_{name}" for name in ("row", "inode", "mtime_ns", "ctime_ns"))
        for batch in pq.ParquetFile(files).iter_batches(_BATCH):
            for each in batch.filter(pc.equal(batch[f"{_INDEXES[side]}_known"], 0)).to_pylist():
                version = Version(each["size"], each[mtime], each[ctime])
                content = self._content(side, each["path"], each[inode], version)
                if content is not None:
                    yield each[row], content

    def _planned(self, trees: Trees) -> Plan:
        """Return the plan, after what it needs was read; what cannot or may not be read is left out of it."""
        hashes: dict[tuple[Side, Binding], bytes] = {}
        unread: set[tuple[Side, Binding]] = set()
        while True:
            told = msgspec.structs.replace(trees, hashes=hashes, unread=frozenset(unread))
            made = plan(told, self._options)
            if not made.needs:
                return made
            hashes |= self._needed(trees, made.needs)
            unread |= {(need.side, need.binding) for need in made.needs} - hashes.keys()

    def _needed(self, trees: Trees, needs: tuple[Need, ...]) -> dict[tuple[Side, Binding], bytes]:
        """Return the contents that a plan needs, as far as they can and may be read."""
        versions = {(side, entry.binding): entry.version for side in SIDES for entry in trees.sides[side].entries}
        sizes = [versions[need.side, need.binding].size for need in needs]
        if not self._read(Reading(len(needs), sum(sizes))):
            self._unread += [Unread(need.side, need.path, size) for need, size in zip(needs, sizes, strict=True)]
            return {}
        found = {}
        for need in needs:
            key = need.side, need.binding
            content = self._content(need.side, need.path, need.binding.inode, versions[key])
            if content is not None:
                found[key] = content
        return found

    def _content(self, side: Side, path: bytes, inode: int, version: Version) -> bytes | None:
        try:
            return hash_of(self._tops[side], path, inode, version)
        except ArgosyError as error:
            self._unreadable.append(f"{self._places[side].name}: {error.message}")
            return None

    def _sides(self, names: Sequence[str]) -> tuple[Scanned, Scanned]:
        one, two = (
            Scanned(index=self._folder / name, marked=self._is_marked(place))
            for name, place in zip(names, self._places, strict=True)
        )
        return one, two

    def _is_marked(self, place: Place) -> bool:
        """Say whether the guards may take the tree for the one of the base; without one nothing can be lost."""
        return self._base is None or not place.registered or is_marked(place)


def _is_of(base: Base, scanned: tuple[About, About]) -> bool:
    """Say whether the base is of these two trees, in this order."""
    return base.pair == _pair(scanned) and base.sides == tuple(map(place_of, scanned))


def _pair(scanned: tuple[About, About]) -> str:
    return " ".join(each.fileset for each in scanned)


def _other(base: Base, scanned: tuple[About, About]) -> Invalid:
    """Return why a base is none of these two trees."""
    name = base.chunks[0]
    if base.pair == _pair((scanned[1], scanned[0])) != _pair(scanned):
        return Invalid(f"{name}: is the base of these two trees in the other order: name them the other way round")
    return Invalid(
        f"{name}: is the base of two other trees (name filesets as SITE:NAME, not by paths), or one of these was put "
        "in the place of another since: name the base of these, or none, as for a first sync"
    )
