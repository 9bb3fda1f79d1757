"""What an inode is now, in the planner's words."""

import contextlib
import errno
import os
import stat
from typing import Final, NamedTuple

from argosy.core.moments import modified_ns
from argosy.filesystems._posix.root import Spot, closing
from argosy.linux.identity import generation
from argosy.linux.openat2 import DIRECTORY, open_beneath
from argosy.linux.statx import statx
from argosy.sync.executor.attached import digest_of
from argosy.sync.planner.trees import Binding, Entry, Kind, Metadata, Version

LOOK: Final = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
READ: Final = os.O_RDONLY | os.O_NONBLOCK
_KINDS: Final = {stat.S_IFREG: Kind.FILE, stat.S_IFDIR: Kind.DIRECTORY, stat.S_IFLNK: Kind.SYMLINK}
_BITS: Final = 0o7777
NOT_THERE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})
"""What opening something beneath says where nothing, or something else, has one of the names."""


class Found(NamedTuple):
    """One look at an inode."""

    stat: os.stat_result
    born_ns: int

    @property
    def kind(self) -> Kind | None:
        """What it is; None: nothing that can be synced."""
        return _KINDS.get(stat.S_IFMT(self.stat.st_mode))

    @property
    def version(self) -> Version:
        """The version of its data, as a scan tells it."""
        size = 0 if self.kind is Kind.DIRECTORY else self.stat.st_size
        return Version(size, modified_ns(self.stat), self.stat.st_ctime_ns)

    @property
    def inode(self) -> tuple[int, int]:
        """Which inode it is, on the filesystem that it is on."""
        return self.stat.st_ino, self.born_ns

    def binding(self, like: Binding) -> Binding:
        """Return which inode it is, where another of the same side tells what its filesystem is called."""
        return like._replace(inode=self.stat.st_ino, born_ns=self.born_ns)


def names(directory: int) -> list[bytes]:
    """Return what an open directory holds now: on btrfs one that was opened before does not list what came since."""
    with closing(os.open(b".", DIRECTORY | os.O_CLOEXEC, dir_fd=directory)) as opened:
        return [os.fsencode(name) for name in os.listdir(opened)]


def look(spot: Spot) -> Found:
    """Return what the name stands for.

    Raises:
        FileNotFoundError: nothing.
    """
    with closing(os.open(spot.name, LOOK, dir_fd=spot.directory)) as opened:
        return look_at(opened)


def look_at(opened: int) -> Found:
    """Return what is open, with O_PATH at least."""
    found = os.fstat(opened)
    return Found(found, statx(opened).born_ns or _generation(opened))


def _generation(opened: int) -> int:
    """Return what stands for the time of birth where a filesystem keeps none; see `filesystems` and `binding_of`."""
    with contextlib.suppress(OSError), closing(os.open(b"/proc/self/fd/%d" % opened, READ | os.O_CLOEXEC)) as inode:
        return -generation(inode)
    return 0


def metadata(spot: Spot, found: Found) -> Metadata:
    """Return its metadata, with a digest of what is attached to it."""
    attached = None
    if found.kind is not Kind.SYMLINK:
        with closing(open_beneath(spot.directory, spot.name, READ)) as opened:
            attached = digest_of(opened)
    return Metadata(found.stat.st_mode & _BITS, found.stat.st_uid, found.stat.st_gid, attached)


def entry(
    spot: Spot, found: Found, *, top: Binding, directory: Binding, content: bytes | None, known: Metadata | None = None
) -> Entry:
    """Return it as a scan would tell it, but for its content. `known`: its metadata, if it is clear without a look."""
    if found.kind is None:
        raise ValueError(spot.name)
    return Entry(
        found.binding(top), directory, spot.name, found.kind, found.version, known or metadata(spot, found), content,
        found.stat.st_nlink,
    )  # fmt: skip
