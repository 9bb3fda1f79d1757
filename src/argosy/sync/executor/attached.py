"""User xattrs and ACLs on their way from one side to the other.

An operation tells them by the digest that the scan made of them; so that is how they travel, too: whoever is sent some
finds out by the digest whether they are those, and what a million files have alike travels once.
"""

import errno
from typing import Final

import msgspec

from argosy.core.errors import Corrupt
from argosy.core.ready import ready
from argosy.filesystems._posix import inode
from argosy.filesystems._posix.seal import is_ours
from argosy.snapshots.attributes import Xattr, digest

Attached = tuple[Xattr, ...]

_NONE: Final = {errno.EOPNOTSUPP, errno.ENODATA}


def read(descriptor: int) -> Attached:
    """Return what is attached to an open file or directory, but for what is Argosy's own."""
    try:
        return inode.read(descriptor).xattrs
    except OSError as error:
        if error.errno not in _NONE:
            raise
        return ()


def digest_of(descriptor: int) -> bytes | None:
    """Return what an index says of what is attached."""
    return digest(read(descriptor))


def packed(attached: Attached) -> bytes:
    """Return it as bytes, the same whatever its order."""
    return msgspec.msgpack.encode(sorted(attached))


def unpacked(data: bytes, known_as: bytes) -> Attached:
    """Return what has the digest.

    Raises:
        Corrupt: these bytes say something else.
    """
    try:
        attached = msgspec.msgpack.decode(data, type=ready(Attached))
    except msgspec.MsgspecError as error:
        raise Corrupt("attributes that were sent cannot be read: run the sync again") from error
    if digest(attached) != known_as or any(_is_foreign(name) for name, _ in attached):
        raise Corrupt("attributes that were sent are not those that were scanned: run the sync again")
    return attached


def _is_foreign(name: bytes) -> bool:
    """Say whether no scan counts it, so that the digest proves nothing of it, or whether it is Argosy's own."""
    return is_ours(name) or digest([(name, b"")]) is None
