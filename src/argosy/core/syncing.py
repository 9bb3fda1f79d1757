"""What an agent and the hub tell each other in a sync, beside orders and reports.

Operations and what became of them are carried as msgpack of the planner's and the executor's own types: the hub keeps
and passes on what it need not read.
"""

from typing import Annotated, Final

import msgspec

from argosy.core.order import WIRE_VERSION

SCAN: Final = "dynamo.tasks.scan_fileset"
HASH: Final = "dynamo.tasks.hash_paths"
STAGE: Final = "dynamo.tasks.stage"
APPLY: Final = "dynamo.tasks.apply_operations"
"""The work of a site in a sync, as orders name it. The hub alone orders it."""
OF_ENTRIES: Final = frozenset({HASH, STAGE})
"""What of it is done with each entry of an order; of the rest the one entry is the top of a fileset."""

INDEX: Final = "index"
"""Name of the file that a scan sends: the index of its snapshot."""
SIDE: Final = "side"
"""Name of the one that it sends before: JSON of its `Circumstances`."""
LONGEST_NAME: Final = 255
"""Bytes of the longest name that every filesystem takes which has no shorter limit."""

PIECE: Final = 4 << 20
"""Bytes of a piece, at most."""
PAGE: Final = 1000
"""Operations of an answer, at most; and what became of so many is told at once, at most."""

_Count = Annotated[int, msgspec.Meta(ge=0)]


class Piece(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A part of a file that a task sends; an attempt sends its pieces in order, from the beginning."""

    v: int = WIRE_VERSION
    task: str
    attempt: int
    name: str
    offset: _Count
    data: bytes
    last: bool = False
    """Whether the file is whole with it."""


class Circumstances(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a side says of itself when it is scanned."""

    clock_off_ns: _Count = 0
    """By how much its clock may be off the hub's, either way."""
    case_insensitive: bool = False
    """Whether names that differ by case alone are one there."""
    normalising: bool = False
    """Whether those are one that differ in how a letter is composed."""
    hard_links: bool = True
    """Whether a file can have several names."""
    longest_name: _Count = LONGEST_NAME
    """Bytes of the longest name that it takes."""
    forbidden: bytes = b""
    """Bytes that it takes in no name, of those that some filesystems do not take."""
    text_only: bool = False
    """Whether names have to be UTF-8 there."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An agent asks for the next operations of the side for which its task applies them."""

    v: int = WIRE_VERSION
    task: str
    attempt: int
    after: int = -1
    """Number of the last that it has."""


class Applied(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of operations; `sequence` counts from 0 within the attempt."""

    v: int = WIRE_VERSION
    task: str
    attempt: int
    sequence: _Count
    done: bytes
    """msgpack of a tuple of the executor's outcomes, at most a page."""
