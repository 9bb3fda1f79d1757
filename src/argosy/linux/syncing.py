"""Waiting for the disk; others have the turn meanwhile."""

import os

from argosy.core.turns import left
from argosy.linux.libc import LIBC, checked


def fsync(descriptor: int) -> None:
    """Return when what was written to an open file, or the names in an open directory, are on the disk.

    Raises:
        OSError: not all of it could be written.
    """
    with left():
        os.fsync(descriptor)


def syncfs(descriptor: int) -> None:
    """Return when all that was written to the filesystem of an open directory or file is on its disk.

    Raises:
        OSError: not all of it could be written.
    """
    with left():
        checked(LIBC.syncfs(descriptor))
