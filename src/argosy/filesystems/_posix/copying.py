"""A copy of its own for what has further names: what is kept must not change with what is written under those.

It is made in staging, dressed and on the disk before anything is taken from its name. Where the filesystem can, it
shares the blocks. Further names that go or come in the same go become further names of the copy; see `twins`.
"""

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import msgspec

from argosy.core.entry import ACLS, Entry
from argosy.core.errors import ArgosyError, Changed
from argosy.core.failpoints import failpoint
from argosy.core.faults import DiskFull, QuotaUsedUp
from argosy.core.paths import display
from argosy.filesystems._posix import inode, opening, twins
from argosy.filesystems._posix.entry import binding_of, same
from argosy.filesystems._posix.projects import bring
from argosy.filesystems._posix.root import STAGING, Root, Spot, closing, fresh_name
from argosy.filesystems._posix.seal import is_ours
from argosy.linux.cloning import fill, same_bytes
from argosy.linux.projects import assign, project
from argosy.linux.rename import noreplace
from argosy.linux.syncing import fsync

BACK: Final = "back"
"""The go of all that comes back from shelves."""
_MAKING: Final = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FULL: Final = {errno.ENOSPC: (DiskFull, "the disk has"), errno.EDQUOT: (QuotaUsedUp, "the quota leaves")}


class Copy:
    """What stands for a name of a file with others: in staging, until it is given its place."""

    def __init__(self, key: twins.Key | None, source: int, spot: Spot) -> None:
        self._key, self._source = key, source
        self.spot = spot
        self.inode = spot.stat().st_ino

    def expect(self, seen: Entry) -> None:
        """Return where the file, which has lost its name, still is what was seen and copied.

        Raises:
            Changed: it was written to under another name meanwhile.
        """
        if not same(self.left(), seen):
            raise _changed(seen.path)

    def give(self, place: Spot) -> None:
        """Give it its place, durably."""
        bring(noreplace, self.spot, place)
        fsync(place.directory)

    def beside(self, seen: Entry) -> Spot:
        """Return a name in staging for the file itself, which a sweep removes if others can still reach it."""
        return Spot(self.spot.directory, b"%s.%x.%x" % (self.spot.name, self.inode, seen.inode))

    def remember(self, place: Spot) -> None:
        """Have other names of the file find it at its place, once the file has lost this one."""
        if self._key is not None:
            twins.remember(self._key, self._source, place)

    def left(self) -> os.stat_result:
        """Return what the file is now."""
        return os.fstat(self._source)


@contextmanager
def copied(root: Root, spot: Spot, path: bytes, *, together: str = "") -> Iterator[Copy | None]:
    """Have a copy of a file with further names; None of what has none, or is no file. One that was not given goes.

    `together`: the go in which other names of it may have been copied before; then that copy stands for this one, too.

    Raises:
        Exhausted: there is no room for it.
        Changed: the file was written to meanwhile.
    """
    found = _stat(spot)
    key = None if found is None or not together else (root.path, together, found.st_ino)
    if found is None or (source := _opened(spot, path, found, known=twins.is_known(key))) is None:
        yield None
        return
    with (
        closing(source),
        twins.turn(key),
        closing(root.private(STAGING)) as staging,
    ):
        made = Spot(staging, fresh_name())
        try:
            yield Copy(key, source, made) if _stands_for(root, key, source, made, path) else None
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(made.name, dir_fd=made.directory)


def _opened(spot: Spot, path: bytes, found: os.stat_result, *, known: bool) -> int | None:
    """Open what has further names, or is known to have had some, if it can be opened; None: it has none."""
    if not stat.S_ISREG(found.st_mode) or (found.st_nlink == 1 and not known):
        return None
    try:
        return opening.regular(spot, path, os.O_RDONLY, found.st_ino)
    except (OSError, ArgosyError):
        if found.st_nlink > 1:
            raise
        return None


def _stands_for(root: Root, key: twins.Key | None, source: int, made: Spot, path: bytes) -> bool:
    """Have a copy stand for a name of the open file, if it has others or had others before; say whether there is."""
    if twins.link(key, source, made):
        return True
    if os.fstat(source).st_nlink == 1:
        return False
    _make(root, made, source, path)
    return True


def separate(root: Root, spot: Spot, path: bytes) -> None:
    """Have what lies on a shelf be a file of its own: nothing that others can reach.

    Raises:
        Exhausted: it has further names, and there is no room for a copy.
    """
    with copied(root, spot, path) as copy:
        if copy is not None:
            bring(_rename, copy.spot, spot)
            fsync(spot.directory)


def _rename(source: int, name: bytes, target: int, new: bytes) -> None:
    os.rename(name, new, src_dir_fd=source, dst_dir_fd=target)


def _stat(spot: Spot) -> os.stat_result | None:
    with contextlib.suppress(FileNotFoundError):
        return spot.stat()
    return None


def _make(root: Root, made: Spot, source: int, path: bytes) -> None:
    before = os.fstat(source)
    try:
        with closing(os.open(made.name, _MAKING, 0o600, dir_fd=made.directory)) as copy:
            assign(copy, project(source))
            bits = inode.give_away(copy, inode.of_stat(before))
            fill(source, copy)
            _attach(root, source, copy)
            os.fchmod(copy, before.st_mode & bits)
            os.utime(copy, ns=(before.st_atime_ns, before.st_mtime_ns))
            fsync(copy)
            _expect_unwritten(source, before, copy, path)
    except OSError as error:
        if error.errno not in _FULL:
            raise
        kind, has = _FULL[error.errno]
        needs = f"has {before.st_nlink} names, so that a copy is needed for this one, of {before.st_size} bytes"
        raise kind(
            f"{display(path)}: {needs}, and {has} no room for it; it was left as it is: free some space, with "
            "`argosy trash purge` for one"
        ) from error
    failpoint("hsm:stage")


def _attach(root: Root, source: int, copy: int) -> None:
    """Give it the extended attributes; what ours tells of the file holds for the copy as well.

    Those that only the system writes are given where that can be.
    """
    for name in map(os.fsencode, _names(source)):
        needed = name.startswith(b"user.") or name in ACLS or is_ours(name)
        try:
            os.setxattr(copy, name, os.getxattr(source, name))
        except OSError:
            if needed:
                raise
    pointer = None
    with contextlib.suppress(ArgosyError):  # nobody can read it: it is copied as it is
        pointer = root.seal.read(source, binding_of(source))
    if pointer is not None:
        root.seal.write(copy, msgspec.structs.replace(pointer, binding=binding_of(copy)))


def _names(source: int) -> list[str]:
    try:
        return os.listxattr(source)
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
        return []


def _expect_unwritten(source: int, before: os.stat_result, copy: int, path: bytes) -> None:
    """Return where the copy is what the file is. Its ctime alone changes with each name that it gets or loses."""
    now = os.fstat(source)
    if (now.st_size, now.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise _changed(path)
    if now.st_ctime_ns != before.st_ctime_ns and not same_bytes(source, copy):
        raise _changed(path)


def _changed(path: bytes) -> Changed:
    return Changed(f"{display(path)}: was changed while it was copied, for it has further names; it was left as it is")
