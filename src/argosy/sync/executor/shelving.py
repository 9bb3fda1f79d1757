"""Room in the trash and in the version store: all that goes in one run lies under one id."""

from collections.abc import Callable
from typing import TypeVar

from argosy.filesystems import ids
from argosy.filesystems._posix import shelves
from argosy.filesystems._posix.removing import IN_THE_WAY
from argosy.filesystems._posix.root import Spot
from argosy.filesystems.base import Shelf
from argosy.sync.executor.run import Run

T = TypeVar("T")


def on_shelf(run: Run, shelf: Shelf, path: bytes, act: Callable[[Spot], T]) -> tuple[str, T]:
    """Do something with a place on a shelf that is made for the path below the top; say under which id that is.

    It is a later id of the same run where something else of this run has that place.
    """
    relative = run.area.below_root(path)
    try:
        with shelves.room(run.area.root, shelf, relative, beside=run.shelf_id) as place:
            return run.shelf_id, act(place)
    except OSError as error:
        if error.errno not in IN_THE_WAY:
            raise
    shelf_id = ids.later(run.shelf_id)
    with shelves.room(run.area.root, shelf, relative, beside=shelf_id) as place:
        return shelf_id, act(place)
