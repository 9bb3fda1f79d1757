"""In which order renames are done that have to do with each other."""

import pytest

from argosy.core.renames import TOGETHER, Rename, arranged

CASES = {
    "nothing": ([], [], []),
    "a swap goes together": (["a b", "b a"], [["a b", "b a"]], []),
    "a chain, from its end": (["a b", "b c", "c d"], [["c d", "b c", "a b"]], []),
    "out of a directory, then that, then into it": (
        ["d e", "d/y z", "x e/x"], [["d/y z"], ["d e"], ["x e/x"]], [],
    ),
    "a directory and what is in it": (["d e", "d/a e/b"], [["d e", "d/a e/b"]], []),
    "into a directory made anew": (["d e", "x d/x"], [["d e"], ["x d/x"]], []),
    "what lay in what it replaces": (["p/c p"], [["p/c p"]], []),
    "out of what is replaced": (["e/y z", "d e"], [["e/y z"], ["d e"]], []),
    "what has nothing to do with each other": (["a b", "c d"], [["c d", "a b"]], []),
    "a directory into itself": (["d d/x", "d/q r", "r s"], [["r s"]], ["d d/x", "d/q r"]),
    "a directory into what lay in it": (["p/c p", "p p/c"], [], ["p/c p", "p p/c"]),
    "the same name in another directory": (["d e", "d/x d/x"], [["d e"]], ["d/x d/x"]),
}  # fmt: skip


def renames(*told: str) -> list[Rename]:
    return [Rename(*each.encode().split()) for each in told]


@pytest.mark.parametrize("case", CASES)
def test_renames_come_in_order(case: str) -> None:
    told, levels, stuck = CASES[case]
    found = arranged(renames(*told))
    assert [sorted(told[number] for number in level) for level in found.levels] == [sorted(level) for level in levels]
    assert sorted(told[number] for number in found.stuck) == sorted(stuck)


def test_a_chain_goes_from_its_end_and_a_long_one_in_parts() -> None:
    told = [f"{number} {number + 1}" for number in range(2 * TOGETHER + 1)]
    found = arranged(renames(*told))
    assert [len(level) for level in found.levels] == [TOGETHER, TOGETHER, 1]
    assert [number for level in found.levels for number in level] == list(reversed(range(2 * TOGETHER + 1)))


def test_a_long_circle_loses_a_member_and_is_a_chain() -> None:
    count = TOGETHER + 5
    found = arranged(renames(*(f"{number} {(number + 1) % count}" for number in range(count))))
    assert found.stuck == {0}
    assert [len(level) for level in found.levels] == [TOGETHER, 4]
