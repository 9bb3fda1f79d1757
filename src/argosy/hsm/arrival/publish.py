"""A file that is made and has no name yet, and how it gets it."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from argosy.core.entry import Entry, Kind, Stored
from argosy.core.errors import Busy, Changed, Exhausted, Exists, NotFound
from argosy.core.outcome import Outcome
from argosy.core.paths import display
from argosy.core.pointer import Pointer
from argosy.filesystems.base import Filesystem, Staged, Syncing
from argosy.site import Note, Site


@dataclass(frozen=True, slots=True)
class Made:
    """A file that is complete in staging: all its bytes, or the mark of a stub."""

    entry: Entry
    stored: Stored
    pointer: Pointer
    site: Site
    tree: Filesystem
    staged: Staged
    there: Entry | None
    """What it is to take the place of."""

    def sync(self) -> None:
        """Make bytes and attributes durable before anybody can see them, and have the index know the key of a stub."""
        self.staged.sync()
        self._have_known()

    @property
    def syncing(self) -> Syncing:
        """What is to be durable before anybody can see it."""
        return self.staged

    def synced(self) -> None:
        """Bytes and attributes are durable, or it is said that they are not; have the index know the key of a stub."""
        self.staged.expect_written()
        self._have_known()

    def _have_known(self) -> None:
        if self.pointer.state.is_stub:
            with suppress(Exhausted):  # that the index is behind costs a rebuild at worst
                self.site.remember(self.stored, self.entry.path, at_once=True)

    def commit(self) -> "Named":
        """Give the file its name; what had it before is in the version store first."""
        self.site.check_lease()
        hollow = self.pointer.state.is_stub
        # A stub is never taken for a file of zeros then, should its attribute be lost; and what points is found.
        self.site.note(self.pointer.binding, Note(self.stored.uuid, 0, stub=hollow, handle=self.staged.handle()))
        if self.there is None:
            self._publish(self.entry.path)
        else:
            self._replace(self.there)
        self.site.remember(self.stored, self.entry.path)
        return Named(Outcome.processed(self.entry, moved=0 if hollow else self.stored.size), self.tree)

    def _publish(self, path: bytes) -> None:
        with _staying(path):
            try:
                self.staged.publish(path)
            except Exists as error:
                raise Changed(f"{display(path)} appeared while it was made; it was left alone") from error

    def _replace(self, there: Entry) -> None:
        """Take the place of what is there, unless somebody has it open for writing: his next bytes would be missed."""
        with _staying(there.path), self.tree.locked(there.path) as inode:
            if there.kind is Kind.FILE:
                with self.tree.open(there.path, inode=inode) as file:
                    if file.is_being_written():
                        raise Busy(f"{display(there.path)} is open for writing; it was left alone")
            self.staged.replace(there.path, there)

    def close(self) -> None:
        """Discard what was not published."""
        self.staged.discard()


@dataclass(frozen=True, slots=True)
class Named:
    """A file that is complete at its path, though a power cut might still take the name away."""

    outcome: Outcome
    tree: Filesystem

    def settle(self) -> None:
        """Make the name durable."""
        with _staying(self.outcome.entry.path):
            self.tree.sync_directory(self.outcome.entry.path)

    @property
    def syncing(self) -> Syncing:
        """The name."""
        return self.tree.name(self.outcome.entry.path)

    def synced(self) -> None:
        """The name is durable."""

    def close(self) -> None:
        """Hold nothing."""


@contextmanager
def _staying(path: bytes) -> Iterator[None]:
    """Say of what goes away within the block that somebody else moved it."""
    try:
        yield
    except NotFound as error:
        raise Changed(f"{display(path)} was moved or removed meanwhile; the next run makes it") from error


def finished(made: Made | Outcome) -> Outcome:
    """Return what became of an entry, once it has its name and that is durable."""
    if isinstance(made, Outcome):
        return made
    try:
        made.sync()
        made.site.remember(made.stored, made.entry.path, at_once=True)  # a further name of it finds this one
        named = made.commit()
        named.settle()
    finally:
        made.close()
    return named.outcome
