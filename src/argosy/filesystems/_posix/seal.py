"""Argosy's own attributes on an inode: out of users' reach where we are privileged, sealed with a MAC where not."""

import contextlib
import errno
import hmac
import os
from dataclasses import dataclass
from typing import Final

import blake3

from argosy.core.errors import Corrupt, Invalid
from argosy.core.pointer import Binding, Pointer
from argosy.linux.capabilities import SYS_ADMIN, effective

_OURS: Final = b"argosy"
_TRUSTED: Final = b"trusted." + _OURS
_SEALED: Final = b"user." + _OURS
_MADE: Final = b".made"
_ORIGIN: Final = b".origin"
_STANDS: Final = b".stands"
_MAC: Final = 32
_ABSENT: Final = {errno.ENODATA, errno.EOPNOTSUPP}
_NO_ROOM: Final = {errno.ENOSPC, errno.EDQUOT, errno.E2BIG, errno.ERANGE}


class Forged(Corrupt):
    """The MAC of an attribute does not fit: anybody may have written it, and no agent of this site has."""

    code = "forged"


@dataclass(frozen=True, slots=True)
class Seal:
    """`trusted.argosy` where we have CAP_SYS_ADMIN, else `user.argosy` with a keyed BLAKE3 behind the value.

    With CAP_SYS_ADMIN what an agent without it left is believed as well, where its MAC fits.
    """

    key: bytes = b""

    def read(self, descriptor: int, binding: Binding) -> Pointer | None:
        """Return what the inode says of itself; None where it says nothing or was copied from another.

        Raises:
            Corrupt: it cannot be read, or the MAC does not fit.
        """
        pointer = self.said(descriptor)
        return pointer if pointer is not None and pointer.binding == binding else None

    def said(self, descriptor: int | bytes) -> Pointer | None:
        """Return what the inode, open or named, says of itself or of the one it was copied from.

        Raises:
            Corrupt: as `read`.
        """
        if not _privileged():
            value = _get(descriptor, _SEALED)
            return None if value is None else Pointer.decode(self._opened(value))
        value = _get(descriptor, _TRUSTED)
        return self._left(descriptor) if value is None else Pointer.decode(value)

    def write(self, descriptor: int, pointer: Pointer) -> None:
        """Write the value whole; one in the other's place goes last, and is not believed while both are there."""
        value = pointer.encode()
        if _privileged():
            os.setxattr(descriptor, _TRUSTED, value)
            _remove(descriptor, _SEALED)
        else:
            os.setxattr(descriptor, _SEALED, value + self._mac(value))

    def remove(self, descriptor: int) -> None:
        """Make sure there is none; the one that is believed goes last, for the other may be older."""
        _remove(descriptor, _SEALED)
        if _privileged():
            _remove(descriptor, _TRUSTED)

    def noted(self, descriptor: int, what: bytes) -> bytes | None:
        """Return what was noted of an open directory under a name of ours; None where nothing was.

        Raises:
            Corrupt: the MAC does not fit.
        """
        if _privileged() and (value := _get(descriptor, _TRUSTED + b"." + what)) is not None:
            return value
        value = _get(descriptor, _SEALED + b"." + what)
        if value is None or (_privileged() and not self.key):
            return None
        try:
            return self._opened(value, what)
        except Forged:
            if _privileged():
                return None
            raise

    def note(self, descriptor: int, what: bytes, value: bytes) -> None:
        """Note something of an open directory, whole; as `write`."""
        if _privileged():
            os.setxattr(descriptor, _TRUSTED + b"." + what, value)
            _remove(descriptor, _SEALED + b"." + what)
        else:
            os.setxattr(descriptor, _SEALED + b"." + what, value + self._mac(what + value))

    def _left(self, descriptor: int | bytes) -> Pointer | None:
        """Return what an agent without privileges left; what is not sealed by this site is nothing."""
        value = _get(descriptor, _SEALED) if self.key else None
        try:
            return None if value is None else Pointer.decode(self._opened(value))
        except Corrupt:
            return None

    def _opened(self, value: bytes, what: bytes = b"") -> bytes:
        content, mac = value[:-_MAC], value[-_MAC:]
        if not hmac.compare_digest(mac, self._mac(what + content)):
            raise Forged("the file's attribute was not written by this site, or was changed since")
        return content

    def _mac(self, value: bytes) -> bytes:
        if len(self.key) < 16:
            raise Invalid("an agent without CAP_SYS_ADMIN needs a key of 16 bytes or more to seal attributes with")
        return blake3.blake3(value, key=blake3.blake3(self.key).digest()).digest()


def is_ours(attribute: bytes) -> bool:
    """Say whether the attribute is Argosy's."""
    _, _, rest = attribute.partition(b".")
    return rest == _OURS or rest.startswith(_OURS + b".")


def mark_made(directory: int, said: bytes = b"") -> None:
    """Note that the directory was made for want of better; without xattrs it keeps what it was made with.

    `said`: what is to be known of the one it stands for, if there is room for that.
    """
    try:
        os.setxattr(directory, _name() + _MADE, said)
    except OSError as error:
        if said and error.errno in _NO_ROOM:
            mark_made(directory)
        elif error.errno != errno.EOPNOTSUPP:
            raise


def is_marked(directory: int) -> bool:
    """Say whether the directory was made for want of better."""
    return said_of_made(directory) is not None


def said_of_made(directory: int) -> bytes | None:
    """Return what was said of a directory that was made for want of better; None where it was not."""
    return _get(directory, _name() + _MADE)


def can_be_marked(directory: int) -> bool:
    """Say whether the filesystem keeps marks at all."""
    try:
        os.getxattr(directory, _name() + _MADE)
    except OSError as error:
        return error.errno != errno.EOPNOTSUPP
    return True


def unmark(directory: int) -> None:
    """Note that the directory is now as it should be."""
    _remove(directory, _name() + _MADE)


def mark_origin(directory: int, origin: bytes) -> None:
    """Note of which directory this one is a copy."""
    os.setxattr(directory, _name() + _ORIGIN, origin)


def origin(directory: int) -> bytes | None:
    """Return of which directory this one is a copy; None where it is of none, or somebody else could have said so."""
    if not _privileged() and os.fstat(directory).st_uid != os.geteuid():
        return None
    return _get(directory, _name() + _ORIGIN)


def mark_stands(directory: int, said: bytes) -> None:
    """Note for which directory of another site this one stands; without room or xattrs it is not known."""
    with contextlib.suppress(OSError):
        os.setxattr(directory, _name() + _STANDS, said)


def stands(directory: int) -> bytes | None:
    """Return for which directory this one stands; None where that is not known, or others could have said so."""
    if not _privileged() and os.fstat(directory).st_uid != os.geteuid():
        return None
    return _get(directory, _name() + _STANDS)


def _privileged() -> bool:
    return effective(SYS_ADMIN)


def _name() -> bytes:
    return _TRUSTED if _privileged() else _SEALED


def _get(descriptor: int | bytes, name: bytes) -> bytes | None:
    try:
        return os.getxattr(descriptor, name)
    except OSError as error:
        if error.errno in _ABSENT:
            return None
        raise


def _remove(descriptor: int, name: bytes) -> None:
    """Make sure there is none; a full XFS would refuse to remove even one that is not there."""
    if _get(descriptor, name) is None:
        return
    try:
        os.removexattr(descriptor, name)
    except OSError as error:
        if error.errno not in _ABSENT:
            raise
