"""What steps and discoveries may use of the site they run at."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from argosy.core.entry import Stored
from argosy.core.order import Link, StoreAccess
from argosy.filesystems.base import Filesystem
from argosy.stores.base import Store


class Site(Protocol):
    """A site as its steps and discoveries see it, for as long as one task runs."""

    @property
    def name(self) -> str:
        """Name of the site."""

    def tree(self, path: bytes) -> Filesystem:
        """Return the tree that holds `path`.

        Raises:
            Denied: the path is outside the site's roots.
            Unavailable: its root cannot be served now.
        """

    def link(self, path: bytes, datastore: str | None = None) -> Link:
        """Return the sitelink for `path`, to `datastore` where one is named: the longest site path wins.

        Raises:
            Invalid: no sitelink covers the path.
        """

    def access(self, datastore: str) -> StoreAccess:
        """Return what is known of a linked datastore.

        Raises:
            Invalid: the site is not linked to it.
        """

    def store(self, datastore: str) -> Store:
        """Return the linked datastore, opened once.

        Raises:
            Invalid: the site is not linked to it.
            Denied: it is a directory that the agent's configuration does not list.
        """

    def intend(self, uuid: bytes, key: str) -> None:
        """Note that an object is about to be written and that nothing points to it yet."""

    def intended(self, uuid: bytes) -> bool:
        """Say whether this site wrote the object, or began to, and never came to point to it."""

    def remember(self, stored: Stored, path: bytes, *, at_once: bool = False) -> None:
        """Note key and path of an object that the inode at `path` points to; `at_once`: before this returns."""

    def key_of(self, uuid: bytes) -> str | None:
        """Return the key of an object; None where the index does not know it."""

    def path_of(self, uuid: bytes) -> bytes | None:
        """Return the path at which an inode last came to point to the object; None where the index does not know."""

    def locked(self, name: bytes) -> AbstractContextManager[None]:
        """Hold the lock `name` (an inode's binding, an object's uuid): one verb at a time on each."""

    @property
    def check_lease(self) -> Callable[[], None]:
        """Call it before every change.

        Raises (when called):
            LeaseLost: the task is no longer ours.
        """
