"""Which directories the POSIX datastores of a site are: a mount point without its disk looks like an empty one."""

import os
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from argosy.agent.roots import write_durably
from argosy.core.errors import ArgosyError
from argosy.core.faults import StoreDown
from argosy.stores.posix import ID_FILE, PosixStore


def expect_known(name: str, store: PosixStore, directory: Path) -> None:
    """Have the store used only where it is the directory that is known by `directory`, another process's of the kind.

    Where the datastore is not known there, or nobody lets us look, any will do.
    """
    file = directory / _file_name(name)
    with suppress(OSError):
        store.expect(_Known(name, store.path, file, file.read_text()))


def _file_name(name: str) -> str:
    return quote(name, safe="")


class Shelves:
    """The directories that were ever used as datastores: a file for each datastore in the agent's directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._ids: dict[str, str] = {}
        self._door = threading.Lock()
        directory.mkdir(mode=0o700, exist_ok=True)

    def admit(self, name: str, store: PosixStore) -> bool:
        """Say whether there is a directory; it is the one that this datastore always was, or is the first.

        From now on the store is used only where it finds that very directory, whatever becomes of the path.

        Raises:
            Unavailable: another directory lies there, or one that lost its id.
        """
        there = os.path.isdir(store.path)  # else the store says so itself, to whoever uses it
        found = store.identity() if there else ""
        file = self._directory / _file_name(name)
        if found and found == self._ids.get(name):
            store.expect(_Known(name, store.path, file, found))
            return True
        with self._door:  # of two directories that are met for the first time one is the first
            known = _known(name, store, file, there=there)
            store.expect(known)
            self._ids[name] = known.id
        if there:
            known.expect(store.identity(), writing=False)
        return there


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of the directory of a datastore: `argosy.stores._posix.root.Known`."""

    name: str
    path: str
    file: Path
    """What remembers the id."""
    id: str
    """ "" where it has none yet: then nothing is written there."""
    reason: ArgosyError | None = None
    """Why it could not be given one."""

    def expect(self, found: str, *, writing: bool) -> None:
        """Return where this is the id of the directory."""
        if not self.id:
            if writing:
                raise self.reason or StoreDown(f"{self.path} was not there a moment ago: try it again")
            return
        if found == self.id:
            return
        also = "" if found else f"; if it is that directory and lost its id, write {self.id} into {self._id_file}"
        what = "is not the directory" if found else "has no id, so it is not known to be the directory"
        raise StoreDown(
            f"{self.path} {what} that datastore {self.name} was before: mount its disk{also}. If it is to be "
            f"used from now on, and the objects of the other are needed no more, remove {self.file}"
        )

    @property
    def _id_file(self) -> str:
        return os.path.join(self.path, *ID_FILE)


def _known(name: str, store: PosixStore, file: Path, *, there: bool) -> _Known:
    """Return what is known of the directory of a datastore, which is given an id where it is met for the first time.

    It has none where we may only read there, and so lose nothing.
    """
    ident, reason = file.read_text() if file.exists() else "", None
    if there and not ident:
        try:
            ident = store.identify()
        except ArgosyError as error:
            reason = error
        if ident:
            write_durably(file, ident.encode())
    return _Known(name, store.path, file, ident, reason)
