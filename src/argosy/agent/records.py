"""What an agent remembers of filesets that it served: a file for each in its directory, named by the fileset's id."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from argosy.agent.roots import write_durably
from argosy.core import wire
from argosy.core.errors import Corrupt, Invalid
from argosy.core.failpoints import failpoint
from argosy.core.pointer import Binding


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A fileset as it was served last."""

    name: str
    path: bytes
    number: int
    binding: Binding
    handle: bytes = b""
    """What opens its top under any name."""


class Records:
    """All records of a site."""

    def __init__(self, directory: Path) -> None:
        """Read them.

        Raises:
            Corrupt: one cannot be read.
        """
        directory.mkdir(mode=0o700, exist_ok=True)
        self._directory = directory
        self._known = {file.name: _read(file) for file in directory.iterdir() if not file.name.startswith(".")}

    def get(self, ident: str) -> Record | None:
        """Return that of an id."""
        return self._known.get(ident)

    def named(self, name: str) -> Record | None:
        """Return that of a fileset which goes, or went last, by the name."""
        return next((record for record in self._known.values() if record.name == name), None)

    def ids_of(self, name: str) -> list[str]:
        """Return the ids of what goes by the name: more than one where the agent was killed as it changed."""
        return [ident for ident, record in self._known.items() if record.name == name]

    def all(self) -> Iterator[tuple[str, Record]]:
        """Yield id and record of each, in an order that does not change."""
        yield from sorted(self._known.items(), key=lambda known: known[0])

    def keep(self, ident: str, record: Record) -> None:
        """Remember a fileset, durably; what went by its name before is forgotten.

        Raises:
            Unavailable: it cannot be written.
        """
        if self._known.get(ident) == record:
            return
        failpoint("fileset:record")
        write_durably(self._directory / ident, wire.dump(record))
        failpoint("fileset:recorded")
        self._known[ident] = record
        for other in self.ids_of(record.name):
            if other != ident:
                (self._directory / other).unlink(missing_ok=True)
                del self._known[other]


def _read(file: Path) -> Record:
    try:
        return wire.load(file.read_bytes(), Record)
    except Invalid as error:
        raise Corrupt(f"{file} cannot be read: remove it, and the fileset is known by its marker alone") from error
