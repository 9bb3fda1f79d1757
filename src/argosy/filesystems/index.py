"""`index`: filesets that are not held still, only listed."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from argosy.core.fileset import Fileset
from argosy.filesystems._posix.snapshots import opened_top
from argosy.filesystems.base import SNAPSHOTS


@SNAPSHOTS.register
@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """A fileset on any filesystem, whose list is all that stays of what it looked like."""

    fileset: Fileset

    def check(self) -> None:
        """Do nothing: any tree can be listed."""

    def create(self, name: str) -> None:
        """Do nothing: the tree is listed as it is."""

    def names(self) -> Sequence[str]:
        """Return nothing: nothing is held still."""
        return ()

    @contextmanager
    def opened(self, name: str) -> Iterator[int]:  # noqa: ARG002 - whatever the name, there is one tree
        """Hold the top of the fileset itself open."""
        with opened_top(self.fileset) as top:
            yield top

    def delete(self, name: str) -> None:
        """Do nothing."""
