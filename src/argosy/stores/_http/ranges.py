"""Reading an object piece by piece: each piece is a request of its own, so that a failure costs one of them."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from argosy.stores.base import CHUNK


class Piece(NamedTuple):
    """Some bytes of an object."""

    data: bytes
    etag: str
    """Names the object they are of."""
    last: bool
    """There is nothing behind them."""


def pieces(fetch: Callable[[int, int, str], Piece], offset: int, length: int | None, etag: str) -> Iterator[bytes]:
    """Yield the bytes from `offset`, `length` of them or all.

    `fetch(offset, length, etag)` returns what there is of the object that `etag` names; all pieces are of the object
    that the first one is of.
    """
    end = None if length is None else offset + length
    while end is None or offset < end:
        piece = fetch(offset, CHUNK if end is None else min(CHUNK, end - offset), etag)
        if piece.data:
            yield piece.data
        if piece.last:
            return
        offset, etag = offset + len(piece.data), piece.etag
