"""Whether a Parquet file of ours is, byte for byte, the one that was written.

What Parquet checks by itself are pages, where a writer asks for it and a reader looks; DuckDB does not look, and nobody
checks the footer, in which a bit tells where a column begins or how many rows there are. So the file says the BLAKE3
of itself, in what its metadata say as JSON: computed with zeros in its place, and written there last.

Names of users can have no part in that: their columns are written without statistics (see `told_columns`), and what is
said of row groups stands before the metadata.
"""

import os
import re
from collections.abc import Collection, Iterator
from typing import Final, NamedTuple

import pyarrow as pa
from blake3 import blake3

UNWRITTEN: Final = "0" * 64
"""Stands where the digest will."""
_DIGEST: Final = re.compile(rb'"digest":"([0-9a-f]{64})"')
"""As it stands in JSON; a quotation mark in a value of it would be escaped."""
_MAGIC: Final = b"PAR1"
_TAIL: Final = 8
"""Bytes behind the footer: its length, and the magic."""
_CHUNK: Final = 1 << 20


def told_columns(schema: pa.Schema, also: Collection[str] = ()) -> list[str]:
    """Return the columns of which the footer may say the smallest and the largest value: none that holds bytes."""
    return [field.name for field in schema if field.name in also or not _holds_bytes(field.type)]


def _holds_bytes(kind: pa.DataType) -> bool:
    return pa.types.is_binary(kind) or pa.types.is_fixed_size_binary(kind) or isinstance(kind, pa.BaseExtensionType)


class _Place(NamedTuple):
    at: int
    digest: bytes


def stamp(file: int) -> str:
    """Write its digest into the open file, which has zeros there, and return it.

    Raises:
        ValueError: it has no place for one.
    """
    place = _place(file)
    if place is None:
        raise ValueError("nothing in its metadata is called digest")
    digest = _computed(file, place.at)
    os.pwrite(file, digest, place.at)
    return digest.decode()


def is_whole(file: int) -> bool | None:
    """Say whether the open file is as it was written; None: it says no digest, so nobody knows.

    Raises:
        OSError: it cannot be read.
    """
    place = _place(file)
    return None if place is None else _computed(file, place.at) == place.digest


def _place(file: int) -> _Place | None:
    """Return where the digest stands, None where there is none: the last that looks like it, for metadata come last."""
    size = os.fstat(file).st_size
    tail = os.pread(file, _TAIL, max(size - _TAIL, 0))
    length = int.from_bytes(tail[:4], "little")
    if len(tail) < _TAIL or tail[4:] != _MAGIC or length > size - _TAIL:
        return None
    begin = size - _TAIL - length
    found = list(_DIGEST.finditer(os.pread(file, length, begin)))
    return _Place(begin + found[-1].start(1), found[-1][1]) if found else None


def _computed(file: int, at: int) -> bytes:
    """Return the digest of the file, in hex, with zeros where that stands."""
    whole, end = blake3(), at + len(UNWRITTEN)
    for piece in _pieces(file, 0, at):
        whole.update(piece)
    whole.update(UNWRITTEN.encode())
    for piece in _pieces(file, end, os.fstat(file).st_size):
        whole.update(piece)
    return whole.hexdigest().encode()


def _pieces(file: int, begin: int, end: int) -> Iterator[memoryview]:
    """Yield the bytes in between; each piece is good until the next."""
    room = memoryview(bytearray(_CHUNK))
    while begin < end:
        read = os.preadv(file, [room[: min(_CHUNK, end - begin)]], begin)
        if not read:
            return
        yield room[:read]
        begin += read
