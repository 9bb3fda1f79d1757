from hypothesis import given
from hypothesis import strategies as st

from argosy.agent.runner import GROWTH, batches
from argosy.core.entry import Entry


def entries(*sizes: int) -> list[Entry]:
    return [Entry(path=b"/%d" % number, size=size) for number, size in enumerate(sizes)]


def lengths(*sizes: int, files: int, size: int) -> list[int]:
    return [len(batch) for batch in batches(iter(entries(*sizes)), files=files, size=size)]


def test_batches_grow_from_one_tasks_worth_to_many() -> None:
    assert lengths(*[0] * 2000, files=40, size=1) == [40, 80, 160, 320, 640, 640, 120]
    assert lengths(*[500] * 12, files=10, size=1000) == [2, 4, 6]


@given(st.lists(st.integers(0, 50), max_size=80), st.integers(1, 7), st.integers(1, 60))
def test_batches_hold_every_entry_once_in_order_within_both_limits(sizes: list[int], files: int, size: int) -> None:
    found = list(batches(iter(entries(*sizes)), files=files, size=size))
    assert [entry for batch in found for entry in batch] == entries(*sizes)
    for number, batch in enumerate(found):
        times = min(2**number, GROWTH)
        assert 1 <= len(batch) <= files * times
        assert len(batch) == 1 or sum(entry.size for entry in batch) <= size * times


def test_a_batch_is_sent_before_the_next_is_gathered() -> None:
    met: list[bytes] = []

    def walk():
        for entry in entries(1, 1, 1, 1):
            met.append(entry.path)
            yield entry

    next(batches(walk(), files=2, size=100))
    assert len(met) == 3, "one is known of the next batch: that the first one is full"
