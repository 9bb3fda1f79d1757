"""What is attached to an entry, in 16 bytes; and what a stub says of its content."""

import struct
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import blake3

from argosy.core.entry import ACLS
from argosy.core.errors import ArgosyError
from argosy.core.moments import moment
from argosy.core.pointer import Binding, Pointer, StubState

SIZE: Final = 16
_LEFT: Final = 0x80
_HEAD: Final = struct.Struct("=HI")
_LENGTHS: Final = struct.Struct(">II")
_OURS: Final = b"trusted.argosy"
"""The one of Argosy's that nobody but root can have written."""
_POINTERS: Final = frozenset({_OURS, b"user.argosy"})

Xattr = tuple[bytes, bytes]


class Held(NamedTuple):
    """The file that an extra is of."""

    binding: Binding
    size: int
    mtime_ns: int


def digest(xattrs: Iterable[Xattr]) -> bytes | None:
    """Return BLAKE3 of the user's xattrs and ACLs among them, whatever their order; None where there are none.

    Of each: length of name and value (4 bytes each, big-endian), name, value.
    """
    return _digest_of(each for each in xattrs if each[0] in ACLS or _is_users(each[0]))


def pointer(xattrs: Iterable[Xattr]) -> bytes | None:
    """Return BLAKE3, as `digest` does, of what Argosy attached to point to a copy; None where that is nothing."""
    return _digest_of(each for each in xattrs if each[0] in _POINTERS)


def marked(pointer: bytes, *, left: bool) -> bytes:
    """Return what an index has for a pointer: its first bit says that the file has the ctime that this left."""
    first = pointer[0] | _LEFT if left else pointer[0] & ~_LEFT
    return bytes([first]) + pointer[1:]


def _is_users(name: bytes) -> bool:
    return name.startswith(b"user.") and name not in _POINTERS


def _digest_of(xattrs: Iterable[Xattr]) -> bytes | None:
    counted = sorted(xattrs)
    if not counted:
        return None
    whole = blake3.blake3()
    for name, value in counted:
        whole.update(_LENGTHS.pack(len(name), len(value)) + name + value)
    return whole.digest(length=SIZE)


def content(xattrs: Iterable[Xattr], held: Held) -> bytes | None:
    """Return the BLAKE3 of the bytes that a stub stands for, where its attribute is certain about them, else None.

    It is where nobody could write while they were stored, it is no copy of another file's, and the file is as it was
    left since.
    """
    for name, value in xattrs:
        if name == _OURS:
            try:
                pointer = Pointer.decode(value)
            except ArgosyError:
                return None
            return pointer.digest if _is_certain(pointer, held) else None
    return None


def unpacked(extra: bytes) -> Iterator[Xattr]:
    """Yield what a walk found attached; see `linux.tree.Block`."""
    at = 0
    while at < len(extra):
        name, value = _HEAD.unpack_from(extra, at)
        at += _HEAD.size
        yield extra[at : at + name], extra[at + name : at + name + value]
        at += name + value


def _is_certain(pointer: Pointer, held: Held) -> bool:
    stands = pointer.state is StubState.STUB and pointer.clean and any(pointer.digest)
    told = pointer.size, moment(pointer.mtime_ns), pointer.binding
    return stands and told == (held.size, held.mtime_ns, held.binding)
