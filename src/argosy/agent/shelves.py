"""Which directories the POSIX datastores of a site are: a mount point without its disk looks like an empty one."""

import os
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from argosy.agent.roots import write_durably
from argosy.core.errors import ArgosyError
from argosy.core.faults import StoreDown
from argosy.stores.posix import PosixStore


class Shelves:
    """The directories that were ever used as datastores: a file for each datastore in the agent's directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._known: dict[str, str] = {}
        directory.mkdir(mode=0o700, exist_ok=True)

    def admit(self, name: str, store: PosixStore) -> None:
        """Return where the directory is the one that this datastore always was, or is the first.

        Raises:
            Unavailable: another directory lies there, or none.
        """
        if not os.path.isdir(store.path):
            return  # it says so itself, to whoever uses it
        found = store.identity()
        if found and found == self._known.get(name):
            return
        file = self._directory / quote(name, safe="")
        known = file.read_text() if file.exists() else ""
        if known and found != known:
            raise StoreDown(
                f"{store.path} is not the directory that datastore {name} was before: mount its disk. If it is to be "
                f"used from now on, and the objects of the other are needed no more, remove {file}"
            )
        found = found or _identified(store)
        if found and not known:
            write_durably(file, found.encode())
        self._known[name] = found


def _identified(store: PosixStore) -> str:
    """Return the id of the directory; "" where we may only read there, and so lose nothing."""
    with suppress(ArgosyError):
        return store.identify()
    return ""
