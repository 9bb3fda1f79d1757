"""Where an executor keeps its own: `.argosy/sync/FILESET` below the root, on the filesystem of the fileset itself.

lock        held by the process that works there
journal     a file for each run that is not over: what it was about to take from its name
parked      what has no name for a moment
displaced   what is about to change places with something, and afterwards what had that place
staged      for each run: contents and attributes that wait to be applied
undo        for each run: what it took from names, as long as the shelves keep that
"""

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Self

from argosy.core.faults import FilesetRefused, Occupied, OtherFilesystem
from argosy.core.paths import below as is_below
from argosy.core.paths import display, join
from argosy.core.paths import relative as beneath
from argosy.filesystems._posix.errors import translated
from argosy.filesystems._posix.root import SYNC, Root, closing, make_private
from argosy.filesystems._posix.seal import Seal
from argosy.linux.openat2 import DIRECTORY
from argosy.linux.statx import statx
from argosy.sync.planner.trees import Binding

_LOCK: Final = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


class Area:
    """The fileset of one side, its top open, and what is kept for its syncs. Close it; it is a context manager."""

    def __init__(self, root: Root, path: bytes, fileset: str, binding: Binding, *, seal: Seal) -> None:
        """Open the top of the fileset at the path, which is to be the directory of that binding.

        Raises:
            NotFound, Denied: it is not there, or not ours.
            FilesetRefused: another directory lies there.
            OtherFilesystem: its root lies on another filesystem or subvolume: nothing could be renamed from there.
        """
        self.root, self.path, self.fileset, self.binding, self.seal = root, path, fileset, binding, seal
        with contextlib.ExitStack() as held, translated(path):
            self.top = self._kept(held, root.opened(path, DIRECTORY))
            self.home = self._kept(held, closing(self._home()))
            self.parked = self._kept(held, closing(make_private(self.home, [b"parked"])))
            self.displaced = self._kept(held, closing(make_private(self.home, [b"displaced"])))
            self.journal = self._kept(held, closing(make_private(self.home, [b"journal"])))
            self._check()
            self._held = held.pop_all()

    def _kept(self, held: contextlib.ExitStack, descriptor: contextlib.AbstractContextManager[int]) -> int:
        return held.enter_context(descriptor)

    def _home(self) -> int:
        with closing(self.root.private(SYNC)) as all_of_them:
            return make_private(all_of_them, [self.fileset.encode()])

    def _check(self) -> None:
        top, own = statx(self.top), statx(self.home)
        if (top.inode, top.born_ns) != (self.binding.inode, max(self.binding.born_ns, 0)):
            raise FilesetRefused(
                f"{display(self.path)}: another directory lies there than the one that was scanned: see "
                "`argosy fileset check`, and run this again"
            )
        if (top.device, top.mount) != (own.device, own.mount):
            raise OtherFilesystem(
                f"{display(self.path)}: lies on another filesystem or subvolume than its root "
                f"{display(self.root.path)}: have the site's roots name it, and in the place of that root the "
                "directories beside it"
            )

    def absolute(self, path: bytes) -> bytes:
        """Return the path of what lies at this one below the top."""
        return join(self.path, path)

    def below_root(self, path: bytes) -> bytes:
        """Return the path below the root of what lies at this one below the top.

        Raises:
            Denied: it is Argosy's own.
        """
        return self.root.below(self.absolute(path))

    def below_top(self, path: bytes) -> bytes | None:
        """Return the path below the top of what lies at an absolute one; None where that is elsewhere."""
        return beneath(path, self.path) if is_below(path, self.path) else None

    @contextmanager
    def owned(self) -> Iterator[None]:
        """Be the only one who applies anything here.

        Raises:
            Occupied: somebody is already.
        """
        with translated(self.path), closing(os.open(b"lock", _LOCK, 0o600, dir_fd=self.home)) as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno != errno.EWOULDBLOCK:
                    raise
                raise Occupied(f"{display(self.path)}: another sync of this fileset is being applied") from error
            yield

    def staged(self, run: str) -> int:
        """Return a descriptor of where contents of the run are staged, made on demand."""
        return make_private(self.home, [b"staged", run.encode()])

    def close(self) -> None:
        """Let go of all that is open; harmless when repeated."""
        self._held.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
