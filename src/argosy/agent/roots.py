"""Which trees the roots of a site are: a mount point without its disk looks like a tree in which nothing is left."""

import os
import tempfile
from collections.abc import Collection
from pathlib import Path

from argosy.core.errors import Denied, Unavailable
from argosy.core.faults import RootUnserved
from argosy.core.paths import display
from argosy.filesystems._posix.identity import Identity, path_of, seal_of
from argosy.filesystems.posix import Posix
from argosy.linux.capabilities import SYS_ADMIN, effective


class Roots:
    """The trees that were ever served at a site: a file for each in the agent's directory, named by identity."""

    def __init__(self, site: str, directory: Path, configured: Collection[bytes]) -> None:
        """`configured`: the roots of the site as its configuration has them now."""
        self._site = site
        self._directory = directory
        self._configured = frozenset(configured)
        directory.mkdir(mode=0o700, exist_ok=True)

    def admit(self, tree: Posix) -> bool:
        """Return when what lies at the root is what always did, or has been given an identity that is remembered.

        Say whether it was never served before, by nobody.

        Raises:
            Unavailable: another tree lies there, or none: its disk is not mounted, perhaps.
            Denied: it holds attributes that this agent cannot read.
        """
        found, privileged = self._recognised(tree), effective(SYS_ADMIN)
        is_new = found is None
        if found is None:
            tree.identify(Identity())
            found = tree.identity() or Identity()  # that of another agent, perhaps, which was first
        self._refuse_unreadable(found, tree, privileged=privileged)
        seal = found.seal if privileged else seal_of(tree.key)
        needed = Identity(id=found.id, privileged=privileged, seal=seal)
        if needed != found:
            tree.identify(needed, replacing=True)
        self._remember(found.id, tree.root)
        return is_new

    def _refuse_unreadable(self, found: Identity, tree: Posix, *, privileged: bool) -> None:
        """To an agent that cannot read what others left, stubs would look like files of zeros with no object."""
        if found.privileged and not privileged:
            raise Denied(
                "an earlier agent had CAP_SYS_ADMIN and left attributes that cannot be read without: run the agent as "
                "root, with that capability"
            )
        if found.seal and found.seal != seal_of(tree.key):
            raise Denied(
                "an earlier agent sealed attributes with another key: put its attribute.key back into "
                f"{self._directory.parent}. If no file has such an attribute, remove {display(path_of(tree.root))}"
            )

    def known(self) -> Collection[str]:
        """Return which trees were served here."""
        return self._known().keys()

    def forget(self, ident: str) -> None:
        """Forget a tree that was served once."""
        (self._directory / ident).unlink(missing_ok=True)

    def retired(self) -> dict[str, bytes]:
        """Return the roots that were served once and that the configuration has no longer, each by its identity."""
        return {ident: root for ident, root in sorted(self._known().items()) if root not in self._configured}

    def expect(self, trees: Collection[Posix]) -> None:
        """Return where these are, right now, all the trees that were ever served.

        Raises:
            Unavailable: one of them lies elsewhere, or nowhere.
        """
        for tree in trees:
            if self._recognised(tree) is None:
                raise RootUnserved(f"root {display(tree.root)} has lost its identity: restart the agent")
        for root in self.retired().values():
            raise RootUnserved(
                f"root {display(root)}, which was served once, is no longer in the configuration: add it again, or, if "
                f"its stubs are needed no more, run `argosy site forget-root {self._site} {display(root)}`"
            )

    def _recognised(self, tree: Posix) -> Identity | None:
        """Return the identity of what lies at the root; None where neither it nor we know of any."""
        found, known = tree.identity(), self._known()
        before = next((ident for ident, root in known.items() if root == tree.root), None)
        if before is not None and (found is None or found.id != before):
            what = "it is empty, or another tree" if found is None else "it is another tree"
            raise RootUnserved(
                f"{what} than the one that was served there before: mount its disk. If it is to be served from now on, "
                f"and the stubs of the other are needed no more, remove {self._directory / before}"
            )
        other = known.get(found.id, tree.root) if found is not None else tree.root
        if other != tree.root and other in self._configured:
            raise RootUnserved(
                f"it is a copy of root {display(other)}: remove {display(path_of(tree.root))}, so that it gets an "
                "identity of its own"
            )
        return found

    def _known(self) -> dict[str, bytes]:
        """Return the root of each identity."""
        return {file.name: file.read_bytes() for file in self._directory.iterdir() if not file.name.startswith(".")}

    def _remember(self, ident: str, root: bytes) -> None:
        file = self._directory / ident
        if file.exists() and file.read_bytes() == root:
            return
        write_durably(file, root)


def write_durably(file: Path, content: bytes) -> None:
    """Have a file of the agent's directory hold this, whole and on the disk.

    Raises:
        Unavailable: it cannot be written.
    """
    try:
        _write(file, content)
    except OSError as error:
        raise Unavailable(f"{file} cannot be written ({error.strerror}): make room for it") from error


def _write(file: Path, content: bytes) -> None:
    descriptor, new = tempfile.mkstemp(prefix=".", dir=file.parent)
    with os.fdopen(descriptor, "wb") as written:
        written.write(content)
        written.flush()
        os.fsync(written.fileno())
    os.replace(new, file)
    for directory in (file.parent, file.parent.parent):
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
