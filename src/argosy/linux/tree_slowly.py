"""What `tree.c` does, without a compiler and a dozen times as slow. See `tree` for what is asked and answered."""

import contextlib
import ctypes
import errno
import os
import stat
import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from argosy.linux.libc import LIBC, checked
from argosy.linux.openat2 import DIRECTORY, open_beneath
from argosy.linux.tree import CHANGED, ELSEWHERE, FIXED, SAME, Asked, Block, Directories, Identity

_FILE, _DIRECTORY, _SYMLINK, _OTHER, _BOUNDARY = range(1, 6)
_NOTHING, _ENTRY, _CHILDREN = range(3)
_KINDS: Final = {stat.S_IFREG: _FILE, stat.S_IFDIR: _DIRECTORY, stat.S_IFLNK: _SYMLINK}
_FATAL: Final = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}
_VANISHED: Final = {errno.ENOENT, errno.ESTALE}
_TRIES: Final = 5
_HELD_OPEN: Final = 64
_LAST: Final = (1 << 63) - 1

_EMPTY_PATH: Final = 0x1000
_NOFOLLOW: Final = 0x100
_NO_AUTOMOUNT: Final = 0x800
_BASIC: Final = 0x07FF
_BTIME: Final = 0x0800
_MNT_ID: Final = 0x1000
_STATX: Final = struct.Struct("=I4xQIIIH2xQQQ8x16xqI4xqI4xqI4x8xIIQ")
"""Mask, attributes, links, uid, gid, mode, inode, size, blocks, birth, ctime, mtime, device, mount."""
_HANDLE: Final = struct.Struct("=Ii")
_HEAD: Final = struct.Struct("=HI")
_ACLS: Final = {"system.posix_acl_access", "system.posix_acl_default"}
_OURS: Final = "argosy"


class _Look(NamedTuple):
    """What one look at an entry tells."""

    inode: int
    born_ns: int
    size: int
    mtime_ns: int
    ctime_ns: int
    uid: int
    gid: int
    links: int
    mode: int
    device: tuple[int, int]
    mount: int

    @property
    def identity(self) -> Identity:
        return self.inode, self.born_ns

    @property
    def kind(self) -> int:
        return _KINDS.get(stat.S_IFMT(self.mode), _OTHER)


_NOBODY: Final = _Look(0, 0, 0, 0, 0, 0, 0, 0, 0, (0, 0), 0)


class _Row(NamedTuple):
    look: _Look
    parent: Identity
    depth: int
    name: bytes
    kind: int
    unknown: int
    target: bytes = b""
    extra: bytes = b""


class _Level:
    def __init__(self, descriptor: int, look: _Look, name: bytes) -> None:
        self.descriptor, self.look, self.name = descriptor, look, name
        self.names: Iterator[bytes] = iter(())

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def _hold(levels: list[_Level], which: int) -> int:
    """Hold the level open, and of those above it the nearest and the top.

    Raises:
        OSError: it is not there any more.
    """
    nearest = max(at for at in range(which + 1) if levels[at].descriptor >= 0)
    for at in range(nearest + 1, which + 1):
        opened = open_beneath(levels[at - 1].descriptor, levels[at].name, DIRECTORY, same_mount=True)
        if _look(opened, b"").identity != levels[at].look.identity:
            os.close(opened)
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        levels[at].descriptor = opened
        if at > _HELD_OPEN:
            levels[at - _HELD_OPEN].close()
    return levels[which].descriptor


def _climb(levels: list[_Level]) -> None:
    """Leave the deepest level; the one above it, if it was let go of, is reached from there. See tree.c."""
    level = levels.pop()
    if levels and levels[-1].descriptor < 0 <= level.descriptor:
        with contextlib.suppress(OSError):
            opened = os.open("..", DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=level.descriptor)
            above = _Level(opened, levels[-1].look, levels[-1].name)
            if _look(opened, b"").identity == above.look.identity:
                levels[-1].descriptor, above.descriptor = opened, -1
            above.close()
    level.close()


