"""Which copy was made of a file with further names: other names of that file become further names of the copy.

So names of one file that go in one go, or come back, stay such, and take the room of one. This is a memory of this
process, and no more: of what is forgotten, or is not as it was then, another copy is made.
"""

import contextlib
import os
import threading
from collections import OrderedDict
from typing import Final, NamedTuple

from argosy.filesystems._posix.root import Spot, closing
from argosy.linux.cloning import same_bytes

_READING: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
_REMEMBERED: Final = 4096

Key = tuple[bytes, str, int]
"""Root, go, and inode of the file."""
_Version = tuple[int, int, int, int]


class _Twin(NamedTuple):
    path: bytes
    own: _Version
    source: _Version


_known: Final[OrderedDict[Key, _Twin]] = OrderedDict()
_door: Final = threading.Lock()
_turns: Final = tuple(threading.Lock() for _ in range(64))


def turn(key: Key | None) -> contextlib.AbstractContextManager[object]:
    """Return what has names of one file take turns in a go: the second finds what became of the first."""
    return contextlib.nullcontext() if key is None else _turns[hash(key) % len(_turns)]


def is_known(key: Key | None) -> bool:
    """Say whether a copy is remembered."""
    return key in _known


def remember(key: Key, source: int, place: Spot) -> None:
    """Know that the copy of the open file lies there."""
    found = os.fstat(source)
    path = b"%s/%s" % (os.readlink(b"/proc/self/fd/%d" % place.directory), place.name)
    with _door, contextlib.suppress(FileNotFoundError):
        _known.pop(key, None)
        if found.st_nlink:
            _known[key] = _Twin(path, _version(place.stat()), _version(found))
            while len(_known) > _REMEMBERED:
                _known.popitem(last=False)


def link(key: Key | None, source: int, made: Spot) -> bool:
    """Give the copy a further name, if file and copy are still alike; say whether it has it."""
    twin = None if key is None else _known.get(key)
    if twin is None or twin.source != _version(os.fstat(source)):
        return False
    with contextlib.suppress(OSError), closing(os.open(twin.path, _READING)) as copy:
        if _version(os.fstat(copy)) == twin.own and same_bytes(source, copy):
            os.link(b"/proc/self/fd/%d" % copy, made.name, dst_dir_fd=made.directory, follow_symlinks=True)
            return True
    return False


def _version(found: os.stat_result) -> _Version:
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
