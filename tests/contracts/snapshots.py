"""What every way of holding a fileset still promises."""

import os
from collections.abc import Callable

import pytest

from argosy.core.errors import NotFound
from argosy.core.fileset import Fileset
from argosy.filesystems.base import Snapshots


class SnapshotsContract:
    """Subclass me, and define fixtures `snapshots`, of an empty `fileset`, and `write`, which makes a file in it."""

    def test_what_is_held_still_stays_as_it_was(self, snapshots: Snapshots, write: Callable[[str, str], None]) -> None:
        write("a", "before")
        snapshots.create("one")
        write("a", "after")
        write("b", "new")
        with snapshots.opened("one") as top:
            assert os.listdir(top) == ["a"]
            with open(os.open("a", os.O_RDONLY, dir_fd=top)) as file:
                assert file.read() == "before"

    def test_what_can_be_held_still_is_known_before_it_is(self, snapshots: Snapshots) -> None:
        snapshots.check()
        assert list(snapshots.names()) == []

    def test_each_is_listed_until_it_is_deleted(self, snapshots: Snapshots) -> None:
        assert list(snapshots.names()) == []
        for name in ("b", "a"):
            snapshots.create(name)
        assert list(snapshots.names()) == ["a", "b"]
        snapshots.delete("a")
        assert list(snapshots.names()) == ["b"]

    def test_to_create_again_changes_nothing(self, snapshots: Snapshots, write: Callable[[str, str], None]) -> None:
        snapshots.create("one")
        write("a", "new")
        snapshots.create("one")
        with snapshots.opened("one") as top:
            assert os.listdir(top) == []

    def test_to_delete_again_is_no_error(self, snapshots: Snapshots) -> None:
        snapshots.create("one")
        for _ in range(2):
            snapshots.delete("one")

    def test_what_is_not_there_cannot_be_opened(self, snapshots: Snapshots, fileset: Fileset) -> None:
        with pytest.raises(NotFound, match="none"), snapshots.opened("none"):
            assert fileset
