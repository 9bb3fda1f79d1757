"""From columns to the planner's values: whole columns at a time, since a row at a time costs several times as much."""

from itertools import repeat
from typing import Any, Final

import pyarrow as pa

from argosy.sync.planner.trees import Binding, Entry, Found, Kind, Known, Metadata, Obstacle, Version
from argosy.sync.reduction.base import Place

_KINDS: Final = (Kind.FILE, Kind.FILE, Kind.DIRECTORY, Kind.SYMLINK)
_BOUNDARY: Final = 5


class Columns:
    """The columns of a table as lists."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def __getitem__(self, name: str) -> list[Any]:
        return self._table.column(name).to_pylist()  # type: ignore[no-any-return]

    def kinds(self) -> list[Kind]:
        """Return what each row is."""
        return [_KINDS[kind] for kind in self["kind"]]

    def bindings(self, place: Place, prefix: str = "") -> list[Binding]:
        """Return the inode of each row: its own, or by the prefix another."""
        filesystem, subvolume = repeat(bytes.fromhex(place.filesystem)), repeat(place.subvolume)
        return list(map(Binding, filesystem, subvolume, self[f"{prefix}inode"], self[f"{prefix}born_ns"]))

    def versions(self, prefix: str = "") -> list[Version]:
        """Return the version of each row's data."""
        return list(map(Version, self["size"], self[f"{prefix}mtime_ns"], self[f"{prefix}ctime_ns"]))

    def metadata(self) -> list[Metadata]:
        """Return the metadata of each row."""
        return list(map(Metadata, self["mode"], self["uid"], self["gid"], self["attributes"]))


def known(table: pa.Table, places: tuple[Place, Place]) -> list[Known]:
    """Return rows of a base as objects."""
    rows = Columns(table)
    sides = [
        map(Found, rows.bindings(place, f"{side}_"), rows.versions(f"{side}_"))
        for side, place in zip(("one", "two"), places, strict=True)
    ]
    return list(
        map(
            Known,
            rows["id"],
            rows["parent"],
            rows["name"],
            rows.kinds(),
            rows["content"],
            rows["size"],
            rows["mtime_ns"],
            rows.metadata(),
            zip(*sides, strict=True),
        )
    )


def entries(table: pa.Table, place: Place) -> list[Entry]:
    """Return rows of an index as entries."""
    rows = Columns(table)
    contents = [
        target if kind is Kind.SYMLINK else content
        for kind, content, target in zip(rows.kinds(), rows["hash"], rows["target"], strict=True)
    ]
    return list(
        map(
            Entry,
            rows.bindings(place),
            rows.bindings(place, "parent_"),
            rows["name"],
            rows.kinds(),
            rows.versions(),
            rows.metadata(),
            contents,
            rows["links"],
        )
    )


def unlisted(table: pa.Table, place: Place) -> frozenset[Binding]:
    """Return the directories among rows of an index whose names are not all known."""
    rows = Columns(table)
    return frozenset(each for each, unknown in zip(rows.bindings(place), rows["unknown"], strict=True) if unknown == 2)


class Rest:
    """Names of a side that are no entries, by why they are none."""

    def __init__(self, table: pa.Table, place: Place) -> None:
        self.unsyncable: list[Obstacle] = []
        self.boundaries: list[Obstacle] = []
        self.unknown: list[Obstacle] = []
        rows = Columns(table)
        for parent, name, kind, unknown in zip(
            rows.bindings(place, "parent_"), rows["name"], rows["kind"], rows["unknown"], strict=True
        ):
            if unknown == 1:
                self.unknown.append(Obstacle(parent, name, "could not be looked at"))
            elif kind == _BOUNDARY:
                self.boundaries.append(Obstacle(parent, name, "a mount point, subvolume or fileset"))
            else:
                self.unsyncable.append(Obstacle(parent, name, "a fifo, socket or device"))
