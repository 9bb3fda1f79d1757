"""From one snapshot of a fileset to the next: taken, compared, and the older let go of."""

import contextlib
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import structlog

from argosy.core.errors import Changed, Corrupt, LeaseLost, NotFound, Unsupported
from argosy.core.faults import IndexDamaged, LastSnapshotGone
from argosy.core.fileset import Fileset
from argosy.core.paths import display
from argosy.core.pointer import Binding
from argosy.filesystems._posix.errors import translated
from argosy.filesystems._posix.snapshots import own_directories
from argosy.filesystems.base import SNAPSHOTS, Snapshots
from argosy.snapshots.holdings import Found, Holdings
from argosy.snapshots.index import REMEDY, IndexFile
from argosy.snapshots.naming import fresh_name
from argosy.snapshots.patience import patiently
from argosy.snapshots.rotate import Rotate
from argosy.snapshots.scan import Scan
from argosy.snapshots.schema import About

log = structlog.get_logger()


class Turning:
    """A fileset with its snapshots, indexes and files in `.rotate`."""

    def __init__(
        self,
        fileset: Fileset,
        rotate: Rotate,
        holdings: Holdings,
        *,
        seconds: float,
        check: Callable[[], None],
        left_at: Callable[[Binding], int] = lambda _binding: 0,
    ) -> None:
        """`seconds`: how long is tried what fails; `check`: raises `LeaseLost` where the work is no longer ours.

        `left_at`: see `Scan`.
        """
        self._fileset = fileset
        self._rotate = rotate
        self._holdings = holdings
        self._seconds = seconds
        self._check = check
        self._left_at = left_at
        self._snapshots: Snapshots = SNAPSHOTS.get(fileset.snapshots)(fileset=fileset)  # type: ignore[call-arg]
        rotate.inherit(self.is_there)

    def indexes(self, task: str, *, going_on: bool = False) -> tuple[Path | None, Path, int]:
        """Return the index to compare with, that of a new snapshot, and when the older was begun (ns since 1970).

        The same for every attempt at a task, which holds the lock. `going_on`: an earlier one told of what differs,
        and it has to be those that it had.

        Raises:
            LastSnapshotGone: the last-snap file names a snapshot that is not there.
            IndexDamaged: under its name lies what is no index, a damaged one, or that of another.
            Changed: it is to go on, and what it had is not there any more; nothing was begun.
        """
        found = self._held(task) if going_on else self._holdings.found(task) or self._begun()
        self._holdings.end_others(task)
        self._holdings.begin(task, found)
        until = self._indexed(found.until)
        if self._holdings.found(task) is None:
            self.delete(found.until)
            raise LeaseLost("the job ended while its snapshot was taken")
        if found.since is None:
            return None, until, 0
        if not self.is_there(found.since):  # never listed anew: it would be what is there now
            raise self._missing(found.since)
        since = self._indexed(found.since)
        return since, until, self._known(since, found.since).began_ns

    def take(self, name: str) -> None:
        """Hold the fileset still under the name, and list it.

        Raises:
            Changed: it changed faster than it could be listed.
        """
        patiently(partial(self._snapshots.create, name), seconds=self._seconds, check_lease=self._check)
        patiently(partial(self._list, name), seconds=self._seconds, check_lease=self._check)

    def turn(self, task: str, *, forward: bool) -> bool:
        """End what a task began: the next discovery begins where this one did (`forward`), or where it had begun.

        Snapshots that discoveries made and that nothing needs any more go; the lock is let go of. What people wrote
        into the last-snap file meanwhile stands. Say whether the last-snap file names another snapshot now.
        """
        found = self._holdings.found(task)
        turned = False
        if found is not None:
            turned = forward and self._rotate.last() == found.since and self._holdings.has_index(found.until)
            if turned:
                self._rotate.record(found.until)
            self._holdings.end(task)
        self._rotate.unlock(task)
        self._clear()
        return turned

    def rotates(self, name: str) -> bool:
        """Say whether a discovery made, or began, the snapshot."""
        return name in self._holdings.rotating()

    def delete(self, name: str) -> None:
        """Let go of a snapshot: what is held still first, its index and its note last."""
        patiently(partial(self._snapshots.delete, name), seconds=self._seconds, check_lease=self._check)
        self._holdings.forget(name)
        log.info("snapshot deleted", fileset=self._fileset.name, snapshot=name)

    def _held(self, task: str) -> Found:
        """Return between which snapshots an earlier attempt began to find what changed."""
        found = self._holdings.found(task)
        if found is None:
            raise self._lost("another discovery, which took the lock, or somebody, let go of its snapshots")
        for name in (found.since, found.until):
            if name is not None and not self._holdings.has_index(name):
                raise self._lost(f"somebody removed the index of snapshot {name}")
        return found

    def _lost(self, why: str) -> Changed:
        return Changed(
            f"{display(self._fileset.path)}: the discovery cannot go on where it was, for {why}: run it again, which "
            "finds all that changed since the snapshot that the last-snap file names"
        )

    def _begun(self) -> Found:
        since = self._rotate.last()
        if since is not None and not self.is_there(since):
            raise self._missing(since)
        return Found(since=since, until=fresh_name({*self._holdings.indexed(), *self._holdings.rotating()}))

    def _missing(self, since: str) -> LastSnapshotGone:
        return LastSnapshotGone(
            f"{self._rotate.last_file} names snapshot {since}, which is not there: remove that file to begin anew "
            "with everything, or have it name a snapshot that is there: "
            + (", ".join(self._holdings.indexed()) or "there is none")
        )

    def is_there(self, name: str) -> bool:
        """Say whether there is such a snapshot."""
        return self._holdings.has_index(name) or name in self._snapshots.names()

    def _indexed(self, name: str) -> Path:
        """Return the index of a snapshot: one that is there and was never listed is listed now."""
        if not self._holdings.has_index(name):
            self.take(name)
        return Path(self._holdings.index(name).decode())

    def _known(self, path: Path, name: str) -> About:
        """Return what the index of a snapshot says of itself.

        Raises:
            IndexDamaged: it is that of another: what differs from it says nothing of what has happened since.
        """
        index = IndexFile(bytes(path))
        about = index.about
        if (about.fileset, about.snapshot) != (self._fileset.id, name):
            raise IndexDamaged(f"{index.name}: is the index of {about.snapshot} of fileset {about.name}: {REMEDY}")
        return about

    def _list(self, name: str) -> None:
        scan = Scan(
            about=_about(self._fileset, name),
            hidden=own_directories(self._fileset),
            nested=[(top.inode, top.born_ns) for top in self._fileset.others],
            earlier=self._earlier(),
            frozen=name in self._snapshots.names(),
            left_at=self._left_at,
            told=lambda _rows: self._check(),
        )
        with self._snapshots.opened(name) as top, translated(self._fileset.path):
            about = scan.write(top, self._holdings.index(name))
        if not about.complete:
            self._holdings.unlist(name)
            raise Changed(
                f"{display(self._fileset.path)}: changed faster than it could be listed: try again when fewer write"
            )
        log.info("snapshot taken", fileset=self._fileset.name, snapshot=name, entries=about.rows)

    def _earlier(self) -> IndexFile | None:
        """Return the index that knows most of what files hold: the latest; one that cannot be read knows nothing."""
        last = self._rotate.last()
        if last is None or not self._holdings.has_index(last):
            return None
        with contextlib.suppress(Corrupt, Unsupported, NotFound):
            return IndexFile(self._holdings.index(last))
        return None

    def _clear(self) -> None:
        last, rotating = self._rotate.last(), self._holdings.rotating()
        if last is not None and not self.is_there(last):
            return  # somebody wrote another name than he meant: which of them it is to be only he knows
        needed = self._holdings.needed() | {last}
        for name in rotating:
            if name not in needed:
                self.delete(name)


