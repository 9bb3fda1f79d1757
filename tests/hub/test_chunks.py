import pytest

from argosy.core.entry import Entry
from argosy.hub.jobs.blobs import Carried
from argosy.hub.jobs.ledger import chunks
from argosy.hub.sites.models import Site


def sizes(count: int, size: int, site: Site) -> list[int]:
    carried = [Carried(entry=Entry(path=b"/%d" % number, size=size)) for number in range(count)]
    return [len(chunk) for chunk in chunks(carried, site)]


@pytest.mark.feature("HUB-SITE-009")
def test_a_hundred_files_of_500_mb_make_fifty_tasks_of_two() -> None:
    assert sizes(100, 500_000_000, Site(name="london", file_batch_gb=1, file_batch_size=10)) == [2] * 50


def test_a_file_larger_than_the_limit_has_a_task_of_its_own() -> None:
    assert sizes(3, 5 << 30, Site(name="london", file_batch_gb=1, file_batch_size=10)) == [1, 1, 1]


def test_entries_that_get_each_others_names_stay_together_whatever_the_limit() -> None:
    moves = [(b"/b", b"/a"), (b"/x", b"/y"), (b"/d", b"/c"), (b"/c", b"/b"), (b"/a", b"/d"), (b"/new", b"/old")]
    carried = [Carried(entry=Entry(path=path, source=source)) for path, source in moves]
    made = list(chunks(carried, Site(name="london", file_batch_gb=1, file_batch_size=2)))
    circle = {b"/a", b"/b", b"/c", b"/d"}
    assert [{item.entry.path for item in chunk} for chunk in made] == [circle, {b"/x", b"/new"}]
