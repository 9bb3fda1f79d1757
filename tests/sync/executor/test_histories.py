"""Whatever users do between two runs, and during one, no invariant breaks on real trees."""

from pathlib import Path

import pytest

from tests.sync.executor.histories import History

SEEDS = range(8)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_invariant_breaks(tmp_path: Path, seed: int) -> None:
    history = History(seed, tmp_path / "history")
    try:
        history.run()
    except AssertionError as error:
        raise AssertionError("\n".join([f"seed {seed}: {error}", *history.users.log])) from error
