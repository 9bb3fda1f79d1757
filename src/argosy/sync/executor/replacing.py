"""What gets another content: both change places in one step, then what was there is looked at, and kept.

Until it is in the version store it lies among what is displaced, under `NUMBER.OURS.SEEN` with the inodes of both: so
whoever finds it there after a crash knows whether it is what we brought, or what was to be kept.
"""

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager

from argosy.core.entry import Entry as Listed
from argosy.core.errors import Changed
from argosy.core.failpoints import failpoint
from argosy.core.paths import display
from argosy.filesystems._posix import astray, versions
from argosy.filesystems._posix.copying import Copy, copied
from argosy.filesystems._posix.projects import bring
from argosy.filesystems._posix.protected import refuse_protected
from argosy.filesystems._posix.root import Spot, closing
from argosy.filesystems._posix.shelving import put
from argosy.filesystems.base import Shelf
from argosy.linux.rename import exchange, noreplace
from argosy.sync.executor import seeing, using
from argosy.sync.executor.coming import come_to, given, link, linkable
from argosy.sync.executor.run import Result, Run, Shelved
from argosy.sync.executor.seeing import Found
from argosy.sync.executor.shelving import on_shelf
from argosy.sync.planner.plans import Operation
from argosy.sync.planner.trees import Entry


def replace(run: Run, operation: Operation, seen: Entry) -> Result:
    """Give the name to what was prepared, and what had it to the version store.

    Raises:
        Changed: what is there is not what was seen: it stays.
    """
    spot, directory = come_to(run, operation)
    found = run.expecting.expect(spot, seen, operation.target)
    listed = run.listed(operation.target, found)
    refuse_protected(run.area.root, spot, listed.path)
    with _displacing(run, operation, listed) as (ours, own):

        def shelve(place: Spot) -> Shelved:
            with copied(run.area.root, spot, listed.path, together=run.shelf_id) as copy:
                _swap(run, ours, spot, place, listed, copy=copy)
                return run.shelved(place, seen, None if copy is None else copy.left())

        shelf_id, shelved = on_shelf(run, Shelf.VERSIONS, operation.target, shelve)
    entry = run.seen(spot, directory, operation.content, inode=own.inode)
    run.remember(operation, entry)
    given_ns = None if operation.linked else given(operation, own, entry)
    return Result(entry, shelf_id, shelved.entry, given_ns, shelved.copy)


@contextmanager
def _displacing(run: Run, operation: Operation, listed: Listed) -> Iterator[tuple[Spot, Found]]:
    """Have what is to come where it is known by both inodes; what of ours is left there goes.

    What is others' and found no way back gets a name beside the one that it had.
    """
    made = _made(run, operation)
    own = seeing.look(made)
    ours = Spot(run.area.displaced, b"%d.%x.%x" % (operation.number, own.stat.st_ino, listed.inode))
    os.rename(made.name, ours.name, src_dir_fd=made.directory, dst_dir_fd=ours.directory)
    run.unsynced.add(ours.directory, made.directory)
    try:
        yield ours, own
    finally:
        with contextlib.suppress(FileNotFoundError):
            if ours.stat().st_ino == own.stat.st_ino:
                os.unlink(ours.name, dir_fd=ours.directory)
            else:
                astray.settle(run.area.root, ours, run.area.below_root(operation.target))


def _made(run: Run, operation: Operation) -> Spot:
    if not operation.linked:
        return run.staging.spot(operation.number)
    made = Spot(run.area.displaced, b"%d.link" % operation.number)
    with closing(linkable(run, operation)) as there:
        link(there, made)
    return made


def _swap(run: Run, ours: Spot, spot: Spot, place: Spot, seen: Listed, *, copy: Copy | None) -> None:
    run.check()
    with using.unwritten(spot, seen) as refuse_writers:
        try:
            bring(exchange, ours, spot)
        except FileNotFoundError as error:
            raise Changed(f"{display(seen.path)}: is gone since it was scanned") from error
        try:
            failpoint("sync:exchange")
            _expect_unchanged(ours, seen)
            refuse_writers()
            put(ours, place, seen, copy)
        except BaseException:
            _swap_back(ours, spot)
            run.unsynced.add(ours.directory, spot.directory)
            raise
    failpoint("sync:trash")
    run.unsynced.add(place.directory, ours.directory, spot.directory)


def _expect_unchanged(displaced: Spot, seen: Listed) -> None:
    if not versions.stands(displaced, seen):
        raise Changed(f"{display(seen.path)}: was written to just as it was to be replaced: it was left as it is")


def _swap_back(ours: Spot, spot: Spot) -> None:
    """Put back what was displaced; what others put in our place meanwhile lies among what is displaced then."""
    try:
        exchange(ours.directory, ours.name, spot.directory, spot.name)
    except FileNotFoundError:
        with contextlib.suppress(FileExistsError):
            noreplace(ours.directory, ours.name, spot.directory, spot.name)
