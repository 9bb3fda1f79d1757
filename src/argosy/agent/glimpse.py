"""What a site knows of its files, read beside its agent or without it: nothing is made, changed or waited for.

What an agent that runs noted within the last seconds may be missing.
"""

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from argosy.agent.index import name_of
from argosy.core.config import SiteConfig
from argosy.core.errors import Denied, Unavailable
from argosy.core.paths import absolute, below
from argosy.core.pointer import Binding
from argosy.filesystems.posix import Posix
from argosy.site import Note

_TRIES: Final = 5
_MOMENT: Final = 0.05
"""Seconds in which an agent has written what it notes at once."""


class Glimpse:
    """One site, as its agent left it in `directory`; where it has none, the agent never ran."""

    def __init__(self, config: SiteConfig, directory: Path) -> None:
        """Look where the agent keeps what it knows.

        Raises:
            Denied: the agent runs as another user, and what it wrote into files is not for us to see.
        """
        self.name = config.name
        self._index = directory / "index.db"
        self._trees = [Posix(root=absolute(os.fsencode(root)), key=_key(directory)) for root in config.roots]

    def tree(self, path: bytes) -> Posix | None:
        """Return the tree that holds the path; None where the site has none that does."""
        return next((tree for tree in self._trees if below(path, tree.root)), None)

    def noted(self, binding: Binding) -> Note | None:
        """Return what the site remembers of an inode."""
        row = self._row("SELECT uuid, ctime_ns, stub FROM inode WHERE binding = ?", name_of(binding))
        return Note(row[0], row[1], bool(row[2])) if row else None

    def object_of(self, uuid: bytes) -> tuple[str | None, str | None]:
        """Return datastore and key of an object; None where the index does not know it."""
        row = self._row("SELECT datastore, key FROM object WHERE uuid = ?", uuid)
        return (row[0], row[1]) if row else (None, None)

    def _row(self, question: str, value: bytes) -> tuple[Any, ...] | None:
        for left in reversed(range(_TRIES)):
            try:
                return self._looked_up(question, value)
            except sqlite3.DatabaseError as error:
                if "no such table" in str(error):  # an older Argosy made it, or it is new
                    return None
                if not left:
                    raise Unavailable(f"the index {self._index} cannot be read ({error}): try again") from error
                time.sleep(_MOMENT)  # its agent writes pages at this moment, and nobody keeps it from that
        return None

    def _looked_up(self, question: str, value: bytes) -> tuple[Any, ...] | None:
        if not self._index.exists():
            return None
        with closing(sqlite3.connect(self._uri(), uri=True)) as database:
            found: tuple[Any, ...] | None = database.execute(question, (value,)).fetchone()
            return found

    def _uri(self) -> str:
        """Return how to open the index, which its agent holds: as it is, without a lock, nothing made beside it."""
        return f"file:{quote(str(self._index))}?mode=ro&immutable=1"


def _key(directory: Path) -> bytes:
    """Return the site's secret for attributes, if it has any."""
    try:
        if directory.stat().st_uid != os.geteuid():
            raise Denied(f"the agent that keeps {directory} runs as another user: run this as that user")
        return (directory / "attribute.key").read_bytes()
    except FileNotFoundError:
        return b""
    except PermissionError as error:
        raise Denied(f"{directory} cannot be read: run this as the user that Argosy runs as") from error
