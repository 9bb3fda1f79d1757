"""Giving and swapping names atomically, between directory descriptors. All raise OSError.

Symlinks are never followed.
"""

import ctypes
import errno
import os
import stat
from typing import Final

from argosy.linux.libc import LIBC, checked

_NOREPLACE: Final = 1
_EXCHANGE: Final = 2
_UNKNOWN: Final = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP}


def noreplace(source: int, name: bytes, target: int, new: bytes) -> None:
    """Move `name` in `source` to `new` in `target`; EEXIST where that is taken."""
    try:
        _renameat2(source, name, target, new, _NOREPLACE)
    except OSError as error:
        if error.errno not in _UNKNOWN:
            raise
        noreplace_by_link(source, name, target, new)


def exchange(one: int, name: bytes, other: int, other_name: bytes) -> None:
    """Swap what two names stand for; EOPNOTSUPP where the filesystem cannot."""
    try:
        _renameat2(one, name, other, other_name, _EXCHANGE)
    except OSError as error:
        if error.errno not in _UNKNOWN:
            raise
        raise OSError(errno.EOPNOTSUPP, "the filesystem cannot exchange two names") from error


def noreplace_by_link(source: int, name: bytes, target: int, new: bytes) -> None:
    """Do as `noreplace` does where the filesystem (NFS, say) knows no such flag; killed half way, both names stay.

    A directory, which cannot be linked, takes the place of an empty one: nothing but that one's attributes is lost.
    """
    if stat.S_ISDIR(os.stat(name, dir_fd=source, follow_symlinks=False).st_mode):
        os.rename(name, new, src_dir_fd=source, dst_dir_fd=target)
        return
    os.link(name, new, src_dir_fd=source, dst_dir_fd=target, follow_symlinks=False)
    os.unlink(name, dir_fd=source)


def _renameat2(source: int, name: bytes, target: int, new: bytes, flags: int) -> None:
    checked(LIBC.renameat2(source, ctypes.c_char_p(name), target, ctypes.c_char_p(new), ctypes.c_uint(flags)))