class SlowWalk:
    """A walk as `tree.walk` begins one."""

    def __init__(self, top: int, asked: Asked) -> None:
        self._asked = asked
        self._levels: list[_Level] = []
        self._torn: list[Identity] = []
        self._top = open_beneath(top, b"", DIRECTORY)
        self._rows = self._walked()
        self._ahead: _Row | None = None
        self._begun = False

    def fill(self, block: Block) -> bool:
        """Fill the block; see `tree.Walk`."""
        if not self._begun:
            self._ahead, self._begun = next(self._rows, None), True
        filling = _Filling(block)
        while self._ahead is not None and filling.takes(self._ahead):
            filling.add(self._ahead)
            if filling.is_full:
                self._ahead, self._begun = None, False
                break
            self._ahead = next(self._rows, None)
        block.torn, self._torn = self._torn, []
        return self._ahead is not None or not self._begun

    def close(self) -> None:
        """Let go of what is held open."""
        for level in self._levels:
            level.close()
        os.close(self._top)

    def _walked(self) -> Iterator[_Row]:
        yield from self._entered(open_beneath(self._top, b"", DIRECTORY), self._asked.name)
        while self._levels:
            level = self._levels[-1]
            name = next(level.names, None)
            if name is None:
                _climb(self._levels)
                continue
            try:
                at = _hold(self._levels, len(self._levels) - 1)
            except OSError as error:
                _refuse_fatal(error)
                self._torn.append(level.look.identity)
                level.names = iter(())
                continue
            yield from self._met(at, name)

    def _met(self, at: int, name: bytes) -> Iterator[_Row]:
        """Show an entry, and go into it where it is a directory."""
        above = self._levels[-1].look
        try:
            found = self._seen(at, name)
            if found.look.identity in self._asked.hidden:
                return
            if self._is_boundary(above, found.look):
                yield found._replace(kind=_BOUNDARY, unknown=_NOTHING, target=b"", extra=b"")
            elif found.kind == _DIRECTORY and self._asked.descend:
                yield from self._opened(at, name, found)
            else:
                yield found
        except OSError as error:
            _refuse_fatal(error)
            if error.errno not in _VANISHED:
                yield _Row(_NOBODY, above.identity, self._depth(), name, _OTHER, _ENTRY)

    def _opened(self, at: int, name: bytes, found: _Row) -> Iterator[_Row]:
        try:
            descriptor = open_beneath(at, name, DIRECTORY, same_mount=True)
        except OSError as error:
            _refuse_fatal(error)
            if error.errno not in _VANISHED:
                yield found._replace(unknown=found.unknown or _CHILDREN)
            return
        yield from self._entered(descriptor, name)

    def _entered(self, descriptor: int, name: bytes) -> Iterator[_Row]:
        """Show an open directory and go down into it; the descriptor is ours from now on."""
        level = _Level(descriptor, _look(descriptor, b""), name)
        depth = self._depth()
        self._levels.append(level)
        found = self._seen(descriptor, b"")
        level.look, unknown = found.look, found.unknown
        try:
            level.names = iter(sorted(set(map(os.fsencode, os.listdir(descriptor)))))
        except OSError as error:
            _refuse_fatal(error)
            if error.errno not in _VANISHED:
                unknown = unknown or _CHILDREN
        parent = self._levels[-2].look.identity if len(self._levels) > 1 else self._asked.parent
        parent = parent if depth else level.look.identity
        yield found._replace(parent=parent, depth=depth, name=name, unknown=unknown)
        if len(self._levels) > _HELD_OPEN + 1:
            self._levels[-1 - _HELD_OPEN].close()

    def _depth(self) -> int:
        return self._asked.depth + len(self._levels)

    def _is_boundary(self, above: _Look, look: _Look) -> bool:
        if above.mount and look.mount and above.mount != look.mount:
            return True
        if look.kind != _DIRECTORY:
            return False
        return look.device != above.device or look.identity in self._asked.nested

    def _seen(self, at: int, name: bytes) -> _Row:
        """Return what is attached and what it is attached to, both of one moment; see tree.c."""
        before: _Look | None = None
        unknown = _NOTHING
        for _ in range(_TRIES):
            target, extra, failed = _attached(at, name)
            look = _look(at, name)
            target = target if look.kind == _SYMLINK else b""
            failed = failed or (look.kind == _SYMLINK and not target)
            unknown = _ENTRY if failed else _NOTHING
            settled = before is not None and (before.identity, before.ctime_ns) == (look.identity, look.ctime_ns)
            if settled or (look.ctime_ns < self._asked.sure_ns and not failed):
                break
            before = look
        else:
            unknown = _ENTRY
        if unknown:
            target = extra = b""
        parent = self._levels[-1].look.identity if self._levels else look.identity
        return _Row(look, parent, self._depth(), name, look.kind, unknown, target, extra)


