"""Waiting for the disk, for many changes at once."""

import os

from argosy.linux.syncing import fsync


class Unsynced:
    """What has changed and may not be on the disk yet."""

    def __init__(self) -> None:
        self._open: dict[tuple[int, int], int] = {}

    def add(self, *descriptors: int) -> None:
        """Wait for these directories or files too; they may be closed."""
        for descriptor in descriptors:
            found = os.fstat(descriptor)
            key = found.st_dev, found.st_ino
            if key not in self._open:
                self._open[key] = os.dup(descriptor)

    def __len__(self) -> int:
        return len(self._open)

    def sync(self) -> None:
        """Return when all is on the disk: bytes and names.

        Raises:
            OSError: not all could be written.
        """
        for descriptor in self._open.values():
            fsync(descriptor)
        self.forget()

    def forget(self) -> None:
        """Wait for nothing."""
        while self._open:
            os.close(self._open.popitem()[1])
