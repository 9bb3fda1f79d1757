"""Directories below the top, open: reached without following a link, and no further than the filesystem of the top."""

import os
from collections import OrderedDict
from typing import Final

from argosy.core.errors import Changed
from argosy.core.faults import OtherFilesystem
from argosy.core.paths import display
from argosy.filesystems._posix.root import Spot
from argosy.linux.openat2 import DIRECTORY, open_beneath
from argosy.linux.statx import statx
from argosy.sync.executor import seeing
from argosy.sync.planner.trees import Binding

_OPEN: Final = 32


class Directories:
    """Those that were asked for last stay open, until a directory gets another name."""

    def __init__(self, top: int) -> None:
        self._top = top
        self._at = statx(top)
        self._open: OrderedDict[bytes, tuple[int, tuple[int, int]]] = OrderedDict()

    def spot(self, path: bytes, inside: Binding | None) -> Spot:
        """Return where the name is that the path below the top ends with; good until the next call.

        Raises:
            Changed: its directory is not there, or is not the one it should be.
            OtherFilesystem: something is mounted there by now, or it is a subvolume.
        """
        above, _, name = path.rpartition(b"/")
        directory, inode = self._held(above, path)
        if inside is None or inode != (inside.inode, inside.born_ns):
            raise Changed(f"{display(path)}: its directory is another than when it was scanned, or has moved")
        return Spot(directory, name)

    def _held(self, above: bytes, path: bytes) -> tuple[int, tuple[int, int]]:
        held = self._open.get(above)
        if held is None:
            held = self._open[above] = self._opened(above, path)
            if len(self._open) > _OPEN:
                os.close(self._open.popitem(last=False)[1][0])
        self._open.move_to_end(above)
        return held

    def _opened(self, above: bytes, path: bytes) -> tuple[int, tuple[int, int]]:
        try:
            directory = open_beneath(self._top, above, DIRECTORY)
        except OSError as error:
            if error.errno not in seeing.NOT_THERE:
                raise
            raise Changed(f"{display(path)}: its directory is gone, or not there yet") from error
        known = statx(directory)
        if (known.device, known.mount) != (self._at.device, self._at.mount):
            os.close(directory)
            raise OtherFilesystem(f"{display(path)}: lies on another filesystem or subvolume by now: scan again")
        return directory, seeing.look_at(directory).inode

    def forget(self) -> None:
        """Have none open: a directory gets another name, or goes."""
        while self._open:
            os.close(self._open.popitem()[1][0])
