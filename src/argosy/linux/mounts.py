"""What is mounted where."""

import re
from collections.abc import Iterator
from typing import Final

_ESCAPED: Final = re.compile(rb"\\([0-7]{3})")


def mount_points() -> Iterator[bytes]:
    """Yield the mount points that this process sees, as absolute paths."""
    with open("/proc/self/mountinfo", "rb") as table:
        for line in table.read().splitlines():
            yield _ESCAPED.sub(lambda found: bytes([int(found[1], 8)]), line.split(b" ")[4])
