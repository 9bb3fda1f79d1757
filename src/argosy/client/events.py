"""Server-sent events, as they come over the line."""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """What the hub told: `job`, `task`, `site`, `deleted` or `reset`; a sign of life has no type."""

    type: str = ""
    id: str = ""
    """Where the stream goes on from, if it breaks off here."""
    data: dict[str, Any] = {}


def read(pieces: Iterable[bytes]) -> Iterator[Event]:
    """Yield what is told in a stream, however it was cut into pieces; what is cut off at its end is left out.

    Raises:
        msgspec.DecodeError: the data of an event is no JSON object.
    """
    fields: dict[bytes, bytes] = {}
    for line in _lines(pieces):
        name, _, value = line.partition(b":")
        if line and name:
            fields[name] = value.removeprefix(b" ")
        elif not line and fields:
            yield _event(fields)
            fields = {}


def _lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield whole lines; those alone end a line that do so in this format, and not all that do so in other texts."""
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            yield line.removesuffix(b"\r")


def _event(fields: dict[bytes, bytes]) -> Event:
    data = msgspec.json.decode(fields.get(b"data", b"{}"), type=dict[str, Any])
    return Event(type=fields.get(b"event", b"").decode(), id=fields.get(b"id", b"").decode(), data=data)
