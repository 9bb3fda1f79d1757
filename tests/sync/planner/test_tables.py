"""The decision tables, cell by cell: what becomes of two deeds, one on each side."""

import pytest

from tests.sync.planner.executor import Pair
from tests.sync.planner.scenarios import BASES, cells, pair_of, printed, swapped

CELLS = cells()
TEXTS = {(table, row, column): text for table, row, column, text in CELLS}


def outcome(table: int, row: str, column: str, *, first_newer: bool = False) -> str:
    """Have each side do its deed, sync, and print what both have by then."""
    pair = pair_of(table)
    deeds = BASES[table][0]
    if first_newer:
        deeds[column](pair.disks[1], b"2")
        deeds[row](pair.disks[0], b"1")
    else:
        deeds[row](pair.disks[0], b"1")
        deeds[column](pair.disks[1], b"2")
    pair.sync()
    settled(pair)
    return printed(pair.disks[0])


def settled(pair: Pair) -> None:
    assert pair.failed == []
    assert pair.disks[0].tree() == pair.disks[1].tree()
    assert pair.plan().operations == ()


def test_the_tables_are_whole() -> None:
    assert len(CELLS) == 9 * 9 + 8 * 8 + 11 * 11


@pytest.mark.parametrize(("table", "row", "column", "text"), CELLS, ids=[f"{t} {r} x {c}" for t, r, c, _ in CELLS])
def test_a_cell(table: int, row: str, column: str, text: str) -> None:
    assert outcome(table, row, column) == text


@pytest.mark.parametrize(("table", "row", "column", "text"), CELLS, ids=[f"{t} {r} x {c}" for t, r, c, _ in CELLS])
def test_a_cell_with_the_sites_in_each_others_place(table: int, row: str, column: str, text: str) -> None:
    """The tables are symmetric except where a winner is chosen; who wins does not change which contents survive."""
    mirrored = swapped(TEXTS[table, column, row])
    found = outcome(table, row, column, first_newer=True)
    if mirrored == text:
        assert found == text
    else:
        assert found in {text, mirrored} or kept(found) == kept(text) == kept(mirrored)


def kept(cell: str) -> list[str]:
    return sorted(word.partition("=")[2] for word in cell.split())
