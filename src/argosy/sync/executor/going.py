"""What goes from its name: parked on its way to another, or to the trash. The journal knows of it before."""

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from argosy.core.entry import Entry as Listed
from argosy.core.failpoints import failpoint
from argosy.core.moments import modified_ns
from argosy.filesystems._posix import astray, shelving, versions
from argosy.filesystems._posix.moving import refuse_full
from argosy.filesystems._posix.protected import refuse_protected
from argosy.filesystems._posix.removing import shelve_directory
from argosy.filesystems._posix.root import Spot
from argosy.filesystems.base import Shelf
from argosy.linux.handles import handle_of
from argosy.linux.rename import noreplace
from argosy.sync.executor import seeing, using
from argosy.sync.executor.journal import Displacing, Parking, Record, Trashing
from argosy.sync.executor.run import Result, Run, Shelved, parked_name
from argosy.sync.executor.shelving import on_shelf
from argosy.sync.planner.plans import Act, Operation
from argosy.sync.planner.trees import Entry, Kind


def intent(run: Run, operation: Operation) -> Record | None:
    """Return what the journal must know before the operation is done; None: nothing.

    Raises:
        Changed: it cannot be done, for its directory is not there.
    """
    seen = operation.expects
    if seen is None or operation.act not in {Act.PARK, Act.TRASH, Act.REPLACE}:
        return None
    number, inode, born_ns = operation.number, seen.binding.inode, seen.binding.born_ns
    version = seen.version[:2]
    if operation.act is Act.REPLACE:
        came = _coming(run, operation)
        return Displacing(
            number=number, path=operation.target, inode=inode, born_ns=born_ns, came=came, version=version
        )
    if operation.act is Act.TRASH and operation.kind is not Kind.DIRECTORY:
        return Trashing(number=number, path=operation.path, inode=inode, born_ns=born_ns, version=version)
    spot = run.where_it_is(operation)
    return Parking(
        number=number, object=operation.object, parked=parked_name(operation.object), path=operation.path,
        target=operation.target, inode=inode, born_ns=born_ns, directory=(seen.parent.inode, seen.parent.born_ns),
        handle=handle_of(spot.directory),
    )  # fmt: skip


def _coming(run: Run, operation: Operation) -> tuple[int, int, int] | None:
    if operation.linked:
        return None
    with contextlib.suppress(FileNotFoundError):  # then it will not be done
        made = run.staging.spot(number=operation.number).stat()
        return made.st_ino, made.st_size, modified_ns(made)
    return None


def park(run: Run, operation: Operation, seen: Entry) -> Result:
    """Take it from its name, to where nobody sees it.

    Raises:
        Changed: it is not what was seen.
    """
    spot = run.where_it_is(operation)
    found = run.expecting.expect(spot, seen, operation.path, only_moves=True)
    parked = _taken(run, operation, spot, run.listed(operation.path, found))
    run.unsynced.add(parked.directory, spot.directory)
    run.expecting.note(seeing.look(parked))
    return Result()


def _taken(run: Run, operation: Operation, spot: Spot, listed: Listed) -> Spot:
    """Move what is there among what is parked, and look at it there."""
    parked = Spot(run.area.parked, parked_name(operation.object))
    refuse_protected(run.area.root, spot, listed.path)
    run.check()
    with astray.given_back(run.area.root, parked, listed.path):
        versions.take(spot, parked, listed, point="sync:park")
    return parked


def trash(run: Run, operation: Operation, seen: Entry) -> Result:
    """Move it to the trash: a directory only if nothing is in it.

    Raises:
        Changed: it is not what was seen.
        NotEmpty: it is a directory that holds something.
    """
    spot = run.where_it_is(operation)
    directory = operation.kind is Kind.DIRECTORY
    found = run.expecting.expect(spot, seen, operation.path, only_moves=directory)
    listed = run.listed(operation.path, found)
    if directory:
        refuse_full(spot, listed)
        return Result(shelf_id=_trash_directory(run, operation, spot, listed))
    refuse_protected(run.area.root, spot, listed.path)
    shelf_id, shelved = _trash_other(run, operation, spot, listed, seen)
    return Result(shelf_id=shelf_id, shelved=shelved.entry, copy=shelved.copy)


def _trash_other(run: Run, operation: Operation, spot: Spot, listed: Listed, seen: Entry) -> tuple[str, Shelved]:
    def shelve(place: Spot) -> Shelved:
        with using.unwritten(spot, listed) as refuse_writers:
            left = shelving.shelve(
                run.area.root, spot, place, listed, keeping=partial(_checked, run), together=run.shelf_id,
                point="sync:trash", look=refuse_writers,
            )  # fmt: skip
        run.unsynced.add(place.directory, spot.directory)
        return run.shelved(place, seen, left)

    return on_shelf(run, Shelf.TRASH, operation.path, shelve)


@contextmanager
def _checked(run: Run) -> Iterator[None]:
    run.check()
    yield


def _trash_directory(run: Run, operation: Operation, spot: Spot, listed: Listed) -> str:
    """Take it out of sight, so that nobody puts anything into it, and let it go for one like it in the trash."""
    parked = _taken(run, operation, spot, listed)

    def shelve(place: Spot) -> None:
        shelve_directory(parked, place, listed)
        run.unsynced.add(place.directory, parked.directory, spot.directory)

    try:
        refuse_full(parked, listed)
        shelf_id, _ = on_shelf(run, Shelf.TRASH, operation.path, shelve)
    except BaseException:
        noreplace(parked.directory, parked.name, spot.directory, spot.name)
        raise
    failpoint("sync:trash")
    return shelf_id
