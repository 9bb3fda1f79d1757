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
from argosy.core import failpoints
from argosy.core.pointer import Pointer
from argosy.linux import space
from argosy.linux.libc import LIBC
from argosy.stores.posix import PosixStore
from tests.verbs.evidence import ATTRIBUTE

EXCHANGE = 2
OUT_OF_SIGHT = ("staging", "moving", "times", "locks")
"""What the next start of an agent clears, whatever of it is on the disk."""
BYTES = ("write", "punch", "truncate")
"""What changes the bytes of a file."""


@dataclass(frozen=True)
class Event:
    """One call. `inode`: of what; `path`: where it is then, and for a name that it `had`, where it was."""

    act: str
    inode: int = 0
    path: str = ""
    had: str = ""
    directory: int = 0
    """Inode of the directory in which a name was given."""
    had_directory: int = 0
    """Inode of the one from which a name was taken."""
    is_file: bool = True
    was: str = ""
    """Which state the file was marked with before."""

    @property
    def lies_in(self) -> str:
        """Which of Argosy's own directories it lies in, "" for none."""
        return _private(self.path)

    @property
    def came_from(self) -> str:
        """Which of Argosy's own directories it lay in, "" for none."""
        return _private(self.had)

    @property
    def is_seen(self) -> bool:
        """Whether it lies where programs see it."""
        return bool(self.path) and not self.lies_in

    @property
    def was_seen(self) -> bool:
        """Whether it lay where programs see it."""
        return bool(self.had) and not self.came_from

    def __str__(self) -> str:
        return " ".join(filter(None, (self.act, self.had and f"{self.had} ->", self.path)))


def _private(path: str) -> str:
    _, found, rest = path.partition("/.argosy/")
    return rest.partition("/")[0] if found else ""


class _Every(dict[str, tuple[str, int | None]]):
    """Every failpoint there is."""

    def __missing__(self, name: str) -> tuple[str, int | None]:
        return "note", None

    def __contains__(self, name: object) -> bool:
        return True

    def __bool__(self) -> bool:
        return True


class Recorder:
    """Notes what is done below some roots, to stores, and when the lease is looked at."""

    def __init__(self, *roots: Path) -> None:
        self.roots = tuple(f"{root}/" for root in roots)
        self.events: list[Event] = []
        self.at: Callable[[str], None] = lambda _: None
        """What is to be done at a point."""

    def note(self, act: str, **fields: Any) -> None:
        """Note a call."""
        self.events.append(Event(act, **fields))

    def reach(self, point: str) -> None:
        """Note that the verb came to a point."""
        self.note(f"at {point}")
        self.at(point)

    def of_file(self, act: str, descriptor: Any, *, was: str = "") -> None:
        """Note what is done to an open file or directory below the roots."""
        where = f"/proc/self/fd/{descriptor}" if isinstance(descriptor, int) else os.fsdecode(descriptor)
        path = os.path.realpath(where)
        if f"{path}/".startswith(self.roots):
            found = os.stat(where)
            self.note(act, inode=found.st_ino, path=path, is_file=stat.S_ISREG(found.st_mode), was=was)

    def of_name(self, act: str, before: tuple[int, bytes] | None, after: tuple[int, bytes] | None) -> None:
        """Note, of what was done, that something has another name."""
        had, path = (self._path(spot) for spot in (before, after))
        if not (path or had).startswith(self.roots):
            return
        found = None if after is None else os.stat(after[1], dir_fd=after[0], follow_symlinks=False)
        self.note(
            act,
            inode=0 if found is None else found.st_ino,
            path=path,
            had=had,
            directory=0 if after is None else os.fstat(after[0]).st_ino,
            had_directory=0 if before is None else os.fstat(before[0]).st_ino,
            is_file=found is not None and stat.S_ISREG(found.st_mode),
        )

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
        if os.fsdecode(name) == ATTRIBUTE:
            recorder.of_file(f"point {Pointer.decode(value).state.name}", descriptor, was=_state(descriptor))
        else:
            recorder.of_file("dress", descriptor)
        real(descriptor, name, value, *rest, **more)

    def removexattr(real: Callable[..., None], descriptor: Any, name: Any, **more: Any) -> None:
        noting("forget" if os.fsdecode(name) == ATTRIBUTE else "dress", real, descriptor, name, **more)

    acts = {"fsync": "sync", "fdatasync": "sync", "pread": "read", "pwrite": "write", "ftruncate": "truncate"}
    for name, act in acts.items():
        patch.setattr(os, name, partial(noting, act, getattr(os, name)))
    patch.setattr(os, "setxattr", partial(setxattr, os.setxattr))
    patch.setattr(os, "removexattr", partial(removexattr, os.removexattr))
    patch.setattr(space, "punch", partial(noting, "punch", space.punch))
    patch.setattr(LIBC, "syncfs", partial(noting, "sync all", LIBC.syncfs))


def _state(descriptor: Any) -> str:
    try:
        return Pointer.decode(os.getxattr(descriptor, ATTRIBUTE)).state.name
    except OSError:
        return ""


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

    def removing(act: str, real: Callable[..., None], name: Any, *, dir_fd: int | None = None) -> None:
        real(name, dir_fd=dir_fd)
        if dir_fd is not None:
            recorder.of_name(act, (dir_fd, name), None)

    for name, wrapper in {"rename": rename, "link": link}.items():
        patch.setattr(os, name, partial(wrapper, getattr(os, name)))
    for name in ("unlink", "rmdir"):
        patch.setattr(os, name, partial(removing, name, getattr(os, name)))
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
    patch.setattr(failpoints, "_points", _Every())
    patch.setattr(failpoints, "_hits", {})
    patch.setattr(failpoints, "_act", lambda name, _: recorder.reach(name))
