"""A side on a real disk, with the deeds of the planner's histories; and what two sides must have alike."""

import os
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from argosy.filesystems._posix import inode
from argosy.sync.planner.trees import Kind

SECOND = 10**9
OWN = (b".argosy", b".rotate")
KINDS = {stat.S_IFREG: Kind.FILE, stat.S_IFDIR: Kind.DIRECTORY, stat.S_IFLNK: Kind.SYMLINK}


class Clock:
    """Every change anywhere has an mtime of its own, so far from the last that no tie hides an order."""

    def __init__(self) -> None:
        self.now = 1_700_000_000 * SECOND

    def tick(self) -> int:
        self.now += 10 * SECOND + 1
        return self.now


class Node(NamedTuple):
    kind: Kind | None
    inode: int
    data: bytes


class RealDisk:
    """A directory of this machine."""

    def __init__(self, top: Path, name: str, clock: Clock) -> None:
        self.top = os.fsencode(top)
        self.name = name.encode()
        self.clock = clock

    def path(self, path: bytes) -> bytes:
        return self.top + b"/" + path if path else self.top

    def at(self, path: bytes) -> Node:
        found = os.lstat(self.path(path))
        kind = KINDS.get(stat.S_IFMT(found.st_mode))
        return Node(kind, found.st_ino, self.data(path, kind))

    def data(self, path: bytes, kind: Kind | None) -> bytes:
        if kind is Kind.FILE:
            with open(self.path(path), "rb") as file:
                return file.read()
        return os.readlink(self.path(path)) if kind is Kind.SYMLINK else b""

    def has(self, path: bytes) -> bool:
        return os.path.lexists(self.path(path))

    def walk(self) -> Iterator[tuple[bytes, None, bytes, Node]]:
        waiting = [b""]
        while waiting:
            above = waiting.pop()
            for name in sorted(os.listdir(self.path(above))):
                if not above and name in OWN:
                    continue
                path = above + b"/" + name if above else name
                node = self.at(path)
                yield path, None, name, node
                if node.kind is Kind.DIRECTORY:
                    waiting.append(path)

    def stamp(self, path: bytes) -> None:
        time = self.clock.tick()
        os.utime(self.path(path), ns=(time, time), follow_symlinks=False)

    def create(self, path: bytes, data: bytes, kind: Kind | None = Kind.FILE) -> None:
        where = self.path(path)
        if kind is Kind.DIRECTORY:
            os.mkdir(where)
        elif kind is Kind.SYMLINK:
            os.symlink(data, where)
        elif kind is None:
            os.mkfifo(where)
        else:
            with open(where, "xb") as file:
                file.write(data)
        self.stamp(path)

    def mkdir(self, path: bytes) -> None:
        self.create(path, b"", Kind.DIRECTORY)

    def symlink(self, path: bytes, target: bytes) -> None:
        self.create(path, target, Kind.SYMLINK)

    def edit(self, path: bytes, data: bytes) -> None:
        with open(self.path(path), "r+b") as file:
            file.truncate(0)
            file.write(data)
        self.stamp(path)

    def remove(self, path: bytes) -> None:
        where = self.path(path)
        if stat.S_ISDIR(os.lstat(where).st_mode):
            shutil.rmtree(where)
        else:
            os.unlink(where)

    def save(self, path: bytes, data: bytes) -> None:
        beside = path + b".saving"
        self.create(beside, data)
        os.rename(self.path(beside), self.path(path))

    def move(self, old: bytes, new: bytes) -> None:
        os.rename(self.path(old), self.path(new))

    def link(self, old: bytes, new: bytes) -> None:
        os.link(self.path(old), self.path(new))

    def swap(self, one: bytes, two: bytes) -> None:
        if one != two:
            aside = self.top + b"/.swapping"
            os.rename(self.path(one), aside)
            os.rename(self.path(two), self.path(one))
            os.rename(aside, self.path(two))

    def chmod(self, path: bytes, mode: int) -> None:
        if not stat.S_ISLNK(os.lstat(self.path(path)).st_mode):
            os.chmod(self.path(path), mode)

    def chown(self, path: bytes, uid: int) -> None:
        os.chown(self.path(path), uid, uid, follow_symlinks=False)

    def attach(self, path: bytes, value: bytes) -> None:
        if not stat.S_ISLNK(os.lstat(self.path(path)).st_mode):
            os.setxattr(self.path(path), b"user.note", value)

    def touch(self, path: bytes) -> None:
        self.stamp(path)

    # what two sides must have alike

    def tree(self) -> dict[bytes, tuple[object, ...]]:
        return {path: self.facts(path, node) for path, _, _, node in self.walk()}

    def facts(self, path: bytes, node: Node) -> tuple[object, ...]:
        found = os.lstat(self.path(path))
        owner = found.st_mode & 0o7777, found.st_uid, found.st_gid
        if node.kind is Kind.FILE:
            with open(self.path(path), "rb") as file:
                return node.kind, node.data, *owner, inode.read(file.fileno()).xattrs, found.st_mtime_ns
        if node.kind is Kind.DIRECTORY:
            directory = os.open(self.path(path), os.O_RDONLY)
            try:
                return node.kind, b"", *owner, inode.read(directory).xattrs
            finally:
                os.close(directory)
        return node.kind, node.data, *owner

    def inodes(self) -> dict[bytes, int]:
        return {path: node.inode for path, _, _, node in self.walk()}

    def contents(self) -> set[tuple[Kind | None, bytes]]:
        return {(node.kind, node.data) for _, _, _, node in self.walk() if node.kind in (Kind.FILE, Kind.SYMLINK)}

    def groups(self) -> set[frozenset[bytes]]:
        """Return which names share an inode."""
        found: dict[int, set[bytes]] = {}
        for path, _, _, node in self.walk():
            if node.kind is Kind.FILE:
                found.setdefault(node.inode, set()).add(path)
        return {frozenset(names) for names in found.values() if len(names) > 1}


def contents_below(top: Path) -> set[tuple[Kind | None, bytes]]:
    """Return every content that lies below a directory, whoever put it there."""
    found: set[tuple[Kind | None, bytes]] = set()
    for above, directories, files in os.walk(os.fsencode(top)):
        for name in (*directories, *files):
            path = above + b"/" + name
            if os.path.islink(path):
                found.add((Kind.SYMLINK, os.readlink(path)))
            elif os.path.isfile(path):
                with open(path, "rb") as file:
                    found.add((Kind.FILE, file.read()))
    return found


Deed = Callable[[RealDisk], None]
