"""Metadata of what is there already; and the times of directories, last of all."""

import os

from argosy.core.errors import Busy, Changed
from argosy.core.faults import NotPermitted
from argosy.core.moments import modified_ns
from argosy.core.paths import display
from argosy.filesystems._posix import inode
from argosy.filesystems._posix.file import OpenFile
from argosy.filesystems._posix.opening import regular
from argosy.filesystems._posix.root import Spot, closing
from argosy.hsm.object.trust import grants
from argosy.linux.capabilities import CHOWN, effective
from argosy.linux.openat2 import DIRECTORY, open_beneath
from argosy.sync.executor import preparing, seeing
from argosy.sync.executor.coming import come_to
from argosy.sync.executor.expecting import is_inode
from argosy.sync.executor.preparing import attributes_of
from argosy.sync.executor.run import Result, Run
from argosy.sync.executor.seeing import Found
from argosy.sync.planner.plans import Operation
from argosy.sync.planner.trees import Entry, Kind


def dress(run: Run, operation: Operation, seen: Entry) -> Result:
    """Give it other metadata, and a file its mtime; its bytes, and where they are, stay as they are.

    Raises:
        Changed: it is not what was seen, or is in use (`Busy`).
        NotPermitted: we may not, or the filesystem does not keep them.
    """
    spot, directory = come_to(run, operation)
    run.expecting.expect(spot, seen, operation.target)
    kept_ns = None
    if seen.kind is Kind.SYMLINK:
        _dress_symlink(run, operation, spot, seen)
    elif seen.kind is Kind.DIRECTORY:
        _dress_directory(run, operation, spot, seen)
    else:
        kept_ns = _dress_file(run, operation, spot, seen)
    entry = run.seen(spot, directory, seen.content, inode=(seen.binding.inode, seen.binding.born_ns))
    if entry.metadata != operation.metadata:
        path = display(run.area.absolute(operation.target))
        said = f"{path}: cannot be given the metadata of the other side"
        raise NotPermitted(f"{said}: run the agent as root, and see whether the filesystem keeps owners and ACLs")
    rounded = kept_ns == entry.version.mtime_ns != operation.mtime_ns
    return Result(entry, given_ns=operation.mtime_ns if rounded else None)


def _dress_symlink(run: Run, operation: Operation, spot: Spot, seen: Entry) -> None:
    if operation.metadata is not None and effective(CHOWN):
        with closing(open_beneath(spot.directory, spot.name, seeing.LOOK)) as opened:
            _expect(opened, seen, operation)
            run.check()
            os.chown(b"/proc/self/fd/%d" % opened, operation.metadata.uid, operation.metadata.gid)
        run.unsynced.add(spot.directory)


def _dress_directory(run: Run, operation: Operation, spot: Spot, seen: Entry) -> None:
    with closing(open_beneath(spot.directory, spot.name, DIRECTORY)) as opened:
        _expect(opened, seen, operation)
        wanted = attributes_of(run, operation, None)
        run.check()
        inode.dress_but_time(opened, wanted)
        run.unsynced.add(opened)


def _expect(opened: int, seen: Entry, operation: Operation) -> None:
    """Return where what is open is what was seen: whoever may rename things puts another there in the last moment."""
    if not is_inode(seeing.look_at(opened), seen):
        raise Changed(f"{display(operation.target)}: is another than when it was scanned")


def _dress_file(run: Run, operation: Operation, spot: Spot, seen: Entry) -> int | None:
    """Dress it while nobody writes to it: else what was written meanwhile would pass for what both sides have.

    Return what its filesystem made of the mtime that it was given; None where somebody may have changed it since.
    """
    path = run.area.absolute(operation.target)
    descriptor = regular(spot, path, os.O_RDONLY, seen.binding.inode)
    with OpenFile(run.area.root, path, descriptor, run.area.seal, writing=False) as file:
        wanted = attributes_of(run, operation, operation.mtime_ns)
        with file.unwritten() as unwritten:
            if not unwritten() and (file.is_being_written() or grants(file.attributes(), wanted)):
                raise Busy(f"{display(path)}: somebody has it open for writing")
            sure = unwritten()
            run.expecting.expect(spot, seen, operation.target)
            run.check()
            preparing.dress(run.area.seal, descriptor, wanted)
            kept_ns = modified_ns(os.fstat(descriptor)) if sure else None
            if sure and not unwritten():
                kept_ns = None
                os.utime(descriptor)  # so that the next scan finds what somebody wrote
        run.unsynced.add(descriptor)
    return kept_ns


def give_time(run: Run, operation: Operation) -> Result:
    """Give a directory the mtime that it had before anything was done in it, unless somebody else did something, too.

    Raises:
        Changed: another lies there.
    """
    spot, directory = come_to(run, operation)
    try:
        opened = open_beneath(spot.directory, spot.name, DIRECTORY)
    except OSError as error:
        if error.errno not in seeing.NOT_THERE:
            raise
        raise Changed(f"{display(operation.target)}: is no directory any more") from error
    with closing(opened):
        found = _meant(run, operation, opened)
        scanned_ns = None if operation.expects is None else operation.expects.version.mtime_ns
        if run.stirred.alone(found.stat, scanned_ns) and operation.mtime_ns is not None:
            run.check()
            os.utime(opened, ns=(found.stat.st_atime_ns, operation.mtime_ns))
            run.unsynced.add(opened)
    return Result(run.seen(spot, directory, b"", inode=found.inode))


def _meant(run: Run, operation: Operation, opened: int) -> Found:
    """Return what is open, where it is the directory that the plan means."""
    found, made, seen = seeing.look_at(opened), run.made.get(operation.object), operation.expects
    same = is_inode(found, seen) if seen is not None else made is not None and found.inode == made[2:]
    if not same:
        raise Changed(f"{display(operation.target)}: is another directory by now")
    return found
