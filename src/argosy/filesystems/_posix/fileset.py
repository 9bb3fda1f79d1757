"""The marker of a fileset: an attribute of its top directory that says which fileset it is, and of which inode.

Layout (big-endian): version 1 B, id 16 B, number 4 B, filesystem uuid 16 B, subvolume 8 B, inode 8 B, birth time ns 8 B
(signed). It is written whole, and believed of the directory it was written for only.
"""

import os
import struct
from typing import Final, NamedTuple

from argosy.core.errors import Changed, Corrupt, Unsupported
from argosy.core.failpoints import failpoint
from argosy.core.paths import below, display
from argosy.core.pointer import Binding
from argosy.filesystems._posix.entry import binding_of
from argosy.filesystems._posix.errors import translated
from argosy.filesystems._posix.root import Root, closing
from argosy.filesystems._posix.seal import Seal
from argosy.linux.handles import handle_of, open_handle
from argosy.linux.openat2 import DIRECTORY
from argosy.linux.syncing import fsync

VERSION: Final = 1
_NAME: Final = b"fileset"
_LAYOUT: Final = struct.Struct(">B16sI16sQQq")


class Mark(NamedTuple):
    """What a marker says."""

    id: str
    number: int
    binding: Binding
    """Of the directory that it was written for."""


class Top(NamedTuple):
    """A directory that is, or may become, the top of a fileset."""

    binding: Binding
    handle: bytes
    """What opens it under any name; b"" where nothing does."""
    mark: Mark | None
    """Its marker, whichever directory that was written for."""


def top_at(root: Root, seal: Seal, path: bytes) -> Top:
    """Return the directory at the path and its marker.

    Raises:
        NotFound: there is none.
        Corrupt: the marker cannot be read, or its MAC does not fit.
        Unsupported: a newer Argosy wrote it.
    """
    with translated(path), root.opened(path, DIRECTORY) as directory:
        value = seal.noted(directory, _NAME)
        return Top(binding_of(directory), handle_of(directory), None if value is None else _decoded(value, path))


def mark(root: Root, seal: Seal, path: bytes, given: Mark) -> None:
    """Give the directory this marker, durably; another that lies at the path meanwhile gets none.

    Raises:
        Changed: another lies there.
        Unsupported: the filesystem keeps no attributes.
    """
    with translated(path), root.opened(path, DIRECTORY) as directory:
        if binding_of(directory) != given.binding:
            raise Changed(f"{display(path)}: is another directory than a moment ago")
        seal.note(directory, _NAME, _encoded(given))
        failpoint("fileset:mark")
        fsync(directory)


def path_now(root: Root, handle: bytes, binding: Binding) -> bytes | None:
    """Return where beneath the root the directory lies that had the handle; None where that cannot be told.

    `binding`: which one it is, for the handle may be that of another filesystem.
    """
    with translated(root.path), root.top(DIRECTORY) as top:
        try:
            with closing(open_handle(handle, top, DIRECTORY)) as found:
                path = os.readlink(b"/proc/self/fd/%d" % found)
                is_it = bool(os.fstat(found).st_nlink) and binding_of(found) == binding
                return path if is_it and below(path, root.path) else None
        except OSError:  # it is no more, or we may not open by handle
            return None


def _encoded(given: Mark) -> bytes:
    bound = given.binding
    place = (bound.filesystem, bound.subvolume, bound.inode, bound.born_ns)
    return _LAYOUT.pack(VERSION, bytes.fromhex(given.id), given.number, *place)


def _decoded(value: bytes, path: bytes) -> Mark:
    if value[:1] > bytes([VERSION]):
        raise Unsupported(f"{display(path)}: its marker is of version {value[0]}: this Argosy reads {VERSION}")
    try:
        _, ident, number, filesystem, subvolume, inode, born_ns = _LAYOUT.unpack(value)
    except struct.error as error:
        remedy = "remove that attribute (argosy.fileset), see whether it is the right directory, and adopt it"
        raise Corrupt(f"{display(path)}: its marker was cut or changed: {remedy}") from error
    bound = Binding(filesystem=filesystem, subvolume=subvolume, inode=inode, born_ns=born_ns)
    return Mark(ident.hex(), number, bound)
