"""Mode, owner, times, user xattrs and ACLs of an open inode: read, and given.

Given in an order in which nothing undoes what came before: the owner first, because a change of owner clears set-uid
and set-gid; then xattrs and ACLs, because a read-only mode would forbid them to an unprivileged agent; then the mode;
the mtime last. As rsync does it, an agent that is not root gives a file to its owner or group only where it may, and
is content otherwise; a file that stays ours does not get the set-uid bit, one that stays our group's not set-gid.
"""

import errno
import grp
import os
import pwd
import stat
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Final

import msgspec

from argosy.core.entry import ACLS, Attributes
from argosy.filesystems._posix.seal import is_ours
from argosy.linux.capabilities import CHOWN, FSETID, effective

_NAMES_KEPT_FOR: Final = 300
_BITS: Final = 0o7777
_CAPABILITY: Final = b"security.capability"
_ABSENT: Final = {errno.ENODATA, errno.EOPNOTSUPP}


def read(descriptor: int) -> Attributes:
    """Return the attributes of an open file or directory."""
    found = os.fstat(descriptor)
    return of_stat(found, tuple((name, os.getxattr(descriptor, name)) for name in _carried(descriptor)))


def of_stat(found: os.stat_result, xattrs: tuple[tuple[bytes, bytes], ...] = ()) -> Attributes:
    """Return the attributes; a symlink can have no others than `stat` tells."""
    span = int(time.monotonic() // _NAMES_KEPT_FOR)
    return Attributes(
        mode=found.st_mode & _BITS,
        uid=found.st_uid,
        gid=found.st_gid,
        user=_user(found.st_uid, span),
        group=_group(found.st_gid, span),
        mtime_ns=found.st_mtime_ns,
        xattrs=xattrs,
    )


def same(one: Attributes, other: Attributes) -> bool:
    """Say whether nothing differs but, perhaps, what people call the owners."""
    return _nameless(one) == _nameless(other)


def dress(descriptor: int, attributes: Attributes) -> None:
    """Give an open file or directory exactly these attributes."""
    dress_but_time(descriptor, attributes)
    os.utime(descriptor, ns=(os.fstat(descriptor).st_atime_ns, attributes.mtime_ns))


def dress_but_time(descriptor: int, attributes: Attributes) -> None:
    """Give an open file or directory these attributes, and leave its mtime as it is."""
    bits = give_away(descriptor, attributes)
    for name in set(_carried(descriptor)) - {name for name, _ in attributes.xattrs}:
        os.removexattr(descriptor, name)
    for name, value in attributes.xattrs:
        os.setxattr(descriptor, name, value)
    os.fchmod(descriptor, attributes.mode & bits)


def dress_symlink(opened: int, attributes: Attributes) -> None:
    """Give a symlink that is open as a path what a symlink can have: owner and mtime."""
    itself, mtime = b"/proc/self/fd/%d" % opened, attributes.mtime_ns
    if effective(CHOWN):
        os.chown(itself, attributes.uid, attributes.gid)
    os.utime(itself, ns=(mtime, mtime))


def same_symlink(one: Attributes, other: Attributes) -> bool:
    """Say whether nothing differs that `dress_symlink` would change."""
    owned = not effective(CHOWN) or (one.uid, one.gid) == (other.uid, other.gid)
    return owned and one.mtime_ns == other.mtime_ns


def give_away(descriptor: int, attributes: Attributes) -> int:
    """Give the file to its owner; return the mode bits that it may now have."""
    if effective(CHOWN):
        os.fchown(descriptor, attributes.uid, attributes.gid)
        return _BITS
    bits = _BITS
    if not _allowed(lambda: os.fchown(descriptor, attributes.uid, -1)):
        bits &= ~stat.S_ISUID
    if not _allowed(lambda: os.fchown(descriptor, -1, attributes.gid)):
        bits &= ~stat.S_ISGID
    return bits


def has_capabilities(descriptor: int) -> bool:
    """Say whether a program run from the file gets capabilities, whatever it is opened for."""
    try:
        os.getxattr(b"/proc/self/fd/%d" % descriptor, _CAPABILITY)
    except OSError as error:
        if error.errno in _ABSENT:
            return False
        raise
    return True


def loses_rights(descriptor: int) -> bool:
    """Say whether its kernel takes rights from the file when blocks are freed: capabilities, and set-id bits."""
    mode = os.fstat(descriptor).st_mode
    marked = bool(mode & stat.S_ISUID) or mode & (stat.S_ISGID | stat.S_IXGRP) == stat.S_ISGID | stat.S_IXGRP
    return has_capabilities(descriptor) or (marked and not effective(FSETID))


def _allowed(change: Callable[[], None]) -> bool:
    try:
        change()
    except PermissionError:
        return False
    return True


def _carried(descriptor: int) -> list[bytes]:
    try:
        names = sorted(os.fsencode(name) for name in os.listxattr(descriptor))
    except OSError as error:
        if error.errno == errno.EOPNOTSUPP:
            return []
        raise
    return [name for name in names if name in ACLS or (name.startswith(b"user.") and not is_ours(name))]


def _nameless(attributes: Attributes) -> Attributes:
    return msgspec.structs.replace(attributes, user="", group="")


@lru_cache(maxsize=4096)
def _user(uid: int, _span: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return ""


@lru_cache(maxsize=4096)
def _group(gid: int, _span: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return ""


def rights(descriptor: int) -> Attributes:
    """Return who may do what with an open file or directory: mode, owner, ACLs, and its mtime."""
    found = read(descriptor)
    return msgspec.structs.replace(found, user="", group="", xattrs=tuple(sorted(found.acls)))


def bare(directory: int) -> None:
    """Take from a directory what it inherited of the one it was made in."""
    for name in set(_carried(directory)) & ACLS:
        os.removexattr(directory, name)