class SlowCheck:
    """A comparison as `tree.check` begins one."""

    def __init__(self, top: int) -> None:
        self._levels = [_Level(open_beneath(top, b"", DIRECTORY), _NOBODY, b"")]

    def compare(self, these: Directories, sure_ns: int) -> tuple[bytes, list[bytes]]:
        """Compare; see `tree.Check`."""
        found, paths = bytearray(), list[bytes]()
        for row, depth in enumerate(these.depth):
            name = bytes(these.names[_end(these.ends, row) : _end(these.ends, row + 1)])
            self._cut(max(depth, 1))
            wanted = _NOBODY._replace(inode=these.inode[row], born_ns=these.born_ns[row], ctime_ns=these.ctime_ns[row])
            became = self._became(name, wanted, sure_ns)
            found.append(became)
            if became == CHANGED:
                paths.append(b"/".join([*(level.name for level in self._levels[1:]), *([name] if depth else [])]))
            if depth:
                self._levels.append(_Level(-1, wanted, name))
            else:
                self._levels[0].look = wanted
        return bytes(found), paths

    def close(self) -> None:
        """Let go of what is held open."""
        self._cut(0)

    def _cut(self, depth: int) -> None:
        while len(self._levels) > depth:
            _climb(self._levels)

    def _became(self, name: bytes, wanted: _Look, sure_ns: int) -> int:
        try:
            now = _look(_hold(self._levels, len(self._levels) - 1), name)
        except OSError as error:
            _refuse_fatal(error)
            return ELSEWHERE
        if now.identity != wanted.identity:
            return ELSEWHERE
        return SAME if now.ctime_ns == wanted.ctime_ns < sure_ns else CHANGED


def _end(ends: memoryview, row: int) -> int:
    return int(ends[4 * row : 4 * row + 4].cast("i")[0])


def _refuse_fatal(error: OSError) -> None:
    if error.errno in _FATAL:
        raise error


def _look(at: int, name: bytes) -> _Look:
    into = ctypes.create_string_buffer(256)
    flags = _NOFOLLOW | _NO_AUTOMOUNT | (0 if name else _EMPTY_PATH)
    checked(LIBC.statx(at, ctypes.c_char_p(name), flags, _BASIC | _BTIME | _MNT_ID, into))
    (
        mask, _, links, uid, gid, mode, inode, size, _, birth, birth_ns, ctime, ctime_ns, mtime, mtime_ns, major, minor,
        mount,
    ) = _STATX.unpack_from(into)  # fmt: skip
    born = _nanoseconds(birth, birth_ns) if mask & _BTIME else 0
    return _Look(
        inode, born or _generation(at, name), min(size, _LAST), _nanoseconds(mtime, mtime_ns),
        _nanoseconds(ctime, ctime_ns), uid, gid, links, mode, (major, minor), mount if mask & _MNT_ID else 0,
    )  # fmt: skip


