"""What a store is: bytes under keys, with metadata, written whole or not at all, verified and conditional."""

from collections.abc import Iterator, Mapping
from typing import Protocol, runtime_checkable

import msgspec

from argosy.core.room import Room

CHUNK = 8 << 20
"""Most bytes a store hands out, or holds of one object, at once."""


class Source(Protocol):
    """Bytes to be stored; may be read more than once and from several threads."""

    @property
    def size(self) -> int:
        """Bytes there are in all."""

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly `length` bytes from `offset`.

        Raises:
            Changed: the source is shorter than it was.
        """


class Object(msgspec.Struct, frozen=True, kw_only=True):
    """One object as the store describes it."""

    key: str
    size: int
    etag: str
    version: str = ""
    metadata: Mapping[str, str] = {}
    """What was put with it; names are lower case letters and digits. Empty in listings."""
    modified_ns: int = 0
    """When the store says it was written, ns since 1970; 0 where it does not say, as in the reply to a put."""


class Absent(msgspec.Struct, frozen=True):
    """Condition of a put: only where the key is free."""


class Unchanged(msgspec.Struct, frozen=True):
    """Condition of a put: only where the present object still has this entity tag."""

    etag: str


Condition = Absent | Unchanged


class Abilities(msgspec.Struct, frozen=True, kw_only=True):
    """What a store can do, found out by having it done: what a server says of itself proves nothing."""

    conditions: bool
    """Puts happen only under their conditions. Without, objects are never replaced: layout `immutable` alone."""
    checksums: bool
    """Bytes that do not fit the checksum sent with them are refused. Without, what was put is read back."""
    versions: bool
    """What is replaced or deleted is kept, and read by its version."""
    copies: bool
    """Objects are copied within the store."""
    multipart: bool
    """Objects are sent in parts. Without, none can be larger than what goes in one request."""


@runtime_checkable
class Store(Protocol):
    """Bytes under keys. Keys are str as `argosy.stores.keys` makes them: UTF-8, at most 1,024 bytes.

    Every verb raises `Unavailable` where the store does not answer or refuses our credentials.
    """

    def put(
        self, key: str, source: Source, *, metadata: Mapping[str, str], condition: Condition | None = None
    ) -> Object:
        """Store all of `source` under `key`; afterwards the store has confirmed a checksum of the bytes it keeps.

        Until it returns, readers see what was there before. Memory is bounded whatever the size.

        Raises:
            Exists: the condition was `Absent` and the key is taken; or the store keeps objects as files, and objects
                lie below the key, or what is no object holds the name of a directory on the way.
            Changed: the condition was `Unchanged` and it is not; or the source changed while it was read.
            Corrupt: the store's checksum differs from ours; nothing was stored.
            Exhausted: the store is full.
        """

    def head(self, key: str, *, version: str = "") -> Object:
        """Return the object's description, metadata included; `version`: of that one, where the store keeps versions.

        Raises:
            NotFound: there is none.
        """

    def get(
        self, key: str, *, offset: int = 0, length: int | None = None, etag: str = "", version: str = ""
    ) -> Iterator[bytes]:
        """Yield the object's bytes in chunks of at most 8 MiB; `etag` and `version` pin what is read.

        What lies beyond the end is not yielded; nothing is checked before the first chunk is asked for.

        Raises:
            NotFound: there is none.
            Changed: it is not the object that `etag` names.
        """

    def list(self, prefix: str) -> Iterator[Object]:
        """Yield the objects whose keys begin with `prefix`, once each; do not rely on an order, stores differ."""

    def copy(self, source: str, target: str, *, etag: str) -> Object:
        """Copy the object that `etag` names, with its metadata; `target` then holds the same bytes, verified.

        It replaces nothing. A store that cannot make a copy under a condition looks before it copies: of several who
        copy to the same key at the same moment, each may think it was alone.

        Raises:
            NotFound: there is no such object.
            Changed: `source` is another object than `etag` names; nothing was copied.
            Exists: `target` is taken.
            Corrupt: the store made something else of it, which was removed.
        """

    def delete(self, key: str, *, etag: str = "") -> None:
        """Remove the object; that there was none is no error. `etag`: only the one that it names.

        A store that deletes without conditions looks before it deletes: what is put there in between may go with it.

        Raises:
            Changed: it is another object than `etag` names; it was left.
        """

    def probe(self) -> Abilities:
        """Return what the store can do; it answers and lets us write. What was made to find out is removed again.

        Raises:
            Unavailable: it does not; the message says what to look at.
        """


STORES: Room[Store] = Room("argosy.stores", noun="store type")
"""Store plugins by file name; a datastore of type `S3` is served by `s3`. Their dataclass fields are its settings."""
