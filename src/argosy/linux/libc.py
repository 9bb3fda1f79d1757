"""The C library, and its way of saying that something went wrong."""

import ctypes
import os
from typing import Final

LIBC: Final = ctypes.CDLL(None, use_errno=True)


def checked(result: int) -> int:
    """Return what a call answered.

    Raises:
        OSError: it answered -1; errno says why.
    """
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
