"""Reading files to know what they hold, and only those of which a plan must know it."""

import os
from typing import Final

from blake3 import blake3

from argosy.core.errors import Changed, Unsupported
from argosy.core.paths import display
from argosy.filesystems._posix.errors import translated
from argosy.filesystems._posix.seal import Seal
from argosy.linux.openat2 import open_beneath
from argosy.sync.planner.trees import Version

_CHUNK: Final = 1 << 20
_READ: Final = os.O_RDONLY | os.O_NONBLOCK


def hash_of(top: int, path: bytes, inode: int, version: Version) -> bytes:
    """Return the BLAKE3 of the file that lies at the path beneath the open top, which is still what a scan saw.

    Raises:
        NotFound, Denied: it is gone, or may not be read.
        Changed: it is not what was scanned, or did not stay it while it was read.
        Unsupported: it is a stub, whose bytes are in a store.
    """
    with translated(path):
        file = open_beneath(top, path, _READ)
        try:
            _check_whole(file, path)
            whole = blake3()
            while chunk := os.read(file, _CHUNK):
                whole.update(chunk)
            found = os.fstat(file)
        finally:
            os.close(file)
    if (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns) != (inode, *version):
        raise Changed(f"{display(path)}: changed since it was scanned: plan again")
    return whole.digest()


def _check_whole(file: int, path: bytes) -> None:
    pointer = Seal().said(file)
    if pointer is not None and pointer.state.is_stub:
        raise Unsupported(
            f"{display(path)}: is a stub whose content is not known for certain: recall it, and plan again"
        )
