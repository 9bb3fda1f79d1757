"""Every attribute below a root that points to an object, wherever Argosy or people may have put the file.

Files and directories get other names meanwhile: from where the walk has not been to where it has been already. Who
does that changes the ctime of both directories and of what gets the name, which nobody can set back. So what changed
during a walk is walked again, until nothing changes meanwhile.
"""

import errno
import os
import time
from collections.abc import Callable, Iterator
from typing import Final

from argosy.core.errors import Changed, Corrupt, Unsupported
from argosy.core.paths import PRIVATE, display, join
from argosy.core.pointer import Pointer
from argosy.filesystems._posix import walk
from argosy.filesystems._posix.errors import translated
from argosy.filesystems._posix.root import MOVING, STAGING, Root, Spot, closing
from argosy.filesystems._posix.seal import Forged, Seal
from argosy.filesystems.base import OnError, OnMet, Shelf
from argosy.linux.identity import filesystem_id, subvolume_id
from argosy.linux.openat2 import DIRECTORY

PASSES: Final = 10
"""Walks of what changed, at most."""
_SECOND: Final = 10**9
_SLACK: Final = _SECOND // 20
_COARSE: Final = 2 * _SECOND
"""By how many ns a ctime may lie before what the clock said; and where filesystems note whole seconds."""
_CLOCK: Final = b"clock"
_TOUCH: Final = os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_LOOK: Final = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_PLACES: Final = tuple(join(PRIVATE, name) for name in (STAGING, MOVING, *(shelf.encode() for shelf in Shelf)))


def every_pointer(root: Root, seal: Seal, met: OnMet, on_forged: OnError) -> Iterator[tuple[bytes, Pointer]]:
    """Yield each file that has an attribute, and what that says; some more than once, under several names.

    Whatever had one from the beginning to the end has been yielded, however often it changed its name.

    Raises:
        Changed: directories change too fast for that to be told.
    """
    began = _clock(root)
    with root.top(DIRECTORY) as top:
        yield from _Pass(root, top, seal, on_forged, since=None, met=_each_once(met)).pointers()
        for _ in range(PASSES):
            since, began = began, _clock(root)
            again = _Pass(root, top, seal, on_forged, since=_sure(since))
            yield from again.pointers()
            if not again.restless and began >= since:
                return
            time.sleep(2 * _slack(since) / _SECOND)  # else a change just before this pass counted in the next as well
    raise Changed(f"{display(root.path)} changes too fast to tell what its files point to: try again when it is calmer")


class _Pass:
    """One walk of everything, or of what changed since a time; afterwards it is known whether anything did."""

    def __init__(
        self, root: Root, top: int, seal: Seal, on_forged: OnError, *, since: int | None,
        met: Callable[[walk.Directory], None] = lambda _: None,
    ) -> None:  # fmt: skip
        self._root, self._top, self._seal, self._since = root, top, seal, since
        self._on_forged, self._met = on_forged, met
        self.restless = False

    def pointers(self) -> Iterator[tuple[bytes, Pointer]]:
        for place in (*_PLACES, b""):
            tree = walk.directories(self._top, place, shown=self._root.path, without=b"" if place else PRIVATE)
            for directory in tree:
                self._met(directory)
                if self._is_due(directory):
                    yield from self._in(directory)

    def _is_due(self, directory: walk.Directory) -> bool:
        """Say whether its files are to be looked at.

        Where names changed, a directory may have come from elsewhere, so all below is: not every filesystem changes
        the ctime of directories that change places.
        """
        young = self._since is not None and directory.ctime_ns >= self._since
        self.restless |= young
        directory.due = self._since is None or young or (directory.above is not None and directory.above.due)
        return directory.due

    def _in(self, directory: walk.Directory) -> Iterator[tuple[bytes, Pointer]]:
        at = join(self._root.path, directory.path)
        with translated(at):
            for name in directory.files():
                pointer = _said(Spot(directory.descriptor, name), join(at, name), self._seal, self._on_forged)
                if pointer is not None:
                    yield join(at, name), pointer


def _clock(root: Root) -> int:
    """Return what time it is by the clock that makes the ctimes of this filesystem."""
    try:
        with closing(root.private(_CLOCK)) as home, closing(os.open(_CLOCK, _TOUCH, 0o600, dir_fd=home)) as hand:
            os.utime(hand)
            return os.fstat(hand).st_ctime_ns
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
        return time.time_ns()  # nothing changes there


def _sure(clock: int) -> int:
    return clock - _slack(clock)


def _slack(clock: int) -> int:
    return _SLACK if clock % _SECOND else _COARSE


def _each_once(met: OnMet) -> Callable[[walk.Directory], None]:
    """Return what tells of the filesystems of directories, of each at its first."""
    devices: set[int] = set()

    def look(directory: walk.Directory) -> None:
        device = os.fstat(directory.descriptor).st_dev
        if device not in devices:
            devices.add(device)
            met(filesystem_id(directory.descriptor), subvolume_id(directory.descriptor))

    return look


def _said(spot: Spot, path: bytes, seal: Seal, on_forged: OnError) -> Pointer | None:
    """Read the attribute without opening the file: that might break a lease, or wait for one."""
    with translated(path):
        try:
            looked = os.open(spot.name, _LOOK, dir_fd=spot.directory)
        except FileNotFoundError:
            return None
        with closing(looked):
            try:
                return seal.said(b"/proc/self/fd/%d" % looked)
            except Forged as error:
                on_forged(path, Forged(f"{display(path)}: {error.message}"))
                return None
            except (Corrupt, Unsupported) as error:
                raise type(error)(f"{display(path)}: {error.message}") from error
