"""Every attribute below a root that points to an object, wherever Argosy or people may have put the file.

Files and directories get other names meanwhile: from where the walk has not been to where it has been already. Who
does that changes the ctime of both directories, which nobody can set back. So what changed during a walk is walked
again. Two things can be said in the end:

* A pass was *still*: none of its directories had changed since the pass before began, none while its names were read,
  and each was opened as what it was listed as. Then the tree was, at the moment when that pass began, as it was read:
  see `walk.directories` for why it came everywhere, and what had not changed was read by the pass before at the latest.
* In a tree that never is, whatever was given another name once at most, itself or a directory above it, while the
  passes went on, was met: the directory that it came to has changed since the first pass began, so the second reads
  that, and of what it finds below whatever the first had not visited.
"""

import errno
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Final, NamedTuple, Self

from argosy.core.errors import Changed, Corrupt, Unsupported
from argosy.core.numbers import Numbers
from argosy.core.paths import PRIVATE, below, display, join
from argosy.core.pointer import Binding, Pointer, brief, same_filesystem
from argosy.filesystems._posix import walk
from argosy.filesystems._posix.entry import binding_at
from argosy.filesystems._posix.errors import translated
from argosy.filesystems._posix.root import MOVING, STAGING, SYNC, Root, Spot, closing
from argosy.filesystems._posix.seal import Forged, Seal
from argosy.filesystems.base import Held, OnError, Pointed, Shelf, Unmarked
from argosy.linux.capabilities import DAC_READ_SEARCH, effective
from argosy.linux.handles import are_lasting, handle_of, open_handle
from argosy.linux.identity import filesystem_id, subvolume_id
from argosy.linux.mounts import mount_points
from argosy.linux.openat2 import DIRECTORY
from argosy.linux.statx import statx

PASSES: Final = 10
"""Walks of what changed, at most."""
_SECOND: Final = 10**9
_SLACK: Final = _SECOND // 20
_COARSE: Final = 2 * _SECOND
"""By how many ns a ctime may lie before what the clock said; and where filesystems note whole seconds."""
_CLOCK: Final = b"clock"
_TOUCH: Final = os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_LOOK: Final = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_PLACES: Final = tuple(join(PRIVATE, name) for name in (STAGING, MOVING, SYNC, *(shelf.encode() for shelf in Shelf)))


def every_pointer(root: Root, seal: Seal, on_forged: OnError) -> Iterator[Pointed]:
    """Yield each file that has an attribute, and what that says; some more than once, under several names.

    Whatever had one from the beginning to the end has been yielded, however often it changed its name.

    Raises:
        Changed: directories change too fast for that to be told.
    """
    with PointerWalk(root, seal, on_forged) as passes:
        for _ in range(PASSES + 1):
            passes.begin()
            for found in passes.pointers(Numbers(), Numbers()):
                if isinstance(found, Pointed):
                    yield found
            if passes.is_still:
                return
            time.sleep(passes.pause)
        raise Changed(
            f"{display(root.path)} changes too fast to tell what its files point to (last seen to change: "
            f"{display(passes.changed)}): try again when it is calmer"
        )


class _Device(NamedTuple):
    """A filesystem, or a subvolume of one, that a walk came to."""

    descriptor: int
    """A directory of it, held open: no other filesystem has its number meanwhile, but another subvolume may."""
    place: tuple[bytes, int]
    lasting: bool


