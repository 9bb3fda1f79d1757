"""What a side of a sync says of itself: by how much its clock is off, and what its filesystem makes of names."""

import contextlib
import errno
import os
import time
from typing import Final, NamedTuple, Protocol

from argosy.agent.hub import Hub
from argosy.core.syncing import LONGEST_NAME, Circumstances
from argosy.filesystems._posix.root import closing, make_private
from argosy.linux.casefolding import folds_case
from argosy.sync.executor.area import Area

_TRIES: Final = 3
"""How often the hub is asked what time it is: the answer that came soonest says it best."""
_NAME: Final = "Probe-\u00e9".encode()
_OTHER_CASE: Final = "probe-\u00e9".encode()
_DECOMPOSED: Final = "Probe-e\u0301".encode()
_NO_TEXT: Final = b"Probe-\xff"
_DOUBTFUL: Final = b'"*:<>?|\\'
"""What filesystems of other systems do not take."""
_REFUSED: Final = {errno.EINVAL, errno.EILSEQ, errno.ENOENT}
_LINK: Final = b"link"
_MODE: Final = os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW


class Names(Protocol):
    """A directory of which is found out what it makes of names."""

    def make(self, name: bytes) -> bool:
        """Have there be a file of the name; say whether that can be."""

    def has(self, name: bytes) -> bool:
        """Say whether there is one."""

    def link(self, name: bytes, other: bytes) -> bool:
        """Give it another name as well; say whether that can be."""

    def remove(self, name: bytes) -> None:
        """Have there be none; harmless when repeated."""


class Found(NamedTuple):
    """What a directory makes of names."""

    case_insensitive: bool
    normalising: bool
    hard_links: bool
    forbidden: bytes
    text_only: bool


def circumstances(area: Area, hub: Hub) -> Circumstances:
    """Return what is so at the fileset now.

    Raises:
        Unavailable: the hub cannot be reached.
    """
    with closing(make_private(area.home, [b"probe"])) as directory:
        found = probed(_Directory(directory))
    folds = folds_case(area.top)
    return Circumstances(
        clock_off_ns=clock_off(hub),
        case_insensitive=found.case_insensitive or folds,
        normalising=found.normalising or folds,
        hard_links=found.hard_links,
        forbidden=found.forbidden,
        text_only=found.text_only,
        longest_name=min(LONGEST_NAME, os.statvfs(area.top).f_namemax),
    )


def probed(names: Names) -> Found:
    """Return what a directory makes of names; nothing is left in it."""
    forbidden = bytes(byte for byte in _DOUBTFUL if not _takes(names, b"Probe%cx" % byte))
    text_only = not _takes(names, _NO_TEXT)
    for name in (_NAME, _LINK):
        names.remove(name)
    names.make(_NAME)
    try:
        alike = names.has(_OTHER_CASE), names.has(_DECOMPOSED)
        return Found(*alike, names.link(_NAME, _LINK), forbidden, text_only)
    finally:
        for name in (_NAME, _LINK):
            names.remove(name)


def _takes(names: Names, name: bytes) -> bool:
    if not names.make(name):
        return False
    names.remove(name)
    return True


def clock_off(hub: Hub) -> int:
    """Return by how many ns the clock of this machine may be off the hub's, either way."""
    return min((_asked(hub) for _ in range(_TRIES)), key=lambda asked: asked[0])[1]


def _asked(hub: Hub) -> tuple[int, int]:
    """Return how long the hub took to say what time it is, and by how much our clock may be off; both in ns."""
    ours, began = time.time_ns(), time.monotonic_ns()
    said = hub.clock()
    took = time.monotonic_ns() - began
    return took, abs(said - (ours + took // 2)) + took // 2


class _Directory:
    """One of a filesystem, held open."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def make(self, name: bytes) -> bool:
        try:
            os.close(os.open(name, _MODE, 0o600, dir_fd=self._descriptor))
        except OSError as error:
            if error.errno in _REFUSED:
                return False
            raise
        return True

    def has(self, name: bytes) -> bool:
        try:
            os.stat(name, dir_fd=self._descriptor, follow_symlinks=False)
        except OSError:
            return False
        return True

    def link(self, name: bytes, other: bytes) -> bool:
        try:
            os.link(name, other, src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)
        except OSError:
            return False
        return True

    def remove(self, name: bytes) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._descriptor)
