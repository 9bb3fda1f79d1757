"""`snapdiff` discovery (`dynamo.tasks.snapdiff`)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

from argosy.core.entry import Attributes, Entry, Facts
from argosy.core.errors import Invalid, LeaseLost
from argosy.core.fileset import Fileset
from argosy.core.paths import join
from argosy.discoveries.base import DISCOVERIES
from argosy.filesystems.base import OnError
from argosy.site import Site
from argosy.snapshots.differences import Change, Difference, differences, unseen
from argosy.snapshots.holdings import Holdings
from argosy.snapshots.rotate import Rotate
from argosy.snapshots.turning import Turning, not_seen


@DISCOVERIES.register
@dataclass(frozen=True, slots=True, kw_only=True)
class Snapdiff:
    """Take a snapshot of a fileset and find what changed since the last run: created, updated, moved and deleted.

    The first run finds that everything was created. When the job has ended, the next run begins where this one did.
    """

    condense_moves: Annotated[bool, "Find a directory that moved once, not all that it holds as well"] = True
    skip_old_ctimes: Annotated[bool, "Leave out what is there and has a ctime older than the last snapshot"] = False

    def find(self, given: Sequence[Entry], site: Site, *, on_error: OnError, after: bytes | None) -> Iterator[Entry]:
        """Yield what changed in the fileset: first what was deleted, then what moved, then the rest in walk order.

        A later attempt at the task goes on with the snapshot of an earlier one. The lock on the fileset is held until
        the job has ended, or this fails.

        Raises:
            Invalid: other than one path is given, or no fileset has its top there.
            SnapdiffLockError: another discovery or its job is under way in the fileset.
            NotFound: the last-snap file names a snapshot that is not there.
        """
        if len(given) != 1:
            raise Invalid(f"snapdiff takes exactly one path, the top of a fileset, and {len(given)} are given")
        fileset = site.fileset(given[0].path)
        with Rotate(fileset) as rotate, Holdings(fileset) as holdings:
            rotate.lock(site.task, site.policy.lock_threshold)
            try:
                turning = Turning(fileset, rotate, holdings, seconds=site.policy.snapshot_retry, check=site.check_lease)
                yield from self._found(turning, fileset, site.task, on_error, after)
            except (LeaseLost, GeneratorExit):
                raise  # another attempt goes on
            except BaseException:
                rotate.unlock(site.task)
                raise

    def _found(
        self, turning: Turning, fileset: Fileset, task: str, on_error: OnError, after: bytes | None
    ) -> Iterator[Entry]:
        old, new, since_ns = turning.indexes(task)
        for path in unseen(new):
            on_error(join(fileset.path, path), not_seen(join(fileset.path, path)))
        found = differences(
            old, new, condense_moves=self.condense_moves, since_ns=since_ns if self.skip_old_ctimes else None
        )
        yield from _behind(after, (_entry(one, fileset) for one in found))


def _behind(after: bytes | None, entries: Iterator[Entry]) -> Iterator[Entry]:
    """Yield what comes after the entry with that path: the order is always the same. One path can come twice."""
    if after is not None:
        for entry in entries:
            if entry.path == after:
                break
    yield from entries


def _entry(one: Difference, fileset: Fileset) -> Entry:
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
        facts=Facts(attributes=attributes if one.change is Change.DELETED else None, links=one.links),
    )
