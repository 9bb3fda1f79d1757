"""What people may see and edit of change discovery: `.rotate` below a root.

The last-snap file of a fileset names the snapshot from which the next discovery finds what changed. The lock file is
there as long as one is under way. Both are told by name and number of the fileset.
"""

import contextlib
import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple, Self

from argosy.core.errors import Busy, Denied
from argosy.core.fileset import Fileset
from argosy.core.paths import ROTATE, display, join
from argosy.filesystems._posix.errors import translated
from argosy.filesystems._posix.root import Root, closing, make_private
from argosy.linux.openat2 import DIRECTORY, open_beneath
from argosy.linux.syncing import fsync

_LONGEST: Final = 4096
_AHEAD: Final = 60.0
"""Seconds by which clocks may differ."""
_LAST: Final = "ngenea-worker.lastsnap.name."
_LOCKED: Final = "SnapdiffLockError: Could not perform snapdiff as one is currently running for provided fileset"


class SnapdiffLockError(Busy):
    """Another discovery of what changed in the fileset is under way."""

    code = "snapdiff_locked"


class Held(NamedTuple):
    """Who holds the lock of a fileset."""

    by: str
    """What the file says: a task, mostly."""
    since_ns: int


class Rotate:
    """The files of one fileset there, and the directory, held open: a context manager."""

    def __init__(self, fileset: Fileset) -> None:
        self._name = fileset.name
        self._where = join(fileset.root, ROTATE)
        self._root = Root(fileset.root)
        self._numbered = f".id.{fileset.number}"
        self._last = f"{_LAST}{fileset.name}{self._numbered}"
        self._lock = f"snapdiff.name.{fileset.name}{self._numbered}.lock"

    def __enter__(self) -> Self:
        with translated(self._where), self._root.top(DIRECTORY) as top:
            self._directory = make_private(top, [ROTATE])
        found = os.fstat(self._directory)
        if found.st_uid != os.geteuid() or found.st_mode & 0o022:
            os.close(self._directory)
            where = display(self._where)
            raise Denied(f"{where}: others can write there, or made it: give it to the agent's user, with mode 0700")
        return self

    def __exit__(self, *error: object) -> None:
        os.close(self._directory)

    def peek(self) -> Held | None:
        """Return who holds the lock, without `with`; None for nobody. Nothing is made for that."""
        with (
            translated(self._where),
            contextlib.suppress(FileNotFoundError),
            self._root.top(DIRECTORY) as top,
            closing(open_beneath(top, ROTATE, DIRECTORY)) as self._directory,
        ):
            said = self._read(self._lock)
            if said is not None:
                since = os.stat(self._lock, dir_fd=self._directory, follow_symlinks=False).st_mtime_ns
                return Held(said.strip(), since)
        return None

    @property
    def last_file(self) -> str:
        """Path of the last-snap file, for messages."""
        return display(join(self._where, self._last.encode()))

    @property
    def lock_file(self) -> str:
        """Path of the lock file, for messages."""
        return display(join(self._where, self._lock.encode()))

    def last(self) -> str | None:
        """Return the name that the last-snap file holds; None where there is none, or it is empty."""
        said = self._read(self._last)
        return said.strip() or None if said is not None else None

    def inherit(self, is_there: Callable[[str], bool]) -> None:
        """Have the last-snap file be that of the name which the fileset had before, if it has none of its own."""
        if self._read(self._last) is not None:
            return
        with translated(self._where):
            names = sorted(os.listdir(self._directory))
        for name in names:
            if name.startswith(_LAST) and name.endswith(self._numbered):
                said = self._read(name)
                if said is not None and is_there(said.strip()):
                    with translated(self._where):
                        os.rename(name, self._last, src_dir_fd=self._directory, dst_dir_fd=self._directory)
                        fsync(self._directory)
                    return

    def record(self, snapshot: str) -> None:
        """Have the last-snap file hold the name, durably."""
        self._write(self._last, snapshot)

    def lock(self, holder: str, threshold: float) -> None:
        """Hold the lock from now on; whoever had it for longer than `threshold` seconds has it no more.

        Raises:
            SnapdiffLockError: another holds it.
        """
        with self._alone():
            other = self._held_by(threshold)
            if other is not None and other != holder:
                raise SnapdiffLockError(
                    f"{_LOCKED}: wait until it has ended; if none is, `argosy sync unlock {self._name}`, remove "
                    f"{self.lock_file}, or wait until the lock is older than the site's lock_threshold "
                    f"({threshold:.0f} seconds)"
                )
            self._write(self._lock, holder)

    def unlock(self, holder: str) -> None:
        """Let go of the lock, if it is the holder's."""
        with self._alone():
            said = self._read(self._lock)
            if said is not None and said.strip() == holder:
                with translated(self._where):
                    os.unlink(self._lock, dir_fd=self._directory)
                    fsync(self._directory)

    def _held_by(self, threshold: float) -> str | None:
        """Return who holds the lock; "" for somebody who does not say, None for nobody."""
        said = self._read(self._lock)
        if said is None:
            return None
        with translated(self._where):
            since = os.stat(self._lock, dir_fd=self._directory, follow_symlinks=False).st_mtime
            if since > time.time() + _AHEAD:  # by a clock that was wrong: it would never grow old
                os.utime(self._lock, dir_fd=self._directory, follow_symlinks=False)
        return None if time.time() - since > threshold else said.strip()

    @contextlib.contextmanager
    def idle(self, threshold: float) -> Iterator[None]:
        """Let no discovery begin meanwhile.

        Raises:
            SnapdiffLockError: one is under way.
        """
        with self._alone():
            if self._held_by(threshold) is not None:
                raise SnapdiffLockError(f"{_LOCKED}: wait until it has ended")
            yield

    def forget(self) -> None:
        """Remove the last-snap file, and what a discovery that is no more left here."""
        for name in (self._last, self._lock, f"{self._last}.part", f"{self._lock}.part"):
            with translated(self._where), contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=self._directory)
        with translated(self._where):
            fsync(self._directory)

    def _alone(self) -> "_Alone":
        return _Alone(self._directory)

    def _read(self, name: str) -> str | None:
        with translated(self._where), contextlib.suppress(FileNotFoundError):
            descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=self._directory)
            with closing(descriptor):
                if stat.S_ISREG(os.fstat(descriptor).st_mode):
                    return os.read(descriptor, _LONGEST).decode("utf-8", "replace")
                raise Denied(f"{display(join(self._where, name.encode()))}: is no regular file: remove it")
        return None

    def _write(self, name: str, content: str) -> None:
        part = name + ".part"
        with translated(join(self._where, name.encode())):
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
            with closing(os.open(part, flags, 0o600, dir_fd=self._directory)) as file:
                os.write(file, content.encode() + b"\n")
                fsync(file)
            os.rename(part, name, src_dir_fd=self._directory, dst_dir_fd=self._directory)
            fsync(self._directory)


class _Alone:
    """Only one at a time looks at the lock and changes it."""

    def __init__(self, directory: int) -> None:
        self._directory = directory

    def __enter__(self) -> None:
        fcntl.flock(self._directory, fcntl.LOCK_EX)

    def __exit__(self, *error: object) -> None:
        fcntl.flock(self._directory, fcntl.LOCK_UN)
