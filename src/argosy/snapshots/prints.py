"""A number for each row of an index file that tells rows apart which differ in anything that counts as a change.

It is written with the rows, so that two files are compared by two columns of each, and the others are read of what
differs alone. C makes it where there is the library; what this file does where there is none gives the same numbers.
"""

import ctypes
from collections.abc import Iterator
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from argosy.linux import tree

_FIXED: Final = (
    "born_ns", "parent_inode", "parent_born_ns", "kind", "unknown", "size", "mtime_ns", "ctime_ns", "mode", "uid", "gid"
)  # fmt: skip
"""Not the inode, by which rows are compared as well; nor links and pointer, which do not change without the ctime."""
_BINARY: Final = ("name", "attributes", "target", "hash")
_TIMES: Final = frozenset({"mtime_ns", "ctime_ns"})
_DIRECTORY: Final = 2
_ODD: Final = 0x9E3779B97F4A7C15
_WORD: Final = 8
_MASK: Final = (1 << 64) - 1


def prints(rows: pa.RecordBatch) -> pa.Array:
    """Return the print of each row."""
    made = bytearray(_WORD * rows.num_rows)
    library = tree.LIBRARY
    for column in _columns(rows):
        if library is not None:
            _mix(library, made, column)
        else:
            _mix_slowly(memoryview(made).cast("Q"), column)
    return pa.Array.from_buffers(pa.uint64(), rows.num_rows, [None, pa.py_buffer(made)])


def _columns(rows: pa.RecordBatch) -> Iterator[pa.Array]:
    """Yield what counts: numbers in 8 bytes, and bytes, of which none stand for null."""
    directories = pc.equal(rows["kind"], _DIRECTORY)
    for name in _FIXED:
        column = rows[name]
        if name in _TIMES:  # a directory's tell of entries that have rows of their own
            column = pc.if_else(directories, pa.scalar(0, column.type), column)
        yield column.cast(pa.int64() if pa.types.is_signed_integer(column.type) else pa.uint64())
    for name in _BINARY:
        yield rows[name].cast(pa.binary()).fill_null(b"")


def _mix(library: ctypes.CDLL, made: bytearray, column: pa.Array) -> None:
    into = (ctypes.c_char * len(made)).from_buffer(made)
    many = ctypes.c_int64(len(column))
    if not pa.types.is_binary(column.type):
        numbers = column.buffers()[1].address + _WORD * column.offset
        library.argosy_print_numbers(into, ctypes.c_void_p(numbers), many)
        return
    _, ends, content = column.buffers()
    at = ctypes.c_void_p(ends.address + 4 * column.offset)
    library.argosy_print_bytes(into, at, ctypes.c_void_p(content.address if content else None), many)


def _mix_slowly(made: memoryview, column: pa.Array) -> None:
    is_bytes = pa.types.is_binary(column.type)
    for row, value in enumerate(column.to_pylist()):
        made[row] = _with_bytes(made[row], value) if is_bytes else _mixed(made[row], value & _MASK)


def _with_bytes(made: int, value: bytes) -> int:
    made = _mixed(made, len(value))
    for at in range(0, len(value), _WORD):
        made = _mixed(made, int.from_bytes(value[at : at + _WORD], "little"))
    return made


def _mixed(made: int, word: int) -> int:
    """Return both in one: the halves of a product, each bit of which depends on all bits of one or the other half."""
    product = (made ^ word ^ _ODD) * _ODD
    turned = (product ^ product >> 64) & _MASK
    return (turned << 23 | turned >> 41) & _MASK
