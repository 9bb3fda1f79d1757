"""What steps and discoveries may use of the site they run at."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from argosy.core.entry import Stored
from argosy.core.order import Link, StoreAccess
from argosy.filesystems.base import Filesystem
from argosy.stores.base import Store


class Site(Protocol):
    """A site as its steps and discoveries see it."""

    name: str

    def tree(self, path: bytes) -> Filesystem:
        """Return the tree that holds `path`.

        Raises:
            Denied: the path is outside the site's roots.
        """

    def link(self, path: bytes) -> Link:
        """Return the sitelink for `path`: the longest site path wins.

        Raises:
            Invalid: no sitelink covers the path.
        """

    def access(self, datastore: str) -> StoreAccess:
        """Return what is known of a linked datastore."""

    def store(self, datastore: str) -> Store:
        """Return the linked datastore, opened once.

        Raises:
            Invalid: the site is not linked to it.
        """

    def key_of(self, uuid: bytes) -> str | None:
        """Return the key of an object this site stored or fetched; None where the index has forgotten it."""

    def remember(self, stored: Stored, path: bytes) -> None:
        """Note key and last path of an object."""

    def path_of(self, uuid: bytes) -> bytes | None:
        """Return the last path at which this site made a file of the object."""

    def locked(self, name: bytes) -> AbstractContextManager[None]:
        """Hold the lock `name` (an inode's binding, an object's uuid): one verb at a time on each."""

    @property
    def check_lease(self) -> Callable[[], None]:
        """Call it before every change.

        Raises (when called):
            LeaseLost: the task is no longer ours.
        """
