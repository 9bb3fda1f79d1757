"""What somebody has open for writing is not taken from under him: what he goes on to write would have no name."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from argosy.core.entry import Entry, Kind
from argosy.core.errors import Busy
from argosy.core.paths import display
from argosy.filesystems._posix.opening import regular
from argosy.filesystems._posix.root import Spot, closing
from argosy.linux import leases


@contextmanager
def unwritten(spot: Spot, seen: Entry) -> Iterator[Callable[[], None]]:
    """Take a file from its name in the block; what it yields refuses writers who opened it meanwhile.

    Where the file is not ours, or its filesystem has no leases, nobody knows of any.

    Raises:
        Busy: somebody has it open for writing.
    """
    with ExitStack() as held:
        file = _opened(spot, seen, held)

        def refuse_writers() -> None:
            if file is not None and _is_written(file):
                raise Busy(f"{display(seen.path)}: somebody has it open for writing: it was left as it is")

        refuse_writers()
        yield refuse_writers


def _opened(spot: Spot, seen: Entry, held: ExitStack) -> int | None:
    if seen.kind is not Kind.FILE:
        return None
    try:
        return held.enter_context(closing(regular(spot, seen.path, os.O_RDONLY, seen.inode)))
    except PermissionError:
        return None


def _is_written(file: int) -> bool:
    """Say whether it is: the kernel refuses a read lease then."""
    try:
        leases.take(file, leases.READ)
    except BlockingIOError:
        return True
    except OSError:
        return False
    leases.release(file)
    return False
