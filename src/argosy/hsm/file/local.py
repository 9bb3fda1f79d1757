"""What is at a path already, held against what is to be made there; a stub is never read for that."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

import msgspec

from argosy.core.entry import Entry, Kind, Stored
from argosy.core.errors import Changed, NotFound
from argosy.core.paths import display
from argosy.core.pointer import Pointer
from argosy.filesystems.base import File, Filesystem
from argosy.hsm.file.copied import unchanged
from argosy.hsm.file.state import HOLLOW, Seen, State, look
from argosy.hsm.object.content import digest_of
from argosy.hsm.object.stored import same_object
from argosy.site import Site

_NOBODY_KNOWS: Final = {State.STUB_DIRTY, State.UNBOUND, State.LOST, State.DISPUTED}


class Local(NamedTuple):
    """A file under its lock."""

    file: File
    seen: Seen


def present(tree: Filesystem, path: bytes) -> Entry | None:
    """Return what is at the path, if anything."""
    try:
        return tree.stat(path)
    except NotFound:
        return None


def expect_named(file: File, done: str) -> None:
    """Return where the file has a name still; `done`: what was done with it meanwhile.

    Raises:
        Changed: it has none.
    """
    if not file.links():
        raise Changed(f"{display(file.entry.path)}: no such file: it was removed while it was {done}")


def as_opened(entry: Entry, file: File) -> Entry:
    """Return the entry as the open file is now."""
    now = msgspec.structs.replace(file.entry, state=entry.state, source=entry.source)
    return now.learned(attributes=file.attributes())


def has_content(tree: Filesystem, path: bytes, stored: Stored, site: Site) -> bool:
    """Say whether the file at `path` has the content that was stored; where nobody can tell, it has not."""
    with tree.open(path) as file:
        seen = look(file, site)
        if file.size != stored.size or seen.state in _NOBODY_KNOWS:
            return False
        if seen.pointer is not None and _is_proved(file, seen, seen.pointer, site):
            return same_object(seen.pointer, stored)
        return stored.digest != b"" and digest_of(file) == stored.digest


def known_digest(file: File, site: Site) -> bytes:
    """Return the digest of the content as far as it is known without reading that; b"" where it is not."""
    seen = look(file, site)
    if seen.pointer is None or seen.state in _NOBODY_KNOWS or not _is_proved(file, seen, seen.pointer, site):
        return b""
    return seen.pointer.digest


def made_of(tree: Filesystem, path: bytes, stored: Stored, site: Site) -> int | None:
    """Return the inode at `path` if it still is the file made of the object, unchanged since; else None."""
    there = present(tree, path)
    if there is None or there.kind is not Kind.FILE:
        return None
    with tree.open(path) as file:
        seen = look(file, site)
        if seen.pointer is None or seen.pointer.uuid != stored.uuid or not same_object(seen.pointer, stored):
            return None
        return file.entry.inode if _is_proved(file, seen, seen.pointer, site) else None


def is_hollow(tree: Filesystem, path: bytes, site: Site) -> bool:
    """Say whether the file at `path` lacks its bytes."""
    with tree.open(path) as file:
        return look(file, site).state in HOLLOW


@contextmanager
def held(tree: Filesystem, there: Entry, site: Site) -> Iterator[Local]:
    """Hold a file that was seen, under its lock.

    Raises:
        Changed: what is there is not what was seen.
    """
    with tree.locked(there.path) as inode, tree.open(there.path, inode=inode) as file:
        now = file.entry
        if (now.inode, now.size, now.mtime_ns) != (there.inode, there.size, there.mtime_ns):
            raise Changed(f"{display(there.path)}: was changed by somebody else; it was left as it is")
        yield Local(file, look(file, site))


def _is_proved(file: File, seen: Seen, pointer: Pointer, site: Site) -> bool:
    """Say whether the content is that of the object that the pointer tells of."""
    return seen.state in HOLLOW or (seen.state is State.PREMIGRATED and unchanged(file, pointer, site))
