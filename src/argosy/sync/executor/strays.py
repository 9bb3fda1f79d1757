"""What was parked and could not come to its new name: it comes home, and then what became of it is told."""

import contextlib
import os
from collections.abc import Iterator

import msgspec

from argosy.core.errors import ArgosyError
from argosy.sync.executor import seeing
from argosy.sync.executor.homecoming import Home, bring_home
from argosy.sync.executor.journal import Journal
from argosy.sync.executor.outcomes import Outcome
from argosy.sync.executor.run import Run, parked_name
from argosy.sync.planner.plans import Act, Operation


class Strays:
    """By object, what is to be told of each when it is home."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._outcomes: dict[str, Outcome] = {}

    def take(self, operation: Operation, outcome: Outcome) -> bool:
        """Have this told later, if the thing is parked still; say whether it is."""
        parked = operation.act is Act.UNPARK and _exists(self._run.area.parked, parked_name(operation.object))
        if parked:
            self._outcomes[operation.object] = outcome
        return parked

    def homes(self, journal: Journal) -> Iterator[Outcome]:
        """Bring home what is parked still, and tell where it is."""
        if seeing.names(self._run.area.parked):
            self._run.check()
            for came in bring_home(self._run.area, journal.parkings):
                identity = came.parking.object if isinstance(came, Home) else came.object
                outcome = self._outcomes.pop(identity, None)
                if outcome is not None:
                    yield self._told(outcome, came) if isinstance(came, Home) else outcome
        yield from self._outcomes.values()

    def _told(self, outcome: Outcome, home: Home) -> Outcome:
        """Return the outcome with what is seen of it at home."""
        run, parking = self._run, home.parking
        directory = run.area.binding._replace(inode=home.directory[0], born_ns=home.directory[1])
        with contextlib.suppress(OSError, ArgosyError):
            run.directories.forget()
            spot = run.directories.spot(home.path, directory)
            seen = run.seen(spot, directory, None, inode=(parking.inode, parking.born_ns))
            return msgspec.structs.replace(outcome, entry=seen)
        return outcome


def _exists(directory: int, name: bytes) -> bool:
    try:
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
