"""Reading files to know what they hold, and only those of which a plan must know it."""

import os
from typing import Final

from blake3 import blake3

from argosy.core.errors import Changed, Unsupported
from argosy.core.moments import modified_ns
from argosy.core.paths import display
from argosy.filesystems._posix.errors import translated
from argosy.filesystems._posix.seal import Seal
from argosy.linux.capabilities import SYS_ADMIN, effective
from argosy.linux.openat2 import open_beneath
from argosy.sync.planner.trees import Version

_CHUNK: Final = 1 << 20
_READ: Final = os.O_RDONLY | os.O_NONBLOCK


def hash_of(top: int, path: bytes, inode: int, version: Version) -> bytes:
    """Return the BLAKE3 of the file that lies at the path beneath the open top, which is still what a scan saw.

    Raises:
        NotFound, Denied: it is gone, or may not be read.
        Changed: it is not what was scanned, or did not stay it while it was read.
        Unsupported: it is a stub, whose bytes are in a store, or nobody but root can tell whether it is.
    """
    with translated(path):
        file = _opened(top, path)
        try:
            _check_whole(file, path)
            whole = blake3()
            while chunk := os.read(file, _CHUNK):
                whole.update(chunk)
            found = os.fstat(file)
        finally:
            os.close(file)
    if (found.st_ino, found.st_size, modified_ns(found), found.st_ctime_ns) != (inode, *version):
        raise Changed(f"{display(path)}: changed since it was scanned: plan again")
    return whole.digest()


def _opened(top: int, path: bytes) -> int:
    """Return a descriptor of the file; that it was read does not show in its atime, where we may see to that."""
    try:
        return open_beneath(top, path, _READ | os.O_NOATIME)
    except PermissionError:
        return open_beneath(top, path, _READ)


def _check_whole(file: int, path: bytes) -> None:
    if not effective(SYS_ADMIN) and _has_holes(file):
        raise Unsupported(
            f"{display(path)}: has holes, and may be a stub, which only root can tell: run this as root to compare it"
        )
    pointer = Seal().said(file)
    if pointer is not None and pointer.state.is_stub:
        raise Unsupported(
            f"{display(path)}: is a stub whose content is not known for certain: recall it, and plan again"
        )


def _has_holes(file: int) -> bool:
    size = os.fstat(file).st_size
    first = os.lseek(file, 0, os.SEEK_HOLE) if size else 0
    os.lseek(file, 0, os.SEEK_SET)
    return first < size
