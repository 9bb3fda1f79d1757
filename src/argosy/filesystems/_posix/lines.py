"""Files of lines, each JSON with a sum of its own: what was cut off at the end had not been written yet."""

import os
import zlib
from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

import msgspec

from argosy.linux.openat2 import open_beneath

T = TypeVar("T")
_READ: Final = os.O_RDONLY | os.O_NONBLOCK


def append(file: int, records: Iterable[object]) -> bool:
    """Write these at the end of an open file, for an fsync to make durable; say whether there were any."""
    data = b"".join(map(_line, records))
    some = bool(data)
    while data:
        data = data[os.write(file, data) :]
    return some


def read(directory: int, name: bytes, decoder: "msgspec.json.Decoder[T]") -> Iterator[T]:
    """Yield what a file says, up to where it was cut off.

    Raises:
        FileNotFoundError: there is none.
    """
    with open(open_beneath(directory, name, _READ), "rb") as file:
        for line in file:
            record = _record(line, decoder)
            if record is None:
                return
            yield record


def cut(file: int) -> None:
    """Take from an open file what was cut off at its end, so that more can follow."""
    good = 0
    with open(os.dup(file), "rb") as opened:
        opened.seek(0)
        for line in opened:
            if _data(line) is None:
                break
            good += len(line)
    os.ftruncate(file, good)


def _line(record: object) -> bytes:
    data = msgspec.json.encode(record)
    return b"%08x %s\n" % (zlib.crc32(data), data)


def _record(line: bytes, decoder: "msgspec.json.Decoder[T]") -> T | None:
    data = _data(line)
    if data is None:
        return None
    try:
        return decoder.decode(data)
    except msgspec.MsgspecError:
        return None


def _data(line: bytes) -> bytes | None:
    sum_of_it, _, data = line.rstrip(b"\n").partition(b" ")
    return data if line.endswith(b"\n") and sum_of_it == b"%08x" % zlib.crc32(data) else None
