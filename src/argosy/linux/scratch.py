"""Directories for what is needed on the way; those of processes that were killed are removed by the next."""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

PREFIX: Final = "argosy-scratch-"
_SETTLED_S: Final = 60.0
"""A younger directory may be one that its process has not locked yet."""
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def scratch(above: Path | None) -> Iterator[Path]:
    """Yield a new directory of ours alone, below that one or the system's; it is gone afterwards.

    Raises:
        OSError: none can be made there.
    """
    _sweep(Path(above or tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=PREFIX, dir=above) as folder:
        descriptor = os.open(folder, _DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield Path(folder)
        finally:
            os.close(descriptor)


def _sweep(above: Path) -> None:
    for each in above.glob(f"{PREFIX}*"):
        with suppress(OSError):  # it went meanwhile, or is in use
            _remove_dead(each)


def _remove_dead(folder: Path) -> None:
    descriptor = os.open(folder, _DIRECTORY)
    try:
        found = os.fstat(descriptor)
        if found.st_uid == os.geteuid() and time.time() - found.st_ctime > _SETTLED_S:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder)
    finally:
        os.close(descriptor)
