"""Reading again what changed while a tree was read, until nothing has.

Entries get other names meanwhile: from a directory that was still to be read into one that had been. Who does that
changes the ctime of both directories, and nobody can set that back. So when a walk has ended, every directory is
looked at once more. Where all have the ctime that they had before their names were read, and each has still the name
under which it was found, the rows are the tree as it was at the moment when that look began: the top had the names
that were read of it, for it had not changed between its being read and its being looked at, and that moment lies
between; so those directories lay in it, which had not changed either, and so on down. What was there from the
beginning to the end of the scan was there at that moment, and has a row.

Otherwise those that changed are read again, what is new in them is walked, and every directory is looked at again.
"""

import dataclasses
import errno
import os
import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from argosy.linux import tree
from argosy.linux.openat2 import DIRECTORY, open_beneath
from argosy.linux.tree import CHANGED, ELSEWHERE, Asked, Directories, Identity
from argosy.snapshots.clock import Clock
from argosy.snapshots.moves import Moves
from argosy.snapshots.schema import RowKind, Unknown
from argosy.snapshots.spill import ROWS, Piece, Spill

PASSES: Final = 10
"""How often what changed is read again, at most."""
_ELSEWHERE: Final = {errno.ENOENT, errno.ESTALE, errno.ENOTDIR, errno.ELOOP, errno.EXDEV}
_CHECKED: Final = ("inode", "born_ns", "ctime_ns", "depth", "name")


class Changed(NamedTuple):
    """A directory that is to be read again."""

    row: int
    path: bytes
    identity: Identity


class Settling:
    """Makes the rows of a walk true to the tree."""

    def __init__(self, top: int, spill: Spill, clock: Clock, asked: Asked, moves: Moves) -> None:
        self._top, self._spill, self._clock, self._asked, self._moves = top, spill, clock, asked, moves

    def settled(self, pieces: list[Piece]) -> tuple[list[Piece], bool]:
        """Return the rows as they are now, and whether nothing can have been missed.

        Where something can have been, the directories that changed last are said to be unknown.

        Raises:
            OSError: there is no room on the disk, no memory, or no descriptor left.
        """
        changed, still = self._look(pieces)
        for number in range(PASSES):
            if still:
                return pieces, True
            watch = number > 0
            if not (watch and self._moves.watches_all):  # the ctimes of those that are watched need not be sure
                time.sleep(self._clock.slack_ns / 1e9)
            pieces = self._renewed(pieces, changed, watch=watch)
            changed, still = self._look(pieces)
        return (pieces, True) if still else (_marked(pieces, changed), False)

    def _look(self, pieces: list[Piece]) -> tuple[list[Changed], bool]:
        """Compare every directory with what it was when it was read; say which are to be read again, if not why."""
        check, changed, lost, base = tree.check(self._top), list[Changed](), set[Identity](), 0
        try:
            for piece in pieces:
                rows, places = _directories(piece.rows)
                became, paths = check.compare(rows, piece.sure_ns)
                if any(became):
                    told = iter(paths)
                    for place, one in zip(places, became, strict=True):
                        if one == CHANGED:
                            changed.append(Changed(base + place, next(told), _identity(piece.rows, place)))
                        elif one == ELSEWHERE:
                            lost.add(_parent(piece.rows, place))
                base += piece.rows.num_rows
                self._spill.look_away()
        finally:
            check.close()
        restless = self._moves.restless()
        quiet = self._moves.watched - restless - lost
        changed = [one for one in changed if one.identity not in quiet]
        return changed, not (changed or lost or restless)

    def _renewed(self, pieces: list[Piece], changed: list[Changed], *, watch: bool) -> list[Piece]:
        """Return the rows with those directories read again, the last first: the others' places stay as they were."""
        asked = dataclasses.replace(self._asked, sure_ns=self._clock.sure_ns())
        rest, tail = list(pieces), list[Piece]()
        end = sum(piece.rows.num_rows for piece in rest)
        for one in reversed(changed):
            end = _cut(rest, tail, end, one.row)
            depth = tail[-1].rows["depth"][0].as_py()
            old = _taken(tail, depth)
            moves = self._moves if watch else None
            new = _Renewal(self._top, self._spill, asked, depth, moves).of(one, old)
            tail += reversed(new)
        return rest + tail[::-1]


