"""Stubs made under a kernel that called their filesystem otherwise: ext4 before Linux 6.0."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from argosy.core.entry import Entry
from argosy.core.states import FileState
from argosy.filesystems._posix import entry
from argosy.hsm.file.state import State
from argosy.linux import identity
from tests.loop import mounted, unmounted
from tests.sites import Side
from tests.steps.stubs import good, pointer, premigrated, state, stub


@pytest.fixture
def upgraded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Side]:
    """A site with the stub `f` and the premigrated file `g` of before the kernel was upgraded."""
    top = mounted("ext4", tmp_path)
    with monkeypatch.context() as older:
        older.setattr(identity, "_QUESTIONS", ())
        entry._PLACES.clear()
        side = Side(top, "london")
        stub(side, "f")
        premigrated(side, "g")
        side.close()
    entry._PLACES.clear()
    side = Side(top, "london")
    yield side
    side.close()
    unmounted(top)


def test_they_are_what_they_were(upgraded: Side) -> None:
    file, whole = upgraded.tree / "f", upgraded.tree / "g"
    assert (state(upgraded, file), state(upgraded, whole)) == (State.STUB, State.PREMIGRATED)
    assert good(upgraded.do("recall", upgraded.entry(file)))
    (again,) = upgraded.do("migrate", upgraded.entry(whole))
    assert again.state is FileState.PROCESSED
    assert state(upgraded, whole) is State.STUB


def test_their_objects_are_referred_to_and_all_of_them_were_met(upgraded: Side) -> None:
    report = upgraded.report("references", Entry(path=bytes(upgraded.root)))
    assert not report.error, report.reason
    told = {found.facts.stored.uuid for batch in upgraded.hub.batches for found in batch.entries if found.path}
    assert told == {pointer(upgraded, upgraded.tree / name).uuid for name in ("f", "g")}
    (where,) = upgraded.place.index.stub_places()
    assert any(where[0][:8])


def test_one_that_was_removed_meanwhile_is_no_reason_to_wait_for_its_disk(upgraded: Side) -> None:
    for name in ("f", "g"):
        (upgraded.tree / name).unlink()
    report = upgraded.report("references", Entry(path=bytes(upgraded.root)))
    assert not report.error, report.reason
