"""Errors of the system, as ours; each names the path and the remedy."""

import errno
import os
from typing import Final

from argosy.core.errors import (
    ArgosyError,
    Busy,
    Changed,
    Exists,
    Invalid,
    NotFound,
    Unavailable,
    Unsupported,
)
from argosy.core.faults import (
    BehindSymlink,
    DiskBroken,
    DiskFull,
    LimitReached,
    NoAccess,
    NotEmpty,
    NotPermitted,
    OtherFilesystem,
    QuotaUsedUp,
    ReadOnly,
)
from argosy.core.paths import display

ERRNO: Final[dict[int, tuple[type[ArgosyError], str]]] = {
    errno.ENOENT: (NotFound, "no such file or directory"),
    errno.ENOTDIR: (NotFound, "something among its parents is not a directory"),
    errno.EACCES: (NoAccess, "permission denied: run the agent as root, or grant its user access"),
    errno.EPERM: (NotPermitted, "not permitted: run the agent as root, and look for immutable or append-only marks"),
    errno.EROFS: (ReadOnly, "the filesystem is mounted read-only"),
    errno.ELOOP: (BehindSymlink, "a symlink stands among its directories: name the path it leads to"),
    errno.EEXIST: (Exists, "the name is taken"),
    errno.ENOTEMPTY: (NotEmpty, "the name is taken by a directory that is not empty"),
    errno.ENOSPC: (DiskFull, "the disk is full: free some space, with `argosy trash purge` for one"),
    errno.EDQUOT: (QuotaUsedUp, "the quota is used up: raise it or free some space"),
    errno.EFBIG: (LimitReached, "larger than a file may be here"),
    errno.EMLINK: (LimitReached, "has as many links as the filesystem allows"),
    errno.EMFILE: (LimitReached, "this process has too many open files: raise its limit (ulimit -n)"),
    errno.ENFILE: (LimitReached, "this machine has too many open files: raise fs.file-max"),
    errno.EBUSY: (Busy, "is in use"),
    errno.ETXTBSY: (Busy, "is a program that runs"),
    errno.EAGAIN: (Busy, "is in use by somebody who holds a lease or a lock"),
    errno.EIO: (DiskBroken, "the disk cannot read or write it: look at the kernel's log"),
    errno.ENODATA: (Changed, "its attributes changed meanwhile"),
    errno.ENAMETOOLONG: (Invalid, "a name in it is longer than the filesystem allows (255 bytes): shorten it"),
    errno.EINVAL: (Invalid, "the filesystem does not accept it"),
    errno.EILSEQ: (Invalid, "the filesystem does not accept the bytes of its name"),
    errno.EISDIR: (Invalid, "is a directory"),
    errno.ENXIO: (Invalid, "is not a regular file"),
    errno.EXDEV: (
        OtherFilesystem,
        "lies on another filesystem or subvolume than its root: have the site's roots name its top, and in the place "
        "of a root that holds it the directories beside it",
    ),
    errno.EOPNOTSUPP: (Unsupported, "the filesystem lacks what this needs"),
    errno.ENOSYS: (Unsupported, "the kernel lacks what this needs"),
    errno.E2BIG: (Unsupported, "its attributes are larger than the filesystem can hold"),
    errno.ERANGE: (Unsupported, "its attributes are larger than the filesystem can hold"),
}


def ours(path: bytes, error: OSError) -> ArgosyError:
    """Return what the error means for the path."""
    number = error.errno or 0
    kind, meaning = ERRNO.get(number, (Unavailable, os.strerror(number)))
    return kind(f"{display(path)}: {meaning}")


class translated:  # noqa: N801 - used as a statement; a class, because a generator costs three times as much
    """Turn the OSErrors of the block into ours, naming the path."""

    __slots__ = ("_path",)

    def __init__(self, path: bytes) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            raise ours(self._path, error) from error
