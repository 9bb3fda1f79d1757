"""Prints of rows: the same with and without the C library, and another where anything that counts is another."""

from typing import Any

import pyarrow as pa
import pytest

from argosy.linux import tree
from argosy.snapshots.prints import prints
from argosy.snapshots.schema import SCHEMA

ROW: dict[str, Any] = {
    "inode": 5, "born_ns": -7, "parent_inode": 2**63 + 1, "parent_born_ns": 3, "name": b"a name of 17 bts", "kind": 1,
    "unknown": 0, "size": 2, "mtime_ns": -1, "ctime_ns": 4, "mode": 0o644, "uid": 2**32 - 1, "gid": 0, "links": 1,
    "attributes": None, "target": None, "hash": None, "pointer": None,
}  # fmt: skip
OTHERS: dict[str, Any] = {
    "born_ns": 7, "parent_inode": 1, "parent_born_ns": 4, "name": b"a name of 17 bt\0", "kind": 4, "unknown": 2,
    "size": 3, "mtime_ns": 0, "ctime_ns": 5, "mode": 0o600, "uid": 0, "gid": 1, "attributes": bytes(16),
    "target": b"\0", "hash": bytes(32),
}  # fmt: skip


def printed(*rows: dict[str, Any]) -> list[int]:
    """Return the prints of rows that are not the first of their batch."""
    batch = pa.RecordBatch.from_pylist([ROW, *rows], SCHEMA)
    made: list[int] = prints(batch.slice(1)).to_pylist()
    assert made == prints(batch).to_pylist()[1:]
    return made


@pytest.fixture(params=["compiled", "slow"])
def either(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the C library, and without."""
    if request.param == "slow":
        monkeypatch.setattr(tree, "LIBRARY", None)


@pytest.mark.usefixtures("either")
def test_all_that_counts_makes_another_print() -> None:
    rows = [ROW | {name: value} for name, value in OTHERS.items()]
    assert len(set(printed(ROW, *rows))) == len(rows) + 1
    assert set(printed(ROW, ROW | {"inode": 6}, ROW | {"links": 2}, ROW | {"pointer": bytes(16)})) == set(printed(ROW))
    directory = ROW | {"kind": 2}
    assert len(set(printed(directory, directory | {"mtime_ns": 8}, directory | {"ctime_ns": 8}))) == 1


def test_prints_are_the_same_without_the_c_library(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [ROW | {name: value} for name, value in OTHERS.items()]
    compiled = printed(ROW, *rows)
    monkeypatch.setattr(tree, "LIBRARY", None)
    assert printed(ROW, *rows) == compiled
