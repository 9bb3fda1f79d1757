"""What comes to a name: made, linked, or back from where it was parked; never over anything."""

import os

from argosy.core.errors import Changed
from argosy.core.failpoints import failpoint
from argosy.core.moments import modified_ns
from argosy.core.paths import display
from argosy.filesystems._posix.projects import bring
from argosy.filesystems._posix.root import Spot, closing
from argosy.linux.openat2 import DIRECTORY, open_beneath
from argosy.linux.rename import noreplace
from argosy.sync.executor import seeing
from argosy.sync.executor.expecting import is_inode
from argosy.sync.executor.run import Result, Run, parked_name
from argosy.sync.executor.seeing import Found
from argosy.sync.planner.plans import Operation
from argosy.sync.planner.trees import Binding, Entry, Kind


def create(run: Run, operation: Operation) -> Result:
    """Give what was prepared its name.

    Raises:
        Changed: its directory is not the one that was scanned, or made.
        FileExistsError: somebody has given the name to something else.
    """
    spot, directory = come_to(run, operation)
    if operation.linked:
        return _link(run, operation, spot, directory)
    made = run.staging.spot(operation.number)
    own = seeing.look(made)
    run.check()
    bring(noreplace, made, spot)
    failpoint("sync:publish")
    run.unsynced.add(spot.directory, made.directory)
    entry = run.seen(spot, directory, operation.content, inode=own.inode)
    run.remember(operation, entry)
    return Result(entry, given_ns=given(operation, own, entry))


def given(operation: Operation, made: Found, entry: Entry) -> int | None:
    """Return the mtime that it was given, if its filesystem made another of it.

    `made`: as it was when nobody else could reach it, so that its time is nobody else's doing.
    """
    kept = modified_ns(made.stat)
    rounded = operation.kind is Kind.FILE and kept == entry.version.mtime_ns != operation.mtime_ns
    return operation.mtime_ns if rounded else None


def come_to(run: Run, operation: Operation) -> tuple[Spot, Binding]:
    """Return where the operation's name is, and the directory that it is in.

    Raises:
        Changed: that is not the one that was scanned, or made.
    """
    spot, directory = run.where_it_comes(operation), run.directory_of(operation)
    if directory is None:
        raise Changed(f"{display(operation.target)}: its directory was not made")
    run.area.below_root(operation.target)
    return spot, directory


def _link(run: Run, operation: Operation, spot: Spot, directory: Binding) -> Result:
    with closing(linkable(run, operation)) as there:
        own = seeing.look_at(there)
        run.check()
        link(there, spot)
        failpoint("sync:publish")
    run.unsynced.add(spot.directory)
    return Result(run.seen(spot, directory, operation.content, inode=own.inode))


def linkable(run: Run, operation: Operation) -> int:
    """Return a descriptor of the file of which the operation makes another name.

    Raises:
        Changed: it is not there, or is not what was scanned or made: it may hold something else by now.
    """
    wanted = operation.linked_to or run.shared.get(operation.linked)
    message = f"{display(operation.linked_at)}: is not what {display(operation.target)} was to be another name of"
    above, _, name = operation.linked_at.rpartition(b"/")
    if wanted is None:
        raise Changed(message)
    try:
        with closing(open_beneath(run.area.top, above, DIRECTORY)) as directory:
            found = run.expecting.expect(Spot(directory, name), wanted, operation.linked_at)
            there = open_beneath(directory, name, seeing.LOOK)
    except OSError as error:
        if error.errno not in seeing.NOT_THERE:
            raise
        raise Changed(message) from error
    if seeing.look_at(there).inode != found.inode:
        os.close(there)
        raise Changed(message)
    return there


def link(there: int, spot: Spot) -> None:
    """Give an open file another name, never in the place of something."""
    os.link(b"/proc/self/fd/%d" % there, spot.name, dst_dir_fd=spot.directory, follow_symlinks=True)


def unpark(run: Run, operation: Operation, seen: Entry) -> Result:
    """Give what is parked its new name.

    Raises:
        Changed: its directory is not the one that was scanned or made, or somebody took it away.
        FileExistsError: somebody has given the name to something else: it stays parked.
    """
    spot, directory = come_to(run, operation)
    parked = Spot(run.area.parked, parked_name(operation.object))
    own = seeing.look(parked)
    if not is_inode(own, seen):
        raise Changed(f"{display(operation.path)}: somebody else took it away while it was parked")
    run.check()
    bring(noreplace, parked, spot)
    failpoint("sync:unpark")
    run.unsynced.add(parked.directory, spot.directory)
    return Result(run.seen(spot, directory, seen.content, inode=own.inode, again=True))
