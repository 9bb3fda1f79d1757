"""A planner that is wrong in one way fails the test that is named for it; the right one passes."""

from collections.abc import Callable

import pytest

from tests.sync.planner.mutants import MUTANTS, Mutation

IDS = [what for _, what, _ in MUTANTS]


@pytest.mark.parametrize(("mutation", "case"), [(mutation, case) for mutation, _, case in MUTANTS], ids=IDS)
def test_a_mutant_is_killed(monkeypatch: pytest.MonkeyPatch, mutation: Mutation, case: Callable[[], None]) -> None:
    case()
    mutation(monkeypatch)
    with pytest.raises(
        (AssertionError, LookupError, RecursionError, ValueError)
    ):  # caught by an assertion or on the way
        case()
