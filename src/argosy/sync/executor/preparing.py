"""What is about to appear: dressed and on the disk, before it has a name that anybody sees."""

import os
import stat
from typing import Final

import msgspec

from argosy.core.entry import Attributes
from argosy.core.errors import ArgosyError, Changed
from argosy.core.paths import display
from argosy.core.pointer import Pointer
from argosy.filesystems._posix import inode
from argosy.filesystems._posix.entry import binding_of
from argosy.filesystems._posix.root import Spot, closing
from argosy.filesystems._posix.seal import Seal
from argosy.linux.capabilities import CHOWN, effective
from argosy.linux.openat2 import DIRECTORY, open_beneath
from argosy.snapshots.attributes import digest
from argosy.sync.executor import seeing
from argosy.sync.executor.attached import Attached, read
from argosy.sync.executor.run import Run
from argosy.sync.executor.staging import NotStaged
from argosy.sync.planner.plans import Operation
from argosy.sync.planner.trees import Kind, Metadata

_PRIVATE: Final = 0o700


def prepare(run: Run, operation: Operation) -> None:
    """Make what the operation is to bring to its name, whole, dressed and synced, among what is staged.

    Raises:
        NotStaged: its content, or its attributes, were not brought here.
        Changed: what was staged is not what is to come.
        Corrupt: its attributes are not those that were sent.
    """
    if operation.linked:
        return
    spot = run.staging.spot(operation.number)
    if operation.kind is not Kind.FILE:
        discard(run, operation)  # what another attempt made
    if operation.kind is Kind.SYMLINK:
        _make_symlink(spot, operation)
        return
    if operation.kind is Kind.DIRECTORY:
        os.mkdir(spot.name, _PRIVATE, dir_fd=spot.directory)
    with closing(_opened(spot, operation)) as made:
        wanted = attributes_of(run, operation, operation.mtime_ns)
        if not inode.same(inode.read(made), wanted):
            dress(run.area.seal, made, wanted)
            run.unsynced.add(made)


def dress(seal: Seal, opened: int, wanted: Attributes) -> None:
    """Dress an open file or directory, and correct what a pointer tells of its mtime.

    A kill in between leaves that unclean, not untrue.
    """
    pointer = _pointer(seal, opened)
    if pointer is None or pointer.mtime_ns == wanted.mtime_ns:
        inode.dress(opened, wanted)
        return
    if not pointer.state.is_stub:
        seal.write(opened, msgspec.structs.replace(pointer, clean=False))
    inode.dress(opened, wanted)
    seal.write(opened, msgspec.structs.replace(pointer, mtime_ns=os.fstat(opened).st_mtime_ns))


def _pointer(seal: Seal, opened: int) -> Pointer | None:
    """Return what the inode says of its copy, if that is of the file as it is."""
    try:
        pointer = seal.read(opened, binding_of(opened))
    except ArgosyError:
        return None
    found = os.fstat(opened)
    told = pointer is not None and (pointer.mtime_ns, pointer.size) == (found.st_mtime_ns, found.st_size)
    return pointer if told else None


def _make_symlink(spot: Spot, operation: Operation) -> None:
    if operation.content is None or operation.metadata is None:
        raise NotStaged(f"{display(operation.target)}: nobody told where this symlink points: run the sync again")
    os.symlink(operation.content, spot.name, dir_fd=spot.directory)
    if effective(CHOWN):
        owner = operation.metadata.uid, operation.metadata.gid
        os.chown(spot.name, *owner, dir_fd=spot.directory, follow_symlinks=False)


def _opened(spot: Spot, operation: Operation) -> int:
    """Return a descriptor of what was staged."""
    if operation.kind is Kind.DIRECTORY:
        return open_beneath(spot.directory, spot.name, DIRECTORY)
    try:
        made = open_beneath(spot.directory, spot.name, seeing.READ)
    except FileNotFoundError as error:
        raise NotStaged(f"{display(operation.target)}: its content was not staged: run the sync again") from error
    found = os.fstat(made)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1 or found.st_size != operation.size:
        os.close(made)
        raise Changed(f"{display(operation.target)}: what was staged is not what the plan was made of")
    return made


def attributes_of(run: Run, operation: Operation, mtime_ns: int | None) -> Attributes:
    """Return what the operation is to dress it in.

    Raises:
        NotStaged, Corrupt: it has xattrs that were not brought here.
    """
    metadata = operation.metadata
    if metadata is None:
        raise NotStaged(f"{display(operation.target)}: nobody told its metadata: run the sync again")
    return Attributes(
        mode=metadata.mode, uid=metadata.uid, gid=metadata.gid, mtime_ns=mtime_ns or 0,
        xattrs=_attached(run, operation, metadata),
    )  # fmt: skip


def _attached(run: Run, operation: Operation, metadata: Metadata) -> Attached:
    """Return what is attached: nothing, what it has here already, or what was sent."""
    known_as = metadata.attributes
    if known_as is None:
        return ()
    seen = operation.expects
    if seen is not None and seen.metadata.attributes == known_as:
        spot = run.where_it_comes(operation)
        with closing(open_beneath(spot.directory, spot.name, seeing.READ)) as here:
            attached = read(here)
        if digest(attached) == known_as:
            return attached
    return run.staging.attached(known_as)


def discard(run: Run, operation: Operation) -> None:
    """Remove what was made for it and got no name."""
    spot = run.staging.spot(operation.number)
    try:
        os.unlink(spot.name, dir_fd=spot.directory)
    except FileNotFoundError:
        return
    except IsADirectoryError:
        os.rmdir(spot.name, dir_fd=spot.directory)