class PointerWalk:
    """`argosy.filesystems.base.PointerWalk` of any Linux filesystem."""

    def __init__(self, root: Root, seal: Seal, on_forged: OnError) -> None:
        self._root, self._seal, self._on_forged = root, seal, on_forged
        self._top = -1
        self._handles = effective(DAC_READ_SEARCH)
        self._devices: dict[tuple[int, int], _Device] = {}
        self._first: int | None = None
        self._since: int | None = None
        self._began: int | None = None
        self._seen, self._before, self._now = Numbers(), Numbers(), Numbers()
        """Directories visited in any pass before this, in the one before it, and in this one."""
        self.changed = b""
        self.strange = b""

    def __enter__(self) -> Self:
        """Hold the root open, and what is mounted below it."""
        with translated(self._root.path):
            self._top = self._root.open(DIRECTORY)
            self._device_of(self._top)
            for point in mount_points() if self._handles else ():
                if below(point, os.path.realpath(self._root.path)):
                    with suppress(OSError), closing(os.open(point, DIRECTORY | os.O_CLOEXEC)) as directory:
                        self._device_of(directory)
        return self

    def __exit__(self, *error: object) -> None:
        """Let go of it, and of the filesystems that were met."""
        os.close(self._top)
        for device in self._devices.values():
            os.close(device.descriptor)
        self._devices = {}

    @property
    def is_still(self) -> bool:
        """Say whether nothing moved."""
        if self._since is None or self._began is None:
            return False
        return not self.changed and self._began >= self._since

    @property
    def met(self) -> set[tuple[bytes, int]]:
        """Return filesystem and subvolume of every directory so far."""
        return {device.place for device in self._devices.values()}

    @property
    def lasting(self) -> set[bytes]:
        """Return the filesystems on which files are found by their handles."""
        met = [device for device in self._devices.values() if self._handles]
        return {device.place[0] for device in met} - {device.place[0] for device in met if not device.lasting}

    def begin(self) -> None:
        """Note the time by the filesystem's clock."""
        with translated(self._root.path):
            self._since, self._began = self._began, _clock(self._root)
        self._first = self._began if self._first is None else self._first
        self._seen.update(self._now)
        self._before, self._now = self._now, Numbers()
        self.changed = self.strange = b""

    def pointers(self, known: Numbers, left: Numbers) -> Iterator[Pointed | Unmarked]:
        """Yield what points to an object, of the directories that changed since the last pass began."""
        for place in (*_PLACES, b""):
            without = b"" if place else PRIVATE
            for directory in walk.directories(self._top, place, self, shown=self._root.path, without=without):
                device = self._device_of(directory.descriptor)
                if self._is_due(directory):
                    yield from self._in(directory, device, known, left)
                self._now.add(*directory.inode)

    @property
    def pause(self) -> float:
        """Return how long what changed just before this pass would count in the next as well."""
        return 2 * _slack(self._began or 0) / _SECOND

    def find(self, filesystem: bytes, handle: bytes) -> Held | None:
        """Return what the inode says now, wherever it lies; None where it is no more."""
        for device in self._holders(filesystem):
            with translated(self._root.path):
                try:
                    descriptor = open_handle(handle, device.descriptor, _LOOK)
                except OSError as error:
                    if error.errno != errno.ESTALE:
                        raise
                    continue
            with closing(descriptor):
                path = os.readlink(b"/proc/self/fd/%d" % descriptor)
                with translated(path):
                    return Held(path, self._said(descriptor, path))
        return None

    def _holders(self, filesystem: bytes) -> list[_Device]:
        """Return what to open a handle by: one of btrfs's subvolumes is as good as the other, of two disks both are."""
        devices = [device for device in self._devices.values() if device.place[0] == filesystem]
        return devices[:1] if any(device.place[1] for device in devices) else devices

    def elsewhere(self, path: bytes, what: walk.Inode) -> None:
        """Take note of a directory that had gone when it was to be opened."""
        self.changed = join(self._root.path, path)
        if not self._seen.holds(*what):
            self.strange = self.changed

    def renamed(self, path: bytes) -> None:
        """Take note of a directory that changed while it was read."""
        self.changed = join(self._root.path, path)

    def _is_due(self, directory: walk.Directory) -> bool:
        """Say whether its files are to be looked at: not, if the pass before visited it and nothing changed since."""
        if self._since is None:
            return True
        young = directory.ctime_ns >= _sure(self._since)
        new = not self._before.holds(*directory.inode)
        if young or new:
            self.changed = join(self._root.path, directory.path)
        if new and not self._seen.holds(*directory.inode) and statx(directory.descriptor).born_ns <= (self._first or 0):
            self.strange = self.changed
        return young or new

    def _device_of(self, directory: int) -> _Device:
        number = os.fstat(directory).st_dev, subvolume_id(directory)
        if number not in self._devices:
            descriptor = os.dup(directory)
            try:
                place = (filesystem_id(descriptor), number[1])
                self._devices[number] = _Device(descriptor, place, are_lasting(descriptor))
            except BaseException:
                os.close(descriptor)
                raise
        return self._devices[number]

    def _in(
        self, directory: walk.Directory, device: _Device, known: Numbers, left: Numbers
    ) -> Iterator[Pointed | Unmarked]:
        at, called = join(self._root.path, directory.path), (brief(device.place[0]), device.place[1])
        with translated(at):
            for name, inode in directory.files():
                spot = Spot(directory.descriptor, name)
                if known.holds(device.place, inode) and self._is_old(spot, inode):
                    continue
                found = self._look(spot, join(at, name), device, inode, was_left=left.holds(called, inode))
                if found is not None:
                    yield found

    def _is_old(self, spot: Spot, inode: int) -> bool:
        """Say whether it is the inode that had this number before the first pass: such numbers are given out again."""
        with suppress(FileNotFoundError):
            found = spot.stat()
            return found.st_ino == inode and found.st_ctime_ns < _sure(self._first or 0)
        return True

    def _look(
        self, spot: Spot, path: bytes, device: _Device, inode: int, *, was_left: bool
    ) -> Pointed | Unmarked | None:
        """Read the attribute without opening the file: that might break a lease, or wait for one."""
        with translated(path):
            try:
                looked = os.open(spot.name, _LOOK, dir_fd=spot.directory)
            except FileNotFoundError:
                return None
            with closing(looked):
                pointer = self._said(looked, path)
                if pointer is None and not was_left:
                    return None
                handle = handle_of(looked) if self._handles and device.lasting else b""
                if pointer is None:
                    return Unmarked(path, binding_at(looked, device.place), handle)
                return Pointed(path, pointer, _own(pointer, looked, device, inode), handle)

    def _said(self, looked: int, path: bytes) -> Pointer | None:
        try:
            return self._seal.said(b"/proc/self/fd/%d" % looked)
        except Forged as error:
            self._on_forged(path, Forged(f"{display(path)}: {error.message}"))
            return None
        except (Corrupt, Unsupported) as error:
            raise type(error)(f"{display(path)}: {error.message}") from error


def _own(pointer: Pointer, looked: int, device: _Device, inode: int) -> Binding:
    """Return which inode has the attribute: the one that it tells of, unless it is a copy."""
    told = pointer.binding
    filesystem, subvolume = device.place
    if (told.subvolume, told.inode) == (subvolume, inode) and same_filesystem(told.filesystem, filesystem):
        return told
    return binding_at(looked, device.place)


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
