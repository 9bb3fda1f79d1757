"""Reports are on disk before they are sent, and stay until the hub has committed them."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from argosy.core import wire
from argosy.core.errors import ArgosyError
from argosy.core.report import Report

LIMIT = 1000
"""Reports a spool holds before the agent claims nothing more."""
_UNSENT = ".report"


class Spool:
    """The undelivered reports of one site, a file each."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for torn in directory.glob("*.tmp"):
            torn.unlink()

    def put(self, report: Report) -> Path:
        """Return the file that now holds the report, durably."""
        final = self._file(report.task, report.attempt)
        torn = final.with_suffix(".tmp")
        with torn.open("wb") as file:
            file.write(wire.pack(report))
            file.flush()
            os.fsync(file.fileno())
        torn.replace(final)
        self._sync()
        return final

    def of(self, task: str, attempt: int) -> tuple[Path, Report] | None:
        """Return the report of an attempt with its file, if it still waits. What cannot be read is set aside."""
        return self._read(self._file(task, attempt))

    def done(self, file: Path) -> None:
        """Forget a report that the hub has committed; losing this in a power cut only sends it twice."""
        file.unlink(missing_ok=True)

    def refuse(self, file: Path) -> None:
        """Set aside a report the hub will never take, so that it does not hold up the others."""
        self._set_aside(file, ".refused")

    def later(self, file: Path) -> None:
        """Put the report behind the others: what the hub does not take of it does not hold up those."""
        with suppress(FileNotFoundError):  # delivered meanwhile
            os.utime(file)

    def unsent(self) -> Iterator[tuple[Path, Report]]:
        """Yield the reports that wait, oldest first, those put off last. What cannot be read is set aside."""
        for file in sorted(self._directory.glob("*" + _UNSENT), key=_age):
            if (found := self._read(file)) is not None:
                yield found

    def full(self) -> bool:
        """Say whether so many wait that nothing more should be claimed."""
        return sum(1 for _ in self._directory.glob("*" + _UNSENT)) >= LIMIT

    def _file(self, task: str, attempt: int) -> Path:
        return self._directory / f"{task}.{attempt}{_UNSENT}"

    def _read(self, file: Path) -> tuple[Path, Report] | None:
        try:
            return file, wire.unpack(file.read_bytes(), Report)
        except FileNotFoundError:  # delivered meanwhile
            return None
        except ArgosyError:
            self._set_aside(file, ".unreadable")
            return None

    def _set_aside(self, file: Path, suffix: str) -> None:
        with suppress(FileNotFoundError):  # delivered meanwhile
            file.rename(file.with_suffix(suffix))

    def _sync(self) -> None:
        directory = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def _age(file: Path) -> int:
    """Return when the report was written or put off; 0 where it was delivered meanwhile."""
    try:
        return file.stat().st_mtime_ns
    except FileNotFoundError:
        return 0
