"""Whether the clock of this machine can be believed: it may be set wrong, for a moment or since the machine started.

What is removed for its age is lost if the clock is wrong once. So a time is believed when the clock has gone as that of
the kernel, which nobody sets, since a look an hour ago. And what comes to a shelf while the clock is behind is not
noted as older than the last time that was believed.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from argosy.agent.roots import write_durably
from argosy.core.errors import ArgosyError
from argosy.filesystems import ids

STEADY: Final = 3600 * 10**9
"""How long, in ns, the clock has to go as the kernel's does."""
_SLACK: Final = 86_400 * 10**9
"""By how many ns it may differ meanwhile: clocks are corrected."""


def _since_boot() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class Clock:
    """The clock of a site's agent; `file` keeps the last time that was believed."""

    def __init__(
        self, file: Path, *, wall: Callable[[], int] = time.time_ns, since_boot: Callable[[], int] = _since_boot
    ) -> None:
        self._file = file
        self._wall = wall
        self._since_boot = since_boot
        self._first: tuple[int, int] | None = None
        """What both clocks said when the one was last found not to go as the other."""
        ids.not_before(self._believed())

    def believed(self) -> int | None:
        """Return what time it is, ns since 1970; None where the clock cannot be believed yet."""
        wall, since_boot = self._wall(), self._since_boot()
        if self._first is None or abs((wall - self._first[0]) - (since_boot - self._first[1])) > _SLACK:
            self._first = (wall, since_boot)
        if since_boot - self._first[1] < STEADY:
            return None
        self._believe(wall)
        return wall

    def _believed(self) -> int:
        try:
            return int(self._file.read_text())
        except (OSError, ValueError):
            return 0

    def _believe(self, wall: int) -> None:
        ids.not_before(wall)
        with suppress(ArgosyError):  # the disk is full: it is noted in an hour
            write_durably(self._file, str(wall).encode())
