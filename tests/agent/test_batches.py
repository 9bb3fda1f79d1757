import pytest
from hypothesis import given
from hypothesis import strategies as st

from argosy.agent.runner import batches
from argosy.core.entry import Entry


def entries(*sizes: int) -> list[Entry]:
    return [Entry(path=b"/%d" % number, size=size) for number, size in enumerate(sizes)]


@pytest.mark.feature("HUB-SITE-009", "HUB-SITE-008")
def test_a_hundred_files_of_500_mb_make_fifty_batches_of_two() -> None:
    found = list(batches(iter(entries(*[500_000_000] * 100)), files=10, size=1 << 30))
    assert [len(batch) for batch in found] == [2] * 50


@given(st.lists(st.integers(0, 50), max_size=40), st.integers(1, 7), st.integers(1, 60))
def test_batches_hold_every_entry_once_in_order_within_both_limits(sizes: list[int], files: int, size: int) -> None:
    found = list(batches(iter(entries(*sizes)), files=files, size=size))
    assert [entry for batch in found for entry in batch] == entries(*sizes)
    for batch in found:
        assert 1 <= len(batch) <= files
        assert len(batch) == 1 or sum(entry.size for entry in batch) <= size


def test_a_batch_is_sent_before_the_next_is_gathered() -> None:
    met: list[bytes] = []

    def walk():
        for entry in entries(1, 1, 1, 1):
            met.append(entry.path)
            yield entry

    next(batches(walk(), files=2, size=100))
    assert len(met) == 2
