"""What syncs took from names, as it is noted where they did, so that it can be given back."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import msgspec

from argosy.core.entry import Kind, Left
from argosy.core.paths import above
from argosy.filesystems.base import Shelf


class Took(msgspec.Struct, frozen=True, array_like=True, tag="took"):
    """Something came from its name to a shelf."""

    path: bytes
    """Below the top of the fileset: where it was, and under which it lies there."""
    shelf: Shelf
    id: str
    kind: Kind
    inode: int
    size: int
    mtime_ns: int
    left: Left | None = None
    """What has the name instead, if that came in the same step."""


class Moved(msgspec.Struct, frozen=True, array_like=True, tag="moved"):
    """A directory got another name."""

    path: bytes
    target: bytes


class Came(msgspec.Struct, frozen=True, array_like=True, tag="came"):
    """Something new got the name of what was removed before."""

    path: bytes
    left: Left


Record = Took | Moved | Came
Round = Callable[[], Iterator[Record]]
"""What is noted of one round of a sync, in the order in which it was done: each time anew."""


@runtime_checkable
class Undoable(Protocol):
    """A filesystem in which syncs note what they take from names."""

    def undoable(self, fileset: str, run: str) -> Iterator[Record]:
        """Yield what a round of a sync noted in a fileset, by the ids of both; nothing where nothing is known."""


class Lost(NamedTuple):
    """What a name lost in a sync, and what it has instead."""

    path: bytes
    """Where that name is now, below the top, if nobody but the sync moved it."""
    took: Took
    left: Left | None


def lost(rounds: Sequence[Round]) -> Iterator[Lost]:
    """Yield what names lost in all rounds of a sync: what they had before the first.

    Memory grows with directories that were moved; where there was more than one round, with all of it.
    """
    known = [_Round(each) for each in rounds]
    known = [each for each in known if each.took]
    if len(known) == 1:
        yield from known[0].lost()
        return
    whole: dict[bytes, Lost] = {}
    for number, each in enumerate(known):
        later = known[number + 1 :]
        for found in each.lost():
            path = _through(found.path, later)
            whole[path] = _joined(whole.get(path), found)._replace(path=path)
    yield from whole.values()


def _joined(earlier: Lost | None, later: Lost) -> Lost:
    """Return what a name lost twice: what it had first, unless somebody put something there in between."""
    if earlier is not None and earlier.left is not None and earlier.left.inode == later.took.inode:
        return earlier._replace(left=later.left)
    return later


def _through(path: bytes, rounds: Iterable["_Round"]) -> bytes:
    for each in rounds:
        path = each.now(path)
    return path


class _Round:
    """One round, with what must be known before anything of it can be told."""

    def __init__(self, records: Round) -> None:
        self._records = records
        self.took = False
        self._moved: dict[bytes, bytes] = {}
        self._came: dict[bytes, Left] = {}
        for each in records():
            if isinstance(each, Took):
                self.took = True
            elif isinstance(each, Moved):
                self._moved[each.path] = each.target
            else:
                self._came[each.path] = each.left

    def lost(self) -> Iterator[Lost]:
        for each in self._records():
            if isinstance(each, Took):
                if each.shelf is Shelf.VERSIONS:  # done last, under the name that it has then
                    yield Lost(each.path, each, each.left)
                else:
                    path = self.now(each.path)
                    yield Lost(path, each, self._came.get(path))

    def now(self, path: bytes) -> bytes:
        """Return where the name is after the directories above it were moved."""
        nearest = next((each for each in above(path) if each in self._moved), None)
        return path if nearest is None else self._moved[nearest] + path[len(nearest) :]