def _nanoseconds(seconds: int, rest: int) -> int:
    """Return a time as 64 bits have it: one that they do not have counts as the last, or the first, that they do."""
    return max(-_LAST - 1, min(seconds * 1_000_000_000 + rest, _LAST))


def _generation(at: int, name: bytes) -> int:
    """Return the generation, below 0; nothing is opened to ask for it."""
    into, mount = ctypes.create_string_buffer(_HANDLE.pack(128, 0) + bytes(128)), ctypes.c_int()
    flags = 0 if name else _EMPTY_PATH
    if LIBC.name_to_handle_at(at, ctypes.c_char_p(name), into, ctypes.byref(mount), flags) == -1:
        return 0
    size, kind = _HANDLE.unpack_from(into)
    offset = {1: 4, 0x81: 8}.get(kind)
    if offset is None or size < offset + 4:
        return 0
    return -int.from_bytes(into.raw[_HANDLE.size + offset : _HANDLE.size + offset + 4], "little")


def _attached(at: int, name: bytes) -> tuple[bytes, bytes, bool]:
    """Return the target of a symlink, the xattrs that are our business, and whether those could not be read."""
    path = b"/proc/self/fd/%d/%s" % (at, name) if name else at
    try:
        target = os.readlink(name, dir_fd=at) if name else b""
    except OSError:
        target = b""
    try:
        return target, b"".join(map(_packed, *_wanted(path))), False
    except OSError as error:
        return target, b"", error.errno not in {errno.EOPNOTSUPP, *_VANISHED}


def _wanted(path: bytes | int) -> tuple[list[bytes], list[bytes]]:
    follow = isinstance(path, int)
    names = [name for name in os.listxattr(path, follow_symlinks=follow) if _is_wanted(name)]
    return list(map(os.fsencode, names)), [os.getxattr(path, name, follow_symlinks=follow) for name in names]


def _packed(name: bytes, value: bytes) -> bytes:
    return _HEAD.pack(len(name), len(value)) + name + value


def _is_wanted(name: str) -> bool:
    space, _, rest = name.partition(".")
    if space == "user":
        return not rest.startswith(_OURS + ".")
    return name in _ACLS or name == "trusted." + _OURS


class _Filling:
    """A block that is filled row by row."""

    def __init__(self, block: Block) -> None:
        self._block = block
        block.rows = 0
        for each in ("name_ends", "target_ends", "extra_ends"):
            block.views[each][0] = 0

    @property
    def is_full(self) -> bool:
        return self._block.rows == self._block.room

    def takes(self, row: _Row) -> bool:
        """Say whether there is room; an extra that no block has room for is left out of an empty one."""
        block = self._block
        parts = (("name", row.name), ("target", row.target), ("extra", row.extra))
        fits = all(
            block.views[each + "_ends"][block.rows] + len(part) <= len(block.memory[each + "s"]) for each, part in parts
        )
        return fits or not block.rows

    def add(self, row: _Row) -> None:
        block, at, look = self._block, self._block.rows, row.look
        if len(row.extra) > len(block.memory["extras"]):
            row = row._replace(extra=b"", unknown=_ENTRY)
        sized = row.kind in {_FILE, _SYMLINK}
        values = (
            look.inode, look.born_ns, *row.parent, look.size if sized else 0, look.mtime_ns, look.ctime_ns, look.uid,
            look.gid, look.links, row.depth,
        )  # fmt: skip
        for (name, _), value in zip(FIXED, values, strict=False):
            block.views[name][at] = value
        block.views["mode"][at] = look.mode & 0o7777
        block.views["kind"][at], block.views["unknown"][at] = row.kind, row.unknown
        for each, part in (("name", row.name), ("target", row.target), ("extra", row.extra)):
            begin = block.views[each + "_ends"][at]
            memoryview(block.memory[each + "s"]).cast("B")[begin : begin + len(part)] = part
            block.views[each + "_ends"][at + 1] = begin + len(part)
        block.rows += 1
