"""`snapdiff` discovery (`dynamo.tasks.snapdiff`)."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import dropwhile
from pathlib import Path
from typing import Annotated

from argosy.core.entry import Attributes, Entry, Facts, Was
from argosy.core.errors import Changed, Invalid, LeaseLost
from argosy.core.fileset import Fileset
from argosy.core.paths import display, join
from argosy.core.phases import ALONG, DELETED, REST
from argosy.discoveries.base import DISCOVERIES
from argosy.filesystems.base import OnError
from argosy.site import Site, left_at
from argosy.snapshots.differences import Change, Difference, differences, unseen
from argosy.snapshots.holdings import Holdings
from argosy.snapshots.rotate import Rotate
from argosy.snapshots.turning import Turning, not_found, not_seen


@DISCOVERIES.register
@dataclass(frozen=True, slots=True, kw_only=True)
class Snapdiff:
    """Take a snapshot of a fileset and find what changed since the last run: created, updated, moved and deleted.

    The first run finds that everything was created. When the job has ended, the next run begins where this one did.
    """

    condense_moves: Annotated[bool, "Find a directory that moved once, not all that it holds as well"] = True
    skip_old_ctimes: Annotated[bool, "Leave out what is there and has a ctime older than the last snapshot"] = False

    def find(self, given: Sequence[Entry], site: Site, *, on_error: OnError, after: bytes | None) -> Iterator[Entry]:
        """Yield what changed in the fileset, as `phases` does."""
        for _, entry in self.phases(given, site, on_error=on_error, after=after, phase=DELETED):
            yield entry

    def phases(
        self, given: Sequence[Entry], site: Site, *, on_error: OnError, after: bytes | None, phase: int
    ) -> Iterator[tuple[int, Entry]]:
        """Yield what changed: first what was deleted, then what moved, then the rest in walk order, by phase.

        What moved takes several phases where one rename has to wait for another. A later attempt at the task goes on
        with the snapshot of an earlier one. The lock on the fileset is held until the job has ended, or this fails with
        nothing told: what was told is worked on.

        Raises:
            Invalid: other than one path is given, or no fileset has its top there.
            SnapdiffLockError: another discovery or its job is under way in the fileset.
            NotFound: the last-snap file names a snapshot that is not there.
            Changed: it would not go on behind what was found before: its snapshots are gone, or others.
        """
        if len(given) != 1:
            raise Invalid(f"snapdiff takes exactly one path, the top of a fileset, and {len(given)} are given")
        fileset = site.fileset(given[0].path)
        told = phase > DELETED or after is not None
        with Rotate(fileset) as rotate, Holdings(fileset) as holdings:
            rotate.lock(site.task, site.policy.lock_threshold)
            try:
                turning = Turning(
                    fileset,
                    rotate,
                    holdings,
                    seconds=site.policy.snapshot_retry,
                    check=site.check_lease,
                    left_at=partial(left_at, site),
                )
                old, new, since_ns = turning.indexes(site.task, going_on=told)
                found = self._found(old, new, since_ns, fileset, on_error)
                for each in _behind(
                    ((one.phase, _entry(one, fileset, since_ns)) for one in found), phase, after, fileset
                ):
                    told = True
                    yield each
            except (LeaseLost, GeneratorExit):
                raise  # another attempt goes on
            except BaseException:
                if not told:
                    rotate.unlock(site.task)
                raise

    def _found(
        self, old: Path | None, new: Path, since_ns: int, fileset: Fileset, on_error: OnError
    ) -> Iterator[Difference]:
        unknown = frozenset(unseen(new))
        for path in sorted(unknown):
            on_error(join(fileset.path, path), not_seen(join(fileset.path, path)))
        found = differences(
            old, new, condense_moves=self.condense_moves, since_ns=since_ns if self.skip_old_ctimes else None
        )
        yield from _seen(found, unknown, fileset, on_error)


def _seen(
    found: Iterator[Difference], unknown: Collection[bytes], fileset: Fileset, on_error: OnError
) -> Iterator[Difference]:
    """Yield what is sure; of the rest it is told. What is `unknown` was told of, and nobody could send it."""
    for one in found:
        if one.change is Change.UNSEEN:
            path = join(fileset.path, one.path)
            on_error(path, not_found(path))
        elif one.phase != REST or one.path not in unknown:
            yield one


def _behind(
    found: Iterator[tuple[int, Entry]], phase: int, after: bytes | None, fileset: Fileset
) -> Iterator[tuple[int, Entry]]:
    """Yield what comes in the phase behind the entry with that path, and later: the order is always the same.

    Raises:
        Changed: there is no such entry.
    """
    going = dropwhile(lambda each: each[0] < phase, found)
    if after is not None and not any(at == phase and entry.path == after for at, entry in going):
        raise Changed(
            f"{display(fileset.path)}: {display(after)} was found to have changed and is not any more: an index of the "
            "fileset was replaced meanwhile; run it again"
        )
    yield from going


def _entry(one: Difference, fileset: Fileset, since_ns: int) -> Entry:
    attributes = Attributes(mode=one.mode, uid=one.uid, gid=one.gid, mtime_ns=one.mtime_ns)
    return Entry(
        path=join(fileset.path, one.path),
        kind=one.kind,
        size=one.size,
        mtime_ns=one.mtime_ns,
        ctime_ns=one.ctime_ns,
        inode=one.inode,
        state=one.change.value,
        source=None if one.source is None else join(fileset.path, one.source),
        facts=Facts(
            attributes=attributes if one.change is Change.DELETED else None,
            links=one.links,
            along=one.phase == ALONG,
            was=_was(one, fileset, since_ns),
        ),
    )


def _was(one: Difference, fileset: Fileset, since_ns: int) -> Was | None:
    if one.was_size is None or one.was_mtime_ns is None:
        return None
    known_by = f"{fileset.id}:{one.inode}:{one.born_ns}".encode()
    return Was(size=one.was_size, mtime_ns=one.was_mtime_ns, object=known_by, since_ns=since_ns)
