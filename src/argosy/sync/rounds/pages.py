"""Long lists as files: pages of at most so many values, which are found by their numbers without reading all."""

import os
import struct
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, TypeVar

import msgspec

from argosy.core.errors import Corrupt
from argosy.core.syncing import PAGE
from argosy.linux.syncing import fsync

T = TypeVar("T")
_HEADER: Final = struct.Struct(">qqI")
"""Number of the first value of a page, of the last, and how many bytes follow."""


class _Page(NamedTuple):
    first: int
    last: int
    size: int


def write(path: Path, values: Iterable[T], number: Callable[[T], int] | None = None) -> int:
    """Have the file hold these values, whose numbers rise, and nothing else; return how many.

    It is on the disk then. Without `number` they are numbered from 0.
    """
    part = path.with_name(path.name + ".part")
    count, rest = 0, iter(values)
    with part.open("wb") as file:
        while some := list(islice(rest, PAGE)):
            data = msgspec.msgpack.encode(some)
            ends = (number(some[0]), number(some[-1])) if number else (count, count + len(some) - 1)
            file.write(_HEADER.pack(*ends, len(data)) + data)
            count += len(some)
        file.flush()
        fsync(file.fileno())
    part.rename(path)
    sync_directory(path.parent)
    return count


def write_one(path: Path, value: object) -> None:
    """Have the file hold the value, as msgpack; it is on the disk then."""
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        file.write(msgspec.msgpack.encode(value))
        file.flush()
        fsync(file.fileno())
    part.rename(path)
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Return when the names in the directory are on the disk."""
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fsync(directory)
    finally:
        os.close(directory)


def after(path: Path, number: int) -> bytes:
    """Return the first page that begins behind the number, as msgpack of a list; b"": there is none."""
    return _found(path, lambda page: page.first > number)


def holding(path: Path, number: int) -> bytes:
    """Return the page that holds the number, if any does; b"": none does."""
    return _found(path, lambda page: page.first <= number <= page.last)


def read(path: Path, kind: type[T]) -> Iterator[T]:
    """Yield all values, one page in memory at a time."""
    decoder = msgspec.msgpack.Decoder(list[kind])  # type: ignore[valid-type]
    with path.open("rb") as file:
        while page := _header(file, path):
            yield from decoder.decode(file.read(page.size))


def _found(path: Path, wanted: Callable[[_Page], bool]) -> bytes:
    with path.open("rb") as file:
        while page := _header(file, path):
            if wanted(page):
                return file.read(page.size)
            file.seek(page.size, os.SEEK_CUR)
    return b""


def _header(file: BinaryIO, path: Path) -> _Page | None:
    head = file.read(_HEADER.size)
    if head and len(head) < _HEADER.size:
        raise Corrupt(f"{path}: ends in the middle of a page: cancel the job and sync again")
    return _Page(*_HEADER.unpack(head)) if head else None
