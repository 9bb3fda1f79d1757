"""Planned from index files and chunks of a base, as a hub does, the same is done."""

from pathlib import Path

from tests.sync.executor.histories import Witness
from tests.sync.executor.test_kills import eventful


def test_what_is_planned_from_files_is_done_and_agreed_on(tmp_path: Path) -> None:
    pair, agreed = eventful(tmp_path / "pair")
    witness = Witness(pair, agreed)
    made = pair.sync(pair.reduced(tmp_path))
    witness.everything_was_done(made)
    witness.nothing_is_lost()
    witness.both_are_equal()
    witness.what_was_new_is_visible()
    witness.the_base_is_what_both_have()
    assert pair.reduced(tmp_path).plan.operations == ()
    pair.disks[0].move(b"e", b"f")
    pair.disks[1].edit(b"new", b"text")
    made = pair.sync(pair.reduced(tmp_path))
    witness.everything_was_done(made)
    witness.both_are_equal()
    assert pair.reduced(tmp_path).plan.operations == ()
