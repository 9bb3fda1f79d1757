"""How the interpreter of an agent's process works: many threads, each waiting for a kernel most of the time."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

SWITCH: Final = 0.0005
"""Seconds a thread may keep the interpreter while others wait: a tenth of the usual sent 64 KiB files 8 % faster."""
OBJECTS: Final = 10_000
"""New objects after which cycles among them are looked for; what was imported is not looked through again."""


@contextmanager
def tuned() -> Iterator[None]:
    """Have threads take turns often, and cycles be looked for seldom, and never in what is there now.

    At the end all is looked through again: libraries complain of what the interpreter leaves behind.
    """
    sys.setswitchinterval(SWITCH)
    gc.freeze()
    gc.set_threshold(OBJECTS, 20, 50)
    try:
        yield
    finally:
        gc.unfreeze()
