"""What a sync in both directions makes of changes that meet, and of those that fail in one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agent.syncing.pair import Pair
from tests.agent.syncing.test_rounds import both_are_alike, nothing_is_left_to_do, when
from tests.sites import close_all


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    close_all()


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    """Two sites that agree on a file in a directory."""
    made = Pair(tmp_path / "pair")
    made.disks[0].mkdir(b"d")
    made.disks[0].create(b"d/f", b"at first")
    assert not made.sync().undone
    return made


@pytest.mark.feature("HUB-SYNC-046")
@pytest.mark.parametrize("editor", [0, 1])
def test_a_change_wins_over_a_deletion(pair: Pair, editor: int) -> None:
    pair.disks[editor].edit(b"d/f", b"changed")
    pair.disks[1 - editor].remove(b"d/f")
    assert not pair.sync().undone
    both_are_alike(pair)
    assert pair.disks[0].at(b"d/f").data == b"changed"
    nothing_is_left_to_do(pair)


@pytest.mark.feature("HUB-SYNC-050")
def test_what_one_site_moved_and_the_other_deleted_is_sent_there_again(pair: Pair) -> None:
    one, two = pair.disks
    one.move(b"d/f", b"moved")
    two.remove(b"d/f")
    made = pair.sync()
    assert not made.undone
    assert made.sent
    both_are_alike(pair)
    assert two.at(b"moved").data == b"at first"
    nothing_is_left_to_do(pair)


@pytest.mark.feature("HUB-SYNC-056")
def test_a_deletion_that_was_carried_over_is_not_done_again_to_what_comes_there_later(pair: Pair) -> None:
    one, two = pair.disks
    one.remove(b"d/f")
    assert not pair.sync().undone
    assert not two.has(b"d/f")
    nothing_is_left_to_do(pair)
    one.create(b"d/f", b"another")
    two.create(b"other", b"of two")
    assert not pair.sync().undone
    both_are_alike(pair)
    assert two.at(b"d/f").data == b"another"
    assert one.at(b"other").data == b"of two"


@pytest.mark.feature("HUB-SYNC-038", "HUB-SYNC-049")
def test_what_fails_in_one_direction_hinders_nothing_in_the_other_and_comes_with_a_later_run(pair: Pair) -> None:
    one, two = pair.disks
    one.create(b"lost", b"is lost on its way")
    two.create(b"there", b"arrives")

    def lose() -> None:
        for path in pair.sites[0].store.rglob("*"):
            if path.is_file() and path.read_bytes() == b"is lost on its way":
                path.unlink()

    when(pair, "stage", lose)
    assert len(pair.sync().undone) == 1
    assert not two.has(b"lost")
    assert one.at(b"there").data == b"arrives"
    assert not pair.sync().undone
    both_are_alike(pair)
    nothing_is_left_to_do(pair)


@pytest.mark.feature("HUB-SYNC-036")
def test_names_of_all_kinds_are_synced_in_both_directions(pair: Pair) -> None:
    names = [
        b"back\\slash", b"\\", b"new\nline", "Am\u00e9lie".encode(), "Ame\u0301lie".encode(), "\U0001f3ac".encode(),
        "\u202eright to left".encode(), b"\xed\xa0\x80 half of a surrogate", b"\xff\xfe no text", b" ", b"a\tb",
    ]  # fmt: skip
    for number, name in enumerate(names):
        pair.disks[number % 2].create(name, name)
    pair.disks[0].mkdir(b"dir\\\xed\xb2\x80")
    pair.disks[0].create(b"dir\\\xed\xb2\x80/\xed\xb2\x80", b"in it")
    assert not pair.sync().undone
    both_are_alike(pair)
    assert all(disk.at(name).data == name for disk in pair.disks for name in names)
    pair.disks[1].move(b"back\\slash", b"\xed\xa0\x80\\moved")
    assert not pair.sync().undone
    both_are_alike(pair)
    nothing_is_left_to_do(pair)
