"""An executor that is wrong in one way fails the test that is named for it; the right one passes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from argosy.core.errors import ArgosyError
from tests.sync.executor.mutants import MUTANTS, Mutation

IDS = [f"{mutation.__name__}-{case.__name__.removeprefix('test_')[:40]}" for mutation, case in MUTANTS]


@pytest.mark.parametrize(("mutation", "case"), MUTANTS, ids=IDS)
def test_a_mutant_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mutation: Mutation, case: Callable[[Path], object]
) -> None:
    (tmp_path / "right").mkdir()
    (tmp_path / "wrong").mkdir()
    case(tmp_path / "right")
    mutation(monkeypatch)
    with pytest.raises((AssertionError, ArgosyError, OSError, LookupError, pytest.fail.Exception)):
        case(tmp_path / "wrong")
