"""What the blobs of entries and results hold."""

from collections.abc import Sequence

import msgspec

from argosy.core import wire
from argosy.core.entry import Entry
from argosy.core.outcome import Outcome


class Carried(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An entry on its way through a chain."""

    entry: Entry
    source: bytes = b""
    """Its path where it was found, if that is not the entry's."""
    done: bool = False
    """Whether an earlier link processed it."""

    @property
    def origin(self) -> bytes:
        """Its path where it was found."""
        return self.source or self.entry.path


class Noted(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An outcome, and where its entry was found if that is elsewhere."""

    outcome: Outcome
    source: bytes = b""


def pack_carried(carried: Sequence[Carried]) -> bytes:
    """Return the blob of entries."""
    return wire.pack(carried)


def unpack_carried(blob: bytes | memoryview) -> list[Carried]:
    """Return the entries of a blob."""
    return wire.unpack(bytes(blob), list[Carried])


def pack_noted(noted: Sequence[Noted]) -> bytes:
    """Return the blob of outcomes."""
    return wire.pack(noted)


def unpack_noted(blob: bytes | memoryview) -> list[Noted]:
    """Return the outcomes of a blob."""
    return wire.unpack(bytes(blob), list[Noted])
