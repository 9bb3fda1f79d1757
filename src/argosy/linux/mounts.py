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
    device = os.fstat(descriptor).st_dev
    numbers = b"%d:%d" % (os.major(device), os.minor(device))
    with open("/proc/self/mountinfo", "rb") as table:
        for line in table.read().splitlines():
            mount, _, filesystem = line.partition(b" - ")
            if mount.split(b" ")[2] == numbers:
                source = filesystem.split(b" ")[1]
                return os.fsdecode(_ESCAPED.sub(lambda found: bytes([int(found[1], 8)]), source))
    return None
