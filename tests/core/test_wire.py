import os

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from argosy.core import wire
from argosy.core.entry import Attributes, Entry, Facts, Kind, Stored
from argosy.core.errors import ArgosyError, Changed, Invalid, NotFound, Unsupported
from argosy.core.order import Order, StoreAccess
from argosy.core.outcome import Outcome
from argosy.core.report import Report
from argosy.core.states import FileState

ATTRIBUTES = st.builds(
    Attributes,
    mode=st.integers(0, 0o7777),
    uid=st.integers(0, 2**32 - 1),
    gid=st.integers(0, 2**32 - 1),
    mtime_ns=st.integers(-(2**62), 2**62),
    xattrs=st.lists(st.tuples(st.binary(min_size=1, max_size=9), st.binary(max_size=20)), max_size=3).map(tuple),
)
STORED = st.builds(
    Stored, datastore=st.just("cloud"), key=st.text(max_size=9), uuid=st.binary(min_size=16, max_size=16),
    size=st.integers(0, 2**62), digest=st.binary(max_size=32),
)  # fmt: skip
FACTS = st.builds(
    Facts,
    attributes=st.none() | ATTRIBUTES,
    stored=st.none() | STORED,
    target=st.none() | st.binary(max_size=9),
    extents=st.none() | st.lists(st.tuples(st.integers(0, 99), st.integers(1, 99)), max_size=3).map(tuple),
    links=st.integers(1, 9),
)
ENTRY = st.builds(
    Entry, path=st.binary(max_size=30), kind=st.sampled_from(Kind), size=st.integers(0, 2**62),
    mtime_ns=st.integers(-(2**62), 2**62), facts=FACTS,
)  # fmt: skip


@given(st.lists(ENTRY, max_size=4))
def test_entries_of_any_bytes_survive_the_wire_and_rest(entries: list[Entry]) -> None:
    assert wire.load(wire.dump(entries), list[Entry]) == entries
    assert wire.unpack(wire.pack(entries), list[Entry]) == entries


def test_a_newer_report_is_refused_and_an_extra_field_is_not() -> None:
    newer = msgspec.json.encode({"v": 2, "task": "t", "attempt": 1})
    with pytest.raises(Unsupported, match="version 2"):
        wire.load(newer, Report)
    with pytest.raises(Unsupported, match="version 2"):
        wire.load(msgspec.json.encode({"v": 2, "shape": "unlike"}), Report)
    assert wire.load(msgspec.json.encode({"v": 1, "task": "t", "attempt": 1, "hint": 3}), Report).task == "t"


@pytest.mark.parametrize("blob", [b"", b"{}", b"\x28\xb5\x2f\xfd torn"])
def test_torn_bytes_are_refused(blob: bytes) -> None:
    with pytest.raises(Invalid):
        wire.unpack(blob, Report)


def test_an_order_never_shows_a_secret() -> None:
    access = StoreAccess(id=1, name="cloud", type="S3", settings={"secretaccesskey": "hush"})
    order = Order(task="t", attempt=1, job=1, site="s", step="x", lease=1.0, stores=(access,))
    assert "hush" not in repr(order) + str(access)
    assert wire.load(wire.dump(order), Order) == order


def test_an_error_becomes_an_outcome_that_can_be_tried_again_or_not() -> None:
    entry = Entry(path=b"/a")
    assert Outcome.of_error(entry, Changed("it changed")).state is FileState.ABORTED
    failed = Outcome.of_error(entry, NotFound("/a is gone"))
    assert (failed.state, failed.reason, failed.error) == (FileState.FAILED, "/a is gone", "not_found")
    assert not failed.state.goes_on
    assert Outcome.skipped(entry, "already there").state.goes_on
    assert issubclass(Changed, ArgosyError)


def test_text_with_raw_bytes_of_a_name_is_written_as_it_is_shown() -> None:
    raw = os.fsdecode(b"/caf\xe9.txt") + "\ud800"
    report = Report(task="t", attempt=1, outcomes=(Outcome.skipped(Entry(path=b"/caf\xe9.txt"), "so"),), reason=raw)
    read = wire.unpack(wire.pack(report), Report)
    assert read.reason.startswith("/caf\ufffd")
    assert read.outcomes == report.outcomes