def _about(fileset: Fileset, name: str) -> About:
    """Return what an index says of itself; a frozen copy goes by what it is a copy of."""
    return About(
        fileset=fileset.id,
        name=fileset.name,
        snapshot=name,
        filesystem=fileset.binding.filesystem.hex(),
        subvolume=fileset.binding.subvolume,
        host=socket.gethostname(),
        began_ns=0,
    )


@contextmanager
def turning(
    fileset: Fileset,
    *,
    seconds: float,
    check: Callable[[], None],
    left_at: Callable[[Binding], int] = lambda _binding: 0,
) -> Iterator[Turning]:
    """Hold the snapshots of the fileset; see `Turning`."""
    with Rotate(fileset) as rotate, Holdings(fileset) as holdings:
        yield Turning(fileset, rotate, holdings, seconds=seconds, check=check, left_at=left_at)


def not_seen(path: bytes) -> Changed:
    """Return what is said of a path that could not be looked at."""
    return Changed(f"{display(path)}: could not be looked at, or listed: whether it changed is not known")


def not_found(path: bytes) -> Changed:
    """Return what is said of a path that nothing has any more, while there is something that nobody can look into."""
    return Changed(
        f"{display(path)}: is not there any more, and may have been moved into a mount point, or a directory that "
        "cannot be listed: it is not taken for deleted; if it was, remove it elsewhere by hand"
    )
