"""What can be told of a file and its copy from the file itself and from what the site remembers; no store is asked."""

from typing import Final, Protocol
from uuid import UUID

import msgspec

from argosy.core.paths import to_json
from argosy.core.pointer import Binding, Pointer
from argosy.filesystems.base import File
from argosy.hsm.file.state import Notes, State, look

MEANINGS: Final = {
    State.RESIDENT: "all its bytes are here, and nothing says there is a copy",
    State.PREMIGRATED: "all its bytes are here and in the object",
    State.DIRTY: "all its bytes are here, newer than those of the object",
    State.RELEASING: "a migrate is freeing its blocks, or was killed at that; its bytes are in the object",
    State.STUB: "its bytes are in the object alone",
    State.RECALLING: "a recall is bringing its bytes, or was killed at that; they are in the object",
    State.STUB_DIRTY: "somebody wrote to it while it was a stub; its bytes are in the object, and others here",
    State.UNBOUND: "a copy of a stub that was not adopted; its bytes are in the object alone",
    State.LOST: "it was left as a stub, and nothing on it says where its bytes are",
    State.DISPUTED: "it says that its bytes are in one object, and was left as a stub of another: verify names both",
}
_COPY: Final = "all its bytes are here; the attribute that came with them says it is another file"


class Index(Notes, Protocol):
    """What a site remembers."""

    def object_of(self, uuid: bytes) -> tuple[str | None, str | None]:
        """Return datastore and key of an object; None where nobody knows."""


class Copy(msgspec.Struct, frozen=True, kw_only=True):
    """The object a file points to. `datastore` and `key` are None where the index does not know them."""

    datastore: str | None
    datastore_number: int
    key: str | None
    uuid: str
    etag: str
    version: str
    size: int
    mtime_ns: int
    """That of the file when it was copied."""
    digest: str


class Bound(msgspec.Struct, frozen=True, kw_only=True):
    """Which inode the attribute was written for. `own`: whether it is the one that has it."""

    own: bool
    filesystem: str
    subvolume: int
    inode: int
    born_ns: int


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """One file."""

    path: dict[str, str]
    state: State
    meaning: str
    size: int
    data: int
    """Bytes of data that are on disk."""
    kept: int
    """Bytes that a stub keeps of its beginning."""
    mtime_ns: int
    unwritten: bool | None
    """Whether data version and that of the object are the same; None where there is no object."""
    object: Copy | None
    binding: Bound | None


def account(file: File, index: Index) -> Account:
    """Return what can be told of the file as it is now.

    Raises:
        Corrupt: its attribute cannot be read.
        Unsupported: a newer Argosy wrote it.
    """
    seen = look(file, index)
    pointer = seen.pointer or file.stray()
    mtime_ns, size = file.version()
    is_copy = seen.pointer is None and pointer is not None
    return Account(
        path=to_json(file.entry.path),
        state=seen.state,
        meaning=_COPY if is_copy else MEANINGS[seen.state],
        size=size,
        data=sum(length for _, length in file.data()),
        kept=pointer.kept if pointer is not None and pointer.state.is_stub else 0,
        mtime_ns=mtime_ns,
        unwritten=None if pointer is None else (mtime_ns, size) == (pointer.mtime_ns, pointer.size),
        object=None if pointer is None else _copy(pointer, index),
        binding=None if pointer is None else _bound(pointer.binding, file.binding()),
    )


def _copy(pointer: Pointer, index: Index) -> Copy:
    datastore, key = index.object_of(pointer.uuid)
    return Copy(
        datastore=datastore,
        datastore_number=pointer.datastore,
        key=key,
        uuid=str(UUID(bytes=pointer.uuid)),
        etag=pointer.etag,
        version=pointer.version,
        size=pointer.size,
        mtime_ns=pointer.mtime_ns,
        digest=pointer.digest.hex() if any(pointer.digest) else "",
    )


def _bound(told: Binding, own: Binding) -> Bound:
    return Bound(
        own=told == own,
        filesystem=str(UUID(bytes=told.filesystem)),
        subvolume=told.subvolume,
        inode=told.inode,
        born_ns=told.born_ns,
    )
