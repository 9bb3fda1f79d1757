"""Entries, as `stat` describes them."""

import os
import stat
import time
from typing import Final

import msgspec

from argosy.core.entry import Entry, Facts, Kind
from argosy.core.moments import moment
from argosy.core.pointer import Binding
from argosy.linux.identity import filesystem_id, generation, subvolume_id
from argosy.linux.statx import Statx, statx

_FILE: Final = Kind.FILE
_KINDS: Final = {stat.S_IFREG: (_FILE, True), stat.S_IFDIR: (Kind.DIRECTORY, False), stat.S_IFLNK: (Kind.SYMLINK, True)}
_OTHER: Final = (Kind.OTHER, False)
_ONE_NAME: Final = Facts()
_PLACE_KEPT_FOR: Final = 5.0
_PLACES_KEPT: Final = 1000
_PLACES: Final[dict[tuple[int, int, int], tuple[float, tuple[bytes, int]]]] = {}


def entry_of(path: bytes, found: os.stat_result) -> Entry:
    """Return the entry; only files and symlinks have a size, only files have links."""
    # Every entry of every scan comes through here: members of an enum are slow to reach and to hash.
    kind, sized = _KINDS.get(stat.S_IFMT(found.st_mode), _OTHER)
    links = found.st_nlink
    return Entry(
        path=path,
        kind=kind,
        size=found.st_size if sized else 0,
        mtime_ns=found.st_mtime_ns,
        ctime_ns=found.st_ctime_ns,
        inode=found.st_ino,
        facts=_ONE_NAME if links == 1 or kind is not _FILE else Facts(links=links),
    )


def same(found: os.stat_result, seen: Entry) -> bool:
    """Say whether this still is what was seen, or what an index tells of it: kind, inode, size and mtime."""
    now = entry_of(seen.path, found)
    alike = (now.kind, now.inode, now.size) == (seen.kind, seen.inode, seen.size)
    return alike and moment(now.mtime_ns) == moment(seen.mtime_ns)


def with_extents(entry: Entry, extents: tuple[tuple[int, int], ...] | None) -> Entry:
    """Return the entry knowing where its data is."""
    if extents is None:
        return entry
    return msgspec.structs.replace(entry, facts=msgspec.structs.replace(entry.facts, extents=extents))


def binding_of(descriptor: int) -> Binding:
    """Return which inode is open.

    Where a filesystem keeps no birth times, its generation stands for one, below 0: a new inode must not be taken for
    an old one that had its number. A filesystem that tells neither (NFS) has 0.
    """
    known = statx(descriptor)
    filesystem, subvolume = _place_of(descriptor, known)
    born_ns = known.born_ns or -generation(descriptor)
    return Binding(filesystem=filesystem, subvolume=subvolume, inode=known.inode, born_ns=born_ns)


def _place_of(descriptor: int, known: Statx) -> tuple[bytes, int]:
    """Return filesystem and subvolume; of a mount that no other is called as, that is asked for once in a while.

    A device number alone would not do: the next disk that is mounted may have it, or the next subvolume that is made.
    So which subvolume it is is asked for each time, where there are any.
    """
    now, key = time.monotonic(), (*known.device, known.mount)
    found = _PLACES.get(key) if known.lasting else None
    if found is None or found[0] < now:
        if len(_PLACES) > _PLACES_KEPT:
            _PLACES.clear()
        place = (filesystem_id(descriptor), subvolume_id(descriptor, known))
        _PLACES[key] = found = (now + _PLACE_KEPT_FOR, place)
    filesystem, subvolume = found[1]
    return filesystem, subvolume_id(descriptor, known) if subvolume else 0


def binding_at(descriptor: int, place: tuple[bytes, int]) -> Binding:
    """Return which inode is open, with O_PATH at least, on a filesystem and subvolume that are known."""
    known = statx(descriptor)
    return Binding(filesystem=place[0], subvolume=place[1], inode=known.inode, born_ns=known.born_ns)
