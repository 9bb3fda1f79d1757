"""Entries, as `stat` describes them."""

import os
import stat

import msgspec

from argosy.core.entry import Entry, Facts, Kind
from argosy.core.pointer import Binding
from argosy.linux.identity import filesystem_id, subvolume_id
from argosy.linux.statx import statx

_KINDS = {stat.S_IFREG: Kind.FILE, stat.S_IFDIR: Kind.DIRECTORY, stat.S_IFLNK: Kind.SYMLINK}
_SIZED = {Kind.FILE, Kind.SYMLINK}
_ONE_NAME = Facts()


def entry_of(path: bytes, found: os.stat_result) -> Entry:
    """Return the entry; only files and symlinks have a size, only files have links."""
    kind = _KINDS.get(stat.S_IFMT(found.st_mode), Kind.OTHER)
    return Entry(
        path=path,
        kind=kind,
        size=found.st_size if kind in _SIZED else 0,
        mtime_ns=found.st_mtime_ns,
        ctime_ns=found.st_ctime_ns,
        inode=found.st_ino,
        facts=Facts(links=found.st_nlink) if kind is Kind.FILE and found.st_nlink > 1 else _ONE_NAME,
    )


def same(found: os.stat_result, seen: Entry) -> bool:
    """Say whether this still is what was seen: kind, inode, size and mtime."""
    now = entry_of(seen.path, found)
    return (now.kind, now.inode, now.size, now.mtime_ns) == (seen.kind, seen.inode, seen.size, seen.mtime_ns)


def with_extents(entry: Entry, extents: tuple[tuple[int, int], ...] | None) -> Entry:
    """Return the entry knowing where its data is."""
    if extents is None:
        return entry
    return msgspec.structs.replace(entry, facts=msgspec.structs.replace(entry.facts, extents=extents))


def binding_of(descriptor: int) -> Binding:
    """Return which inode is open; a filesystem that keeps no birth times has 0 there."""
    known = statx(descriptor)
    return Binding(
        filesystem=filesystem_id(descriptor),
        subvolume=subvolume_id(descriptor, known),
        inode=known.inode,
        born_ns=known.born_ns,
    )
