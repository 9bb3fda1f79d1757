"""The columns of an index file, and what is said of it as a whole; see `index` for how one is written and read.

Rows are in the order of a walk: depth first, siblings in byte order, a directory before what it holds. The first is the
top: its name is b"", its parent itself. An inode is told from all others by the pair `inode`, `born_ns`, as in
`core.pointer.Binding`; filesystem and subvolume are the same for all rows.
"""

from enum import IntEnum
from typing import Final

import msgspec
import pyarrow as pa

from argosy.snapshots.wholeness import UNWRITTEN, told_columns

VERSION: Final = 2
"""2 added `pointer`, prints and the digest."""
ROW_GROUP: Final = 122_880
"""Rows in one; DuckDB's own size, so that each is a whole one to it."""
METADATA_KEY: Final = b"argosy"


class RowKind(IntEnum):
    """What a row stands for."""

    FILE = 1
    DIRECTORY = 2
    SYMLINK = 3
    OTHER = 4
    """A fifo, socket or device."""
    BOUNDARY = 5
    """A mount point, the top of a subvolume or of another fileset: nothing beneath has rows."""


class Unknown(IntEnum):
    """What a row does not know. What is not known is never taken for gone."""

    NOTHING = 0
    ENTRY = 1
    """It could not be looked at: only name and parent count; of a directory, what it holds is unknown as well."""
    CHILDREN = 2
    """A directory that could not be read, or that changed too fast: what it holds is unknown."""


SCHEMA: Final = pa.schema(
    [
        pa.field("inode", pa.uint64(), nullable=False),
        pa.field("born_ns", pa.int64(), nullable=False),
        pa.field("parent_inode", pa.uint64(), nullable=False),
        pa.field("parent_born_ns", pa.int64(), nullable=False),
        pa.field("name", pa.binary(), nullable=False),
        pa.field("kind", pa.uint8(), nullable=False),
        pa.field("unknown", pa.uint8(), nullable=False),
        pa.field("size", pa.int64(), nullable=False),
        pa.field("mtime_ns", pa.int64(), nullable=False),
        pa.field("ctime_ns", pa.int64(), nullable=False),
        pa.field("mode", pa.uint16(), nullable=False),
        pa.field("uid", pa.uint32(), nullable=False),
        pa.field("gid", pa.uint32(), nullable=False),
        pa.field("links", pa.uint32(), nullable=False),
        pa.field("attributes", pa.binary(16)),
        pa.field("target", pa.binary()),
        pa.field("hash", pa.binary(32)),
        pa.field("pointer", pa.binary(16)),
    ]
)
"""`size` is 0 but for files and symlinks. `attributes`: BLAKE3 of the user's xattrs and ACLs, null where there are none
(see `attributes`). `target`: of a symlink. `hash`: BLAKE3 of a file's content, where that is known. `pointer`: BLAKE3
of what Argosy itself attached to say where a copy is, null where it attached nothing: to write that is no change of the
file's, and gives it another ctime. Its first bit says instead whether the file has that very ctime; it is told of files
that changed since the index before."""


FILE: Final = SCHEMA.append(pa.field("print", pa.uint64(), nullable=False))
"""What a file has: the rows with their prints; see `prints`."""
WRITTEN: Final = {
    "compression": "zstd",
    "compression_level": 1,
    "use_dictionary": ["uid", "gid", "mode", "links"],
    "column_encoding": dict.fromkeys(
        ("inode", "born_ns", "parent_inode", "parent_born_ns", "size", "mtime_ns", "ctime_ns"), "DELTA_BINARY_PACKED"
    ),
    "write_statistics": told_columns(FILE, also=["hash"]),
}
"""How it is written: neighbours have inodes and times near each other, and small differences are read quickly. Of
hashes it is asked whether there are any."""


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What an index file says of itself."""

    v: int = VERSION
    fileset: str
    """Id of the fileset, 32 hex digits."""
    name: str
    """Name of the fileset."""
    snapshot: str
    filesystem: str
    """UUID of the filesystem, 32 hex digits."""
    subvolume: int
    """Of the tree that was looked at; where that is a frozen copy, of the one it is a copy of."""
    host: str
    began_ns: int
    ended_ns: int = 0
    rows: int = 0
    digest: str = UNWRITTEN
    """BLAKE3 of the whole file, in hex, with this in its place; see `wholeness`."""
    complete: bool = False
    """Whether all that was there from the beginning to the end of the scan, and could be looked at, has a row: only
    then does it mean anything that an entry has none."""
