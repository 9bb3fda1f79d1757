"""Waiting for the disk, for all of a filesystem at once."""

from argosy.linux.libc import LIBC, checked


def syncfs(descriptor: int) -> None:
    """Return when all that was written to the filesystem of an open directory or file is on its disk.

    Raises:
        OSError: not all of it could be written.
    """
    checked(LIBC.syncfs(descriptor))
