"""The snapshots of a fileset that there are, for people: told of, and removed."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

import msgspec

from argosy.core.errors import Busy, Corrupt, NotFound, Unsupported
from argosy.core.faults import LastSnapshotGone
from argosy.core.fileset import Fileset
from argosy.core.paths import display
from argosy.snapshots.holdings import Holdings
from argosy.snapshots.index import IndexFile
from argosy.snapshots.rotate import Rotate
from argosy.snapshots.turning import Turning


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """What is told of a snapshot."""

    name: str
    began_ns: int | None = None
    """When it was begun; None where it has no index that can be read, nor the following."""
    rows: int | None = None
    size: int = 0
    """Bytes of its index."""
    last: bool = False
    """Whether the last-snap file names it."""
    rotates: bool = False
    """Whether a discovery made it: it goes by itself when nothing needs it."""


class Keeping:
    """The snapshots that Argosy made of a fileset, and no others that its filesystem may have."""

    def __init__(self, fileset: Fileset, rotate: Rotate, holdings: Holdings, check: Callable[[], None]) -> None:
        """`check`: raises `LeaseLost` where the work is no longer ours."""
        self._fileset, self._rotate, self._holdings = fileset, rotate, holdings
        self._turning = Turning(fileset, rotate, holdings, seconds=0, check=check)

    def names(self) -> Sequence[str]:
        """Return their names, sorted."""
        return self._holdings.held()

    def told(self, name: str) -> Held:
        """Return what is known of a snapshot.

        Raises:
            NotFound: there is none of the name.
        """
        if name not in self.names():
            raise NotFound(self._unknown(name))
        about = None
        if self._holdings.has_index(name):
            with suppress(Corrupt, Unsupported, NotFound):
                about = IndexFile(self._holdings.index(name)).about
        return Held(
            name=name,
            began_ns=None if about is None else about.began_ns,
            rows=None if about is None else about.rows,
            size=self._holdings.size(name),
            last=self._rotate.last() == name,
            rotates=self._turning.rotates(name),
        )

    def remove(self, name: str, *, threshold: float, last_too: bool) -> bool:
        """Remove a snapshot; one that is gone already is no error. Say whether it is gone: the last one stays.

        `last_too`: the last-snap file goes first, and so may the one that it names: the next discovery begins anew.
        `threshold`: see `Rotate.lock`.

        Raises:
            SnapdiffLockError: a discovery is under way in the fileset.
            Busy: a discovery that was broken off will go on with it.
            LastSnapshotGone: the last-snap file names none that is there: which was meant only its writer knows.
        """
        with self._rotate.idle(threshold):
            if last_too:
                self._rotate.forget()
                self._holdings.end_others("")  # none is under way: they broke off, and would begin anew
            if name in self._holdings.needed():
                raise Busy(f"snapshot {name}: a discovery compares it: wait until its job has ended, or cancel that")
            last = self._rotate.last()
            if last == name:
                return False
            if last is not None and not self._turning.is_there(last):
                raise LastSnapshotGone(
                    f"snapshot {name}: {self._rotate.last_file} names snapshot {last}, which is not there, and this "
                    "may be the one that was meant: correct that file first, or have it removed as well (--last-too)"
                )
            if name in self.names():
                self._turning.delete(name)
            return True

    def _unknown(self, name: str) -> str:
        there = ", ".join(self.names()) or "there is none"
        return f"{display(self._fileset.path)}: there is no snapshot {name}: {there}"


@contextmanager
def keeping(fileset: Fileset, check: Callable[[], None]) -> Iterator[Keeping]:
    """Hold the snapshots of the fileset; see `Keeping`."""
    with Rotate(fileset) as rotate, Holdings(fileset) as holdings:
        yield Keeping(fileset, rotate, holdings, check)
