"""What is done with bytes that somebody wrote into a stub past the guard: they are kept beside it; nothing is lost.

`quarantine` is called with the inode's lock held and the file seized, so that nobody writes meanwhile. It always
raises: afterwards `NAME.hsm-conflict` has the local bytes, and the file is a stub as clean as if nobody had written.
Killed in between, it begins again, and there may be one conflict copy more.
"""

from itertools import count
from typing import Final, NoReturn

import msgspec

from argosy.core.entry import Stored
from argosy.core.errors import Exists
from argosy.core.faults import StubWritten
from argosy.core.paths import display
from argosy.core.pointer import Pointer, StubState
from argosy.filesystems.base import File, Staged
from argosy.hsm.file.alone import expect_alone
from argosy.hsm.object.content import CHUNK
from argosy.site import Note, Site

SUFFIX: Final = b".hsm-conflict"
_LONGEST: Final = 255
"""Bytes of a name."""


def quarantine(file: File, pointer: Pointer, stored: Stored, site: Site) -> NoReturn:
    """Keep what is on disk beside the file, durably, and make the file a clean stub of what `pointer` tells.

    Raises:
        Corrupt: that was done; the message names both.
        Busy: somebody waits for the file; nothing was freed.
        Exhausted: there is no room for a copy of the bytes; the file is left as it is.
    """
    path = file.entry.path
    file.look()
    beside = _kept_beside(path, file, site)
    _clean(file, pointer, site)
    raise StubWritten(
        f"{display(path)} was written to while it was a stub: what was written is in {display(beside)}, what it held "
        f"before is object {stored.key} of datastore {stored.datastore}. The file is a stub of that again: compare "
        "the two, and remove the one that is not wanted"
    )


def _kept_beside(path: bytes, file: File, site: Site) -> bytes:
    tree = site.tree(path)
    with tree.stage(path) as staged:
        _copy(file, staged)
        staged.dress(file.attributes())
        staged.sync()
        site.check_lease()
        for beside in (_numbered(path, number) for number in count(1)):
            try:
                staged.publish(beside)
            except Exists:
                continue
            tree.sync_directory(beside)
            return beside
    raise AssertionError("there is always a next number")


def _copy(file: File, staged: Staged) -> None:
    """Copy what is data; what is not reads as zeros in both."""
    for offset, length in file.data():
        end = min(offset + length, file.size)
        for start in range(offset, end, CHUNK):
            staged.write(start, file.read(start, min(CHUNK, end - start)))
    staged.truncate(file.size)


def _clean(file: File, pointer: Pointer, site: Site) -> None:
    site.check_lease()
    site.check_store(pointer.datastore)
    expect_alone(file)
    file.truncate(pointer.size)  # first: it may fill the rest of a block with zeros
    file.punch(0)
    file.stamp(pointer.mtime_ns)
    file.point(msgspec.structs.replace(pointer, state=StubState.STUB, kept=0))
    file.sync()
    site.note(file.binding(), Note(pointer.uuid, 0, stub=True))


def _numbered(path: bytes, number: int) -> bytes:
    """Return a name for what is kept beside the file, no longer than a filesystem takes; the first has no number."""
    directory, _, name = path.rpartition(b"/")
    suffix = SUFFIX if number == 1 else b"%s-%d" % (SUFFIX, number)
    return b"%s/%s%s" % (directory, name[: _LONGEST - len(suffix)], suffix)
