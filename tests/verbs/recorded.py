"""What one verb does to the disk and the stores, call by call: the calls are made as ever, and noted on the way.

No power cut shows an order that a filesystem with one journal happens to keep; here it is seen on any filesystem.
"""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from argosy.agent.lease import Lease
from argosy.core.pointer import Pointer
from argosy.linux import space
from argosy.linux.libc import LIBC
from argosy.stores.posix import PosixStore
from tests.verbs.evidence import ATTRIBUTE

EXCHANGE = 2
OUT_OF_SIGHT = ("staging", "moving", "times", "locks")
"""What the next start of an agent clears, whatever of it is on the disk."""
SHELVES = ("trash", "versions")


@dataclass(frozen=True)
class Event:
    """One call. `inode`: of what; `path`: where it is then, and for a name that it `had`, where it was."""

    act: str
    inode: int = 0
    path: str = ""
    had: str = ""
    directories: tuple[int, ...] = ()
    """Inodes of the directories whose names it changes."""
    is_file: bool = True

    def __str__(self) -> str:
        return " ".join(filter(None, (self.act, self.had and f"{self.had} ->", self.path)))


@dataclass(frozen=True)
class Place:
    """A path, by who can see it."""

    path: str

    @property
    def private(self) -> str:
        """Which of Argosy's own directories it lies in, "" for the tree."""
        _, found, rest = self.path.partition("/.argosy/")
        return rest.partition("/")[0] if found else ""

    @property
    def in_tree(self) -> bool:
        """Whether programs see it."""
        return bool(self.path) and not self.private

    @property
    def stays(self) -> bool:
        """Whether it is to be there after a start."""
        return bool(self.path) and self.private not in OUT_OF_SIGHT


class Recorder:
    """Notes what is done below some roots, to stores, and when the lease is looked at."""

    def __init__(self, *roots: Path) -> None:
        self.roots = tuple(f"{root}/" for root in roots)
        self.events: list[Event] = []

    def note(self, act: str, **fields: Any) -> None:
        """Note a call."""
        self.events.append(Event(act, **fields))

    def of_file(self, act: str, descriptor: Any) -> None:
        """Note what is done to an open file or directory below the roots."""
        where = f"/proc/self/fd/{descriptor}" if isinstance(descriptor, int) else os.fsdecode(descriptor)
        path = os.path.realpath(where)
        if f"{path}/".startswith(self.roots):
            found = os.stat(where)
            self.note(act, inode=found.st_ino, path=path, is_file=stat.S_ISREG(found.st_mode))

    def of_name(self, act: str, before: tuple[int, bytes] | None, after: tuple[int, bytes] | None) -> None:
        """Note, of what was done, that something has another name."""
        had, path = (self._path(spot) for spot in (before, after))
        if not (path or had).startswith(self.roots):
            return
        spots = [spot for spot in (before, after) if spot is not None]
        directories = tuple(os.fstat(directory).st_ino for directory, _ in spots)
        inode = 0 if after is None else os.stat(after[1], dir_fd=after[0], follow_symlinks=False).st_ino
        self.note(act, inode=inode, path=path, had=had, directories=directories)

    def _path(self, spot: tuple[int, bytes] | None) -> str:
        return "" if spot is None else f"{os.readlink(f'/proc/self/fd/{spot[0]}')}/{os.fsdecode(spot[1])}"


@contextmanager
def recording(*roots: Path) -> Iterator[Recorder]:
    """Note what is done within the block."""
    recorder = Recorder(*roots)
    with pytest.MonkeyPatch.context() as patch:
        _note_files(recorder, patch)
        _note_names(recorder, patch)
        _note_others(recorder, patch)
        yield recorder


def _note_files(recorder: Recorder, patch: pytest.MonkeyPatch) -> None:
    def noting(act: str, real: Callable[..., Any], descriptor: Any, *rest: Any, **more: Any) -> Any:
        recorder.of_file(act, descriptor)
        return real(descriptor, *rest, **more)

    def setxattr(real: Callable[..., None], descriptor: Any, name: Any, value: bytes, *rest: Any, **more: Any) -> None:
        act = f"point {Pointer.decode(value).state.name}" if os.fsdecode(name) == ATTRIBUTE else "dress"
        noting(act, real, descriptor, name, value, *rest, **more)

    def removexattr(real: Callable[..., None], descriptor: Any, name: Any, **more: Any) -> None:
        noting("forget" if os.fsdecode(name) == ATTRIBUTE else "dress", real, descriptor, name, **more)

    acts = {"fsync": "sync", "fdatasync": "sync", "pread": "read", "pwrite": "write", "ftruncate": "truncate"}
    for name, act in acts.items():
        patch.setattr(os, name, partial(noting, act, getattr(os, name)))
    patch.setattr(os, "setxattr", partial(setxattr, os.setxattr))
    patch.setattr(os, "removexattr", partial(removexattr, os.removexattr))
    patch.setattr(space, "punch", partial(noting, "punch", space.punch))
    patch.setattr(LIBC, "syncfs", partial(noting, "sync all", LIBC.syncfs))


def _note_names(recorder: Recorder, patch: pytest.MonkeyPatch) -> None:
    def renameat2(real: Callable[..., int], source: int, name: Any, target: int, new: Any, flags: Any) -> int:
        answer = real(source, name, target, new, flags)
        if answer == 0:
            act = "exchange" if flags.value == EXCHANGE else "move"
            recorder.of_name(act, (source, name.value), (target, new.value))
        return answer

    def rename(real: Callable[..., None], name: bytes, new: bytes, *, src_dir_fd: int, dst_dir_fd: int) -> None:
        real(name, new, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
        recorder.of_name("move", (src_dir_fd, name), (dst_dir_fd, new))

    def link(real: Callable[..., None], name: Any, new: Any, *, dst_dir_fd: int | None = None, **more: Any) -> None:
        real(name, new, dst_dir_fd=dst_dir_fd, **more)
        if dst_dir_fd is not None:
            recorder.of_name("link", None, (dst_dir_fd, new))

    def unlink(real: Callable[..., None], name: Any, *, dir_fd: int | None = None) -> None:
        real(name, dir_fd=dir_fd)
        if dir_fd is not None:
            recorder.of_name("unlink", (dir_fd, name), None)

    for name, wrapper in {"rename": rename, "link": link, "unlink": unlink, "rmdir": unlink}.items():
        patch.setattr(os, name, partial(wrapper, getattr(os, name)))
    patch.setattr(LIBC, "renameat2", partial(renameat2, LIBC.renameat2))


def _note_others(recorder: Recorder, patch: pytest.MonkeyPatch) -> None:
    def noted(act: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def calling(*given: Any, **more: Any) -> Any:
            recorder.note(act)
            return real(*given, **more)

        return calling

    for act in ("head", "get", "put", "copy", "delete"):
        patch.setattr(PosixStore, act, noted(f"store {act}", getattr(PosixStore, act)))
    patch.setattr(Lease, "check", noted("check", Lease.check))


