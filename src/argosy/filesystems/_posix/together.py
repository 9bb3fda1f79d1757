"""Many small files of one filesystem brought to its disk at once, where that takes less than one after another."""

import contextlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from argosy.core.errors import ArgosyError
from argosy.filesystems._posix.root import Root, Spot
from argosy.linux.openat2 import DIRECTORY
from argosy.linux.syncing import is_better_at_once, syncfs


def sent(descriptor: int, others: Iterable[int]) -> bool:
    """Say whether the filesystem of all of these was synced, as `Syncing.sync_with` tells.

    The first is to be open for more than its path.
    """
    try:
        device = os.fstat(descriptor).st_dev
        if any(os.fstat(other).st_dev != device for other in others) or not is_better_at_once(descriptor):
            return False
        syncfs(descriptor)
    except OSError:  # which of them it is about the sync of each tells
        return False
    return True


@dataclass(frozen=True, slots=True)
class Name:
    """A name that something was given, to be made durable."""

    root: Root
    path: bytes

    def sync_with(self, others: Sequence["Name"]) -> bool:
        """Say whether the filesystem of this name and the others was synced; not, where one of them is not there."""
        opened: dict[tuple[Root, bytes], Spot] = {}
        with contextlib.ExitStack() as held:
            try:
                for name in (self, *others):
                    parent, _, last = name.path.rpartition(b"/")
                    if (name.root, parent) not in opened:
                        opened[name.root, parent] = held.enter_context(name.root.spot(name.path, DIRECTORY))
                    os.stat(last, dir_fd=opened[name.root, parent].directory, follow_symlinks=False)
            except (ArgosyError, OSError):
                return False
            first, *rest = (spot.directory for spot in opened.values())
            return sent(first, rest)
