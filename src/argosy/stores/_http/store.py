"""What is the same for every store that is a server: asking again, settling puts, reading back, verifying copies.

None of the libraries retries: one loop here does, because a conditional put that is repeated may meet what it wrote
itself when only the reply was lost.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from typing import TypeVar

from argosy.core.errors import ArgosyError, Changed, Corrupt, Exists, NotFound
from argosy.core.turns import left
from argosy.stores._http.patience import Patience
from argosy.stores.base import Absent, Condition, Object, Source

T = TypeVar("T")


class HttpStore(ABC):
    """A store that is a server, seen by those who speak its language. Subclasses are plugins."""

    prefix: str

    @property
    @abstractmethod
    def where(self) -> str:
        """The store, as messages name it."""

    @property
    @abstractmethod
    def waiting(self) -> Patience:
        """How long to wait for the store, and how often to ask."""

    @abstractmethod
    def translated(self, key: str) -> AbstractContextManager[None]:
        """Turn the libraries' errors of the block into ours, naming the object and the store."""

    @abstractmethod
    def head(self, key: str, *, version: str = "") -> Object:
        """Return the object's description."""

    @abstractmethod
    def get(
        self, key: str, *, offset: int = 0, length: int | None = None, etag: str = "", version: str = ""
    ) -> Iterator[bytes]:
        """Yield the object's bytes."""

    @abstractmethod
    def delete(self, key: str, *, etag: str = "") -> None:
        """Remove the object."""

    # Names.

    @cached_property
    def folder(self) -> str:
        """What the names of all objects begin with: nothing, or a prefix that ends in a slash."""
        return self.prefix.strip("/") + "/" if self.prefix.strip("/") else ""

    def name(self, key: str) -> str:
        """Return what the server calls the object."""
        return self.folder + key

    # Asking.

    def asked(self, key: str, request: Callable[[], T]) -> T:
        """Return what the request returns, tried again while that may help."""

        def once() -> T:
            with self.translated(key), left():
                return request()

        return self.waiting.call(once)

    def settled(
        self,
        key: str,
        request: Callable[[], Object],
        source: Source,
        metadata: Mapping[str, str],
        condition: Condition | None,
    ) -> Object:
        """Make the request that makes the object appear; if it is repeated and meets its own work, that is success.

        Raises:
            Exists: the condition was `Absent` and the key is taken.
            Changed: the condition was `Unchanged` and it is not, or somebody else wrote the object meanwhile.
        """
        tries = count()

        def once() -> Object:
            again = next(tries) > 0
            try:
                with self.translated(key), left():
                    return request()
            except (Changed, NotFound):
                if again and (landed := self._landed(key, source, metadata)):
                    return landed
                raise

        try:
            return self.waiting.call(once)
        except (Changed, NotFound) as error:
            if isinstance(condition, Absent):
                raise Exists(f"object {key} exists in {self.where}") from error
            raise Changed(error.message) from error

    def _landed(self, key: str, source: Source, metadata: Mapping[str, str]) -> Object | None:
        """Return what is there if it is what we sent."""
        try:
            found = self.head(key)
        except NotFound:
            return None
        return found if found.metadata == dict(metadata) and self.holds(found, source) else None

    def holds(self, made: Object, source: Source) -> bool:
        """Say whether the store gives back the bytes of the source."""
        offset = 0
        for chunk in self.get(made.key, etag=made.etag, version=made.version):
            if offset + len(chunk) > source.size or chunk != source.read(offset, len(chunk)):
                return False
            offset += len(chunk)
        return offset == source.size

    # What the store verifies.

    def verifies(self, name: str, find_out: Callable[[], bool]) -> bool:
        """Return what was found out; threads that ask at the same time may all ask the store, and wait for no other."""
        if name not in self.__dict__:
            self.__dict__[name] = find_out()
        return bool(self.__dict__[name])

    # Deletes.

    def delete_this(self, key: str, request: Callable[[], object]) -> None:
        """Make the request that removes one object and no other; servers differ in what they say where there is none.

        Raises:
            Changed: there is another.
        """
        with suppress(NotFound):
            try:
                self.asked(key, request)
            except Changed:
                self.head(key)
                raise

    # Copies.

    def check_free(self, key: str) -> None:
        """Return where nothing has the key.

        Raises:
            Exists: something does.
        """
        with suppress(NotFound):
            self.head(key)
            raise Exists(f"object {key} exists in {self.where}")

    def verified_copy(self, found: Object, made: Object) -> Object:
        """Return the copy where it is one; else remove it, so that nobody takes it for one: its key was free.

        Raises:
            Corrupt: it is something else.
        """
        try:
            if self.is_copy(found, made):
                return made
            raise Corrupt(f"{self.where} did not copy object {found.key} as it is to {made.key}; the copy was removed")
        except ArgosyError:
            with suppress(ArgosyError):
                self.delete(made.key)
            raise

    def source(self, found: Object) -> Source:
        """Return the object as a source."""
        return _Stored(self, found)

    def is_copy(self, found: Object, made: Object) -> bool:
        """Say whether it is, by its entity tag, or else byte by byte."""
        same = made.size == found.size and made.metadata == found.metadata
        return same and (made.etag == found.etag or self.holds(made, self.source(found)))


@dataclass(frozen=True, slots=True)
class _Stored:
    """An object of a store as a source."""

    store: HttpStore
    found: Object

    @property
    def size(self) -> int:
        return self.found.size

    def read(self, offset: int, length: int) -> bytes:
        found = self.found
        return b"".join(self.store.get(found.key, offset=offset, length=length, etag=found.etag, version=found.version))
