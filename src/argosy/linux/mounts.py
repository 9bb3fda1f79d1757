"""What is mounted where."""

import os
import re
from collections.abc import Iterator
from typing import Final

_ESCAPED: Final = re.compile(rb"\\([0-7]{3})")


def mount_points() -> Iterator[bytes]:
    """Yield the mount points that this process sees, as absolute paths."""
    with open("/proc/self/mountinfo", "rb") as table:
        for line in table.read().splitlines():
            yield _ESCAPED.sub(lambda found: bytes([int(found[1], 8)]), line.split(b" ")[4])


def source_of(descriptor: int) -> str | None:
    """Return what is mounted where an open file or directory lies, as the mount table names it; None if it does not."""
    found = mounted(descriptor)
    return None if found is None else os.fsdecode(_ESCAPED.sub(lambda said: bytes([int(said[1], 8)]), found[1]))


def type_of(descriptor: int) -> str:
    """Return what kind of filesystem an open file or directory lies on, as the mount table names it; "" if it does not.

    A subvolume of btrfs has a device number of its own, which no mount has.
    """
    found = mounted(descriptor)
    return "" if found is None else os.fsdecode(found[0])


def mounted(descriptor: int) -> list[bytes] | None:
    """Return type, source and options of what is mounted where something open lies; None if it is not known."""
    device = os.fstat(descriptor).st_dev
    numbers = b"%d:%d" % (os.major(device), os.minor(device))
    with open("/proc/self/mountinfo", "rb") as table:
        for line in table.read().splitlines():
            mount, _, filesystem = line.partition(b" - ")
            if mount.split(b" ")[2] == numbers:
                return filesystem.split(b" ")
    return None
