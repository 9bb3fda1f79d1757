"""Which objects of a datastore are told as this hub's."""

from pathlib import Path

import msgspec
import pytest

from argosy.core.entry import Entry
from argosy.discoveries.objects import Objects
from tests.sites import Side
from tests.steps.stubs import premigrated

OURS, OTHERS = b"the secret of this hub", b"the secret of another"


def found(side: Side, **options: bool) -> dict[str, str]:
    """Return keys and states of the objects found."""
    side.hub.batches.clear()
    report = side.report("objects", Entry(path=b"/projects/"), datastore="cloud", **options)
    assert not report.error, report.reason
    return {entry.facts.stored.key: entry.state for batch in side.hub.batches for entry in batch.entries}


@pytest.fixture
def side(tmp_path: Path) -> Side:
    """Return a site with an object of another hub, one of this one's, and one without a seal."""
    london = Side(tmp_path, "london")
    for name, seal in (("others", OTHERS), ("unsealed", b""), ("ours", OURS)):
        london.access = msgspec.structs.replace(london.access, seal=seal)
        premigrated(london, name)
    return london


def test_what_bears_another_hubs_seal_is_told_as_such(side):
    assert found(side) == {
        "projects/others": Objects.ANOTHERS, "projects/unsealed": "", "projects/ours": "",
    }  # fmt: skip


def test_what_is_taken_over_is_told_as_ours(side):
    assert set(found(side, take_over=True).values()) == {""}
