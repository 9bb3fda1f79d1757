"""What a site that lost its index, or a disk, says of what its files point to."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from argosy.core.entry import Entry
from tests.loop import mounted, unmounted
from tests.sites import Side, carried
from tests.steps.stubs import made, pointer, stub


@pytest.mark.parametrize("how", ["broken", "removed", "with all else"])
def test_nothing_is_garbage_before_an_index_that_was_lost_is_rebuilt(tmp_path: Path, how: str) -> None:
    side = Side(tmp_path, "london")
    uuid = pointer(side, stub(side, "a")).uuid
    assert side.references() == {uuid}
    side.close()
    agent = tmp_path / "agent-london"
    if how == "broken":
        (agent / "index.db").write_bytes(bytes(8192))
    elif how == "removed":
        (agent / "index.db").unlink()
    else:
        shutil.rmtree(agent)
    for _ in range(2):  # it is remembered
        side = Side(tmp_path, "london")
        with pytest.raises(RuntimeError, match="run `argosy rebuild`"):
            side.references()
        assert "run `argosy rebuild`" in side.place.trouble()
        side.close()
    side = Side(tmp_path, "london")
    assert not side.report("rebuild", Entry(path=bytes(side.tree))).error
    assert side.place.trouble()  # that was not all of it
    assert not side.report("rebuild", Entry(path=bytes(side.root))).error
    assert side.references() == {uuid}
    assert side.place.trouble() == ""
    assert side.place.index.stub_places()


def test_an_index_that_breaks_while_its_files_are_listed_stops_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    side = Side(tmp_path, "london")
    stub(side, "a")
    monkeypatch.setattr(side.place.index, "unpointed", lambda: iter([side.place.index._begin_anew(broken())][1:]))
    with pytest.raises(RuntimeError, match="run `argosy rebuild`"):
        side.references()


def broken() -> Exception:
    import sqlite3

    error = sqlite3.DatabaseError("database disk image is malformed")
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


def test_the_stub_of_an_object_that_is_lost_is_known_after_a_rebuild_all_the_same(tmp_path: Path) -> None:
    side = Side(tmp_path, "london")
    stub(side, "a")
    side.close()
    (tmp_path / "agent-london" / "index.db").unlink()
    shutil.rmtree(side.store / "projects")
    side = Side(tmp_path, "london")
    side.report("rebuild", Entry(path=bytes(side.root)))
    assert side.place.index.stub_places()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk, mounted where the root of london is."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "london").mkdir()
    disk = mounted("ext4", tmp_path / "disk")
    subprocess.run(["mount", "--bind", disk, tmp_path / "london"], check=True)
    yield disk
    subprocess.run(["umount", tmp_path / "london"], check=False)
    unmounted(disk)


def test_a_disk_that_is_unmounted_under_a_running_agent_is_missed_and_nothing_lies_in_its_place(
    tmp_path: Path, disk: Path
) -> None:
    london, dublin = Side(tmp_path, "london"), Side(tmp_path, "dublin")
    copied = dublin.do("migrate", dublin.entry(made(dublin, "x")), premigrate=True)
    subprocess.run(["umount", tmp_path / "london"], check=True)
    for report in (
        london.report("reverse_stub", *carried(copied, dublin, london), hydrate=False),
        london.report("rebuild", Entry(path=bytes(london.root))),
        london.report("references", Entry(path=bytes(london.root))),
    ):
        assert report.error == "root_refused"
        assert "mount its disk" in report.reason
        assert report.retry
    assert list((tmp_path / "london").iterdir()) == []
    subprocess.run(["mount", "--bind", disk, tmp_path / "london"], check=True)
    london.do("reverse_stub", *carried(copied, dublin, london), hydrate=False)
    assert london.references() == {copied[0].entry.facts.stored.uuid}
