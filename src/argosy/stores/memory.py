"""A store in memory, gone with the process: tests use it, and it is the plainest reading of the contract."""

import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar
from uuid import uuid4

import msgspec

from argosy.core.errors import Changed, Exists
from argosy.core.faults import ObjectGone
from argosy.stores.base import CHUNK, STORES, Abilities, Absent, Condition, Object, Source, Unchanged


@STORES.register
@dataclass(frozen=True, kw_only=True, eq=False)
class MemoryStore:
    """Objects kept in the memory of this process, for tests."""

    _held: dict[str, tuple[Object, bytes]] = field(default_factory=dict, init=False, repr=False)
    _lock: ClassVar[threading.Lock] = threading.Lock()

    def put(
        self, key: str, source: Source, *, metadata: Mapping[str, str], condition: Condition | None = None
    ) -> Object:
        """Store all of `source` under `key`."""
        data = b"".join(
            source.read(offset, min(CHUNK, source.size - offset)) for offset in range(0, source.size, CHUNK)
        )
        made = Object(key=key, size=len(data), etag=uuid4().hex, metadata=dict(metadata), modified_ns=time.time_ns())
        with self._lock:
            self._check(key, condition)
            self._held[key] = made, data
        return made

    def _check(self, key: str, condition: Condition | None) -> None:
        present = self._held.get(key)
        if isinstance(condition, Absent) and present:
            raise Exists(f"object {key} exists")
        if condition and not isinstance(condition, Absent) and not (present and present[0].etag == condition.etag):
            raise Changed(f"object {key} is not what was seen before")

    def _find(self, key: str) -> tuple[Object, bytes]:
        with self._lock:
            if key not in self._held:
                raise ObjectGone(f"object {key} does not exist")
            return self._held[key]

    def head(self, key: str, *, version: str = "") -> Object:  # noqa: ARG002 - there are no versions here
        """Return the object's description."""
        return self._find(key)[0]

    def get(
        self,
        key: str,
        *,
        offset: int = 0,
        length: int | None = None,
        etag: str = "",
        version: str = "",  # noqa: ARG002 - the protocol's signature; there are no versions here
    ) -> Iterator[bytes]:
        """Yield the object's bytes."""
        found, data = self._find(key)
        if etag and etag != found.etag:
            raise Changed(f"object {key} is not the one that was asked for")
        end = len(data) if length is None else min(len(data), offset + length)
        for start in range(offset, end, CHUNK):
            yield data[start : min(start + CHUNK, end)]

    def list(self, prefix: str) -> Iterator[Object]:
        """Yield the objects whose keys begin with `prefix`."""
        with self._lock:
            found = sorted(key for key in self._held if key.startswith(prefix))
            objects = [msgspec.structs.replace(self._held[key][0], metadata={}) for key in found]
        yield from objects

    def copy(self, source: str, target: str, *, etag: str) -> Object:
        """Copy an object with its metadata."""
        found, data = self._find(source)
        made = msgspec.structs.replace(found, key=target, etag=uuid4().hex, modified_ns=time.time_ns())
        if found.etag != etag:
            raise Changed(f"object {source} is not the one that was asked for")
        with self._lock:
            self._check(target, Absent())
            self._held[target] = made, data
        return made

    def delete(self, key: str, *, etag: str = "") -> None:
        """Remove the object."""
        with self._lock:
            if etag and key in self._held:
                self._check(key, Unchanged(etag))
            self._held.pop(key, None)

    def probe(self) -> Abilities:
        """Return what can be done in memory, which is always there."""
        return Abilities(conditions=True, checksums=True, versions=False, copies=True, multipart=True)