class _Renewal:
    """One directory that is read again."""

    def __init__(self, top: int, spill: Spill, asked: Asked, depth: int, moves: Moves | None) -> None:
        self._top, self._spill, self._asked, self._depth, self._moves = top, spill, asked, depth, moves

    def of(self, one: Changed, old: list[Piece]) -> list[Piece]:
        """Return the rows of the directory and of all below it; where it went meanwhile, those that there were."""
        try:
            directory = open_beneath(self._top, one.path, DIRECTORY, same_mount=True)
        except OSError as error:
            # of what went elsewhere another look finds what holds it changed
            return old if error.errno in _ELSEWHERE else self._unopened(one, old)
        try:
            if self._moves is not None:
                self._moves.watch(directory, one.identity, one.path)
            fresh = self._spill.read(directory, self._at(old[0].rows, 0, descend=False))
            if not fresh or _identity(fresh[0].rows, 0) != one.identity:
                if self._moves is not None:
                    self._moves.forget(one.identity)
                return old
            return list(self._merged(directory, fresh, _Subtree(old, self._depth)))
        finally:
            os.close(directory)

    def _unopened(self, one: Changed, old: list[Piece]) -> list[Piece]:
        """Return the row of a directory that we may not open, as it is now: what it holds is unknown."""
        above, _, name = one.path.rpartition(b"/")
        try:
            holder = open_beneath(self._top, above, DIRECTORY, same_mount=True)
        except OSError:
            return old
        try:
            beside = self._spill.read(holder, dataclasses.replace(self._asked, descend=False, depth=self._depth - 1))
        finally:
            os.close(holder)
        for piece in beside:
            for place in _places(piece.rows, RowKind.DIRECTORY, self._depth):
                if piece.rows["name"][place].as_py() == name and _identity(piece.rows, place) == one.identity:
                    row = piece.rows.slice(place, 1)
                    known = row["unknown"][0].as_py() != Unknown.NOTHING
                    return [Piece(row if known else with_unknown(row, Unknown.CHILDREN), piece.sure_ns)]
        return old

    def _at(self, rows: pa.RecordBatch, row: int, *, descend: bool) -> Asked:
        """Return what to ask for about the directory of that row."""
        parent = rows["parent_inode"][row].as_py(), rows["parent_born_ns"][row].as_py()
        depth, name = rows["depth"][row].as_py(), rows["name"][row].as_py()
        return dataclasses.replace(self._asked, descend=descend, depth=depth, parent=parent, name=name)

    def _merged(self, directory: int, fresh: list[Piece], old: "_Subtree") -> Iterator[Piece]:
        """Yield what was read now, and behind each directory in it what is known of that, or is found now."""
        for piece in fresh:
            begin = 0
            for place in _places(piece.rows, RowKind.DIRECTORY, self._depth + 1):
                known = old.below(piece.rows["name"][place].as_py(), _identity(piece.rows, place))
                below = known or self._walked(directory, piece, place)
                if begin < place:
                    yield piece.part(begin, place)
                yield from below
                begin = place + 1
            if begin < piece.rows.num_rows:
                yield piece.part(begin, piece.rows.num_rows)

    def _walked(self, directory: int, piece: Piece, place: int) -> list[Piece]:
        name = piece.rows["name"][place].as_py()
        try:
            found = open_beneath(directory, name, DIRECTORY, same_mount=True)
        except FileNotFoundError:
            return []
        except OSError:
            return [Piece(with_unknown(piece.rows.slice(place, 1), Unknown.CHILDREN), piece.sure_ns)]
        try:
            return self._spill.read(found, self._at(piece.rows, place, descend=True))
        finally:
            os.close(found)


class _Subtree:
    """The rows of a directory and of all below it, and where in them the directories in it are."""

    def __init__(self, pieces: list[Piece], depth: int) -> None:
        self._pieces = pieces
        begins: list[tuple[bytes, Identity, int]] = []
        ends: list[int] = []
        base = 0
        for piece in pieces:
            children = pc.indices_nonzero(pc.equal(piece.rows["depth"], depth + 1)).to_pylist()
            ends += [base + place for place in children]
            begins += [
                (piece.rows["name"][place].as_py(), _identity(piece.rows, place), base + place)
                for place in _places(piece.rows, RowKind.DIRECTORY, depth + 1)
            ]
            base += piece.rows.num_rows
        following = dict(pairwise([*ends, base]))
        self._starts = {(name, identity): (begin, following[begin]) for name, identity, begin in begins}

    def below(self, name: bytes, identity: Identity) -> list[Piece]:
        """Return the rows of a directory in it, its own first; none where it was not there under that name."""
        begin, end = self._starts.get((name, identity), (0, 0))
        parts, base = [], 0
        for piece in self._pieces:
            count = piece.rows.num_rows
            if begin < base + count and end > base:
                parts.append(piece.part(max(begin - base, 0), min(end - base, count)))
            base += count
        return parts


