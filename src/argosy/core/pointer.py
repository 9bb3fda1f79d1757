"""What the inode of a file says of its copy in a store: one binary value, written whole.

Layout (big-endian): version 1 B, state 1 B, flags 1 B (1: clean, 2: keeps its head), operation 16 B, datastore 4 B,
object uuid 16 B, size 8 B, mtime as seconds 8 B (signed) and nanoseconds 4 B, digest 32 B (BLAKE3), filesystem uuid
16 B, subvolume 8 B, inode 8 B, birth time ns 8 B (signed), then the length (1 B each; 255 where it follows in 2 B) and
bytes of the entity tag and of the version id. Of a stub that keeps its head, 8 B follow: how much of it. A digest or a
uuid of zeros stands for one that is not known.
"""

import struct
from enum import IntEnum

import msgspec

from argosy.core.errors import Unsupported
from argosy.core.faults import PointerUnreadable

VERSION = 1
_FIXED = struct.Struct(">BBB16sI16sQqI32s16sQQq")
_KEPT = struct.Struct(">Q")
_LENGTH = struct.Struct(">H")
_FAR = 255
_CLEAN = 1
_KEEPS = 2


_SECOND = 10**9


class StubState(IntEnum):
    """States that are written; resident is the absence of the attribute, dirty and lost are derived at each look."""

    PREMIGRATED = 1
    PREMIGRATING = 2
    RELEASING = 3
    STUB = 4
    RECALLING = 5

    @property
    def is_stub(self) -> bool:
        """Whether the bytes on disk may be incomplete: the stub mark."""
        return self in {StubState.RELEASING, StubState.STUB, StubState.RECALLING}


class Binding(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Which inode this is, across reboots and renames; an attribute with another binding is a copy's, not state.

    Two are equal where they mean the same inode, whichever of its names each has for the filesystem.
    """

    filesystem: bytes
    subvolume: int
    inode: int
    born_ns: int
    """When it was made, ns since 1970; where the filesystem keeps no such times, 0 or below, and tells less."""

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Binding)
            and (self.inode, self.born_ns, self.subvolume) == (other.inode, other.born_ns, other.subvolume)
            and same_filesystem(self.filesystem, other.filesystem)
        )

    def __ne__(self, other: object) -> bool:
        return not self == other  # a Struct has one of its own, by identity, else

    def __hash__(self) -> int:
        return hash((self.inode, self.born_ns, self.subvolume))


class Pointer(msgspec.Struct, frozen=True, kw_only=True):
    """The copy of a file in a store, as recorded in its inode. The full key is in the site's index."""

    state: StubState
    clean: bool = True
    """Whether nobody could write while the bytes were read: else an unmoved mtime proves nothing."""
    operation: bytes = bytes(16)
    datastore: int
    uuid: bytes
    size: int
    mtime_ns: int
    digest: bytes
    binding: Binding
    etag: str = ""
    version: str = ""
    kept: int = 0
    """Bytes of a stub that stay on disk, from its beginning."""

    def encode(self) -> bytes:
        """Return the value of the attribute."""
        bound = self.binding
        flags = _CLEAN * self.clean | _KEEPS * bool(self.kept)
        fixed = _FIXED.pack(
            VERSION, self.state, flags, self.operation, self.datastore, self.uuid, self.size,
            *divmod(self.mtime_ns, _SECOND), self.digest,
            bound.filesystem, bound.subvolume, bound.inode, bound.born_ns,
        )  # fmt: skip
        return fixed + _short(self.etag) + _short(self.version) + (_KEPT.pack(self.kept) if self.kept else b"")

    @classmethod
    def decode(cls, value: bytes) -> "Pointer":
        """Return what the value says.

        Raises:
            Unsupported: a newer Argosy wrote it.
            Corrupt: it is not such a value.
        """
        if value[:1] and value[0] > VERSION:
            raise Unsupported(f"the file's attribute is of version {value[0]}: this Argosy reads {VERSION}")
        try:
            _, state, flags, operation, store, uuid, size, seconds, ns, digest, fs, subvolume, inode, born = (
                _FIXED.unpack_from(value)
            )
            etag, rest = _long(value[_FIXED.size :])
            version, rest = _long(rest)
            kept = _head(rest) if flags & _KEEPS else _nothing(rest)
            bound = Binding(filesystem=fs, subvolume=subvolume, inode=inode, born_ns=born)
            pointer = cls(
                state=StubState(state), clean=bool(flags & _CLEAN), operation=operation, datastore=store, uuid=uuid,
                size=size, mtime_ns=seconds * _SECOND + ns, digest=digest, binding=bound, etag=etag, version=version,
                kept=kept,
            )  # fmt: skip
        except (struct.error, ValueError, IndexError) as error:
            raise PointerUnreadable("the file's attribute cannot be read: it was cut or changed") from error
        return pointer


def same_filesystem(one: bytes, other: bytes) -> bool:
    """Say whether these are names of one filesystem: its UUID, or what the kernel makes of that and tells instead.

    Linux before 6.0 does not tell ext4's UUID, but has `statfs` answer both its halves in one.
    """
    return one == other or (is_brief(one) != is_brief(other) and brief(one) == brief(other))


def is_brief(filesystem: bytes) -> bool:
    """Say whether it is what `statfs` answers, not a UUID."""
    return not any(filesystem[:8])


def brief(filesystem: bytes) -> bytes:
    """Return what `statfs` answers for an ext4 of that UUID; of what is no UUID, the same."""
    if is_brief(filesystem):
        return filesystem
    first, second = (int.from_bytes(half, "little") for half in (filesystem[:8], filesystem[8:]))
    return (first ^ second).to_bytes(16, "big")


def _short(text: str) -> bytes:
    data = text.encode()
    length = bytes([len(data)]) if len(data) < _FAR else bytes([_FAR]) + _LENGTH.pack(len(data))
    return length + data


def _long(value: bytes) -> tuple[str, bytes]:
    length, start = value[0], 1
    if length == _FAR:
        (length,), start = _LENGTH.unpack_from(value, 1), 1 + _LENGTH.size
    end = start + length
    if len(value) < end:
        raise ValueError("cut short")
    return value[start:end].decode(), value[end:]


def _head(rest: bytes) -> int:
    (kept,) = _KEPT.unpack(rest)
    if not kept:
        raise ValueError("keeps a head of nothing")
    return int(kept)


def _nothing(rest: bytes) -> int:
    if rest:
        raise ValueError("longer than it should be")
    return 0
