"""Every pair of single operations, one on each side, over all trees of up to four nodes."""

import pytest

from tests.sync.planner.exhaustive import check, check_hidden, deeds, hidings, nodes_of, pair_of, pairs, shapes


@pytest.mark.parametrize("nodes", range(5))
def test_every_pair_of_operations_keeps_all_invariants(nodes: int) -> None:
    for shape in shapes(nodes):
        tree = nodes_of(shape)
        agreed = pair_of(tree)
        for one, two in pairs(shape):
            try:
                check(agreed, one, two)
            except AssertionError as error:
                pytest.fail(f"{[node.path for node in tree]}: {one} and {two}: {error}")


@pytest.mark.parametrize("nodes", range(1, 4))
def test_whatever_is_moved_out_of_sight_is_never_gone(nodes: int) -> None:
    for shape in shapes(nodes):
        tree = nodes_of(shape)
        agreed = pair_of(tree)
        for hidden in hidings(tree):
            for deed in deeds(tree):
                try:
                    check_hidden(agreed, hidden, deed)
                except AssertionError as error:
                    pytest.fail(f"{[node.path for node in tree]}: {hidden} and {deed}: {error}")


def test_no_tree_is_missing() -> None:
    assert [len(list(shapes(nodes))) for nodes in range(5)] == [1, 2, 5, 13, 37]