def with_unknown(rows: pa.RecordBatch, unknown: Unknown) -> pa.RecordBatch:
    """Return the rows saying that so much of them is unknown."""
    values = pa.repeat(pa.scalar(int(unknown), pa.uint8()), rows.num_rows)
    return rows.set_column(ROWS.get_field_index("unknown"), ROWS.field("unknown"), values)


def _marked(pieces: list[Piece], changed: list[Changed]) -> list[Piece]:
    """Return the rows, what those directories hold being unknown."""
    rest, tail = list(pieces), list[Piece]()
    end = sum(piece.rows.num_rows for piece in rest)
    for one in reversed(changed):
        end = _cut(rest, tail, end, one.row)
        piece = tail.pop()
        if piece.rows.num_rows > 1:
            tail.append(piece.part(1, piece.rows.num_rows))
        tail.append(Piece(with_unknown(piece.rows.slice(0, 1), Unknown.CHILDREN), piece.sure_ns))
    return rest + tail[::-1]


def _cut(rest: list[Piece], tail: list[Piece], end: int, row: int) -> int:
    """Move what begins with the row from `rest`, which ends before `end`, to `tail`; return where `rest` ends then.

    `tail` is in reverse order.
    """
    while end > row:
        piece = rest.pop()
        begin = end - piece.rows.num_rows
        if begin < row:
            rest.append(piece.part(0, row - begin))
            piece = piece.part(row - begin, piece.rows.num_rows)
        tail.append(piece)
        end = max(begin, row)
    return end


def _taken(tail: list[Piece], depth: int) -> list[Piece]:
    """Take the first row of `tail`, of that depth, and all that lies below it."""
    taken: list[Piece] = []
    while tail:
        piece = tail.pop()
        above = pc.less_equal(piece.rows["depth"], depth)
        end = pc.index(above.slice(0 if taken else 1), True).as_py()
        if end < 0:
            taken.append(piece)
            continue
        end += 0 if taken else 1
        if end:
            taken.append(piece.part(0, end))
        tail.append(piece.part(end, piece.rows.num_rows))
        break
    return taken


def _places(rows: pa.RecordBatch, kind: RowKind, depth: int) -> list[int]:
    these = pc.and_(pc.equal(rows["kind"], int(kind)), pc.equal(rows["depth"], depth))
    places: list[int] = pc.indices_nonzero(these).to_pylist()
    return places


def _identity(rows: pa.RecordBatch, row: int) -> Identity:
    return rows["inode"][row].as_py(), rows["born_ns"][row].as_py()


def _parent(rows: pa.RecordBatch, row: int) -> Identity:
    return rows["parent_inode"][row].as_py(), rows["parent_born_ns"][row].as_py()


def _directories(rows: pa.RecordBatch) -> tuple[Directories, list[int]]:
    """Return the directories among the rows, and where those are; not what nothing was learned of but the name."""
    seen = pc.or_(pc.equal(rows["unknown"], int(Unknown.NOTHING)), pc.not_equal(rows["ctime_ns"], 0))
    mask = pc.and_(pc.equal(rows["kind"], int(RowKind.DIRECTORY)), seen)
    found = rows.select(_CHECKED).filter(mask)
    inode, born, ctime, depth = (memoryview(found[name].buffers()[1]).cast("B") for name in _CHECKED[:4])
    _, ends, names = found["name"].buffers()
    places: list[int] = pc.indices_nonzero(mask).to_pylist()
    many = found.num_rows
    return Directories(
        inode.cast("Q")[:many], born.cast("q")[:many], ctime.cast("q")[:many], depth.cast("I")[:many],
        memoryview(ends), memoryview(names or b""),
    ), places  # fmt: skip
