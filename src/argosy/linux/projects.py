"""Quota projects. Where a directory hands its project down, the kernel lets nothing of another one be renamed into it.

Its error is EXDEV, as between filesystems. All raise OSError; a filesystem without projects has none.
"""

import fcntl
import struct
from typing import Final

_GET: Final = 0x801C581F
_SET: Final = 0x401C5820
_INHERIT: Final = 0x200
_ATTRIBUTES: Final = struct.Struct("=IIIII8x")
"""Flags, extent size, extents, project, extent size of copies."""


def project(descriptor: int) -> int:
    """Return the number of the project that an open file or directory counts to, 0 for none."""
    return _read(descriptor)[3]


def handed_down(directory: int) -> int | None:
    """Return the project that all must have that comes into an open directory; None where it hands down none."""
    flags, _, _, number, _ = _read(directory)
    return number if flags & _INHERIT else None


def assign(descriptor: int, number: int, *, directory: bool = False) -> None:
    """Have an open file count to the project, or a `directory` with all that will be made in it."""
    flags, size, extents, now, copied = _read(descriptor)
    wanted = flags | _INHERIT if directory else flags
    if (wanted, number) != (flags, now):
        fcntl.ioctl(descriptor, _SET, _ATTRIBUTES.pack(wanted, size, extents, number, copied))


def _read(descriptor: int) -> tuple[int, int, int, int, int]:
    buffer = bytearray(_ATTRIBUTES.size)
    try:
        fcntl.ioctl(descriptor, _GET, buffer)
    except OSError:
        return 0, 0, 0, 0, 0
    return _ATTRIBUTES.unpack(buffer)
