import sqlite3
from pathlib import Path

import msgspec
import pytest

from argosy.agent.index import VERSION, Index, name_of
from argosy.core.entry import Stored
from argosy.core.errors import Exhausted, Unsupported
from argosy.core.pointer import Binding
from argosy.site import Note

UUID = bytes(range(16))
BINDING = Binding(filesystem=b"f" * 16, subvolume=5, inode=2**63, born_ns=-1)


@pytest.fixture
def index(tmp_path: Path) -> Index:
    return Index(tmp_path / "index.db")


def stored(key: str = "projects/a") -> Stored:
    return Stored(datastore="cloud", key=key, uuid=UUID, size=1)


def test_an_object_is_known_once_an_inode_points_to_it(index: Index) -> None:
    index.intend(UUID, "projects/a")
    assert index.intended(UUID)
    assert (index.key_of(UUID), index.path_of(UUID)) == (None, None)
    index.remember(stored(), b"/srv/a\xff")
    assert not index.intended(UUID)
    assert (index.key_of(UUID), index.path_of(UUID)) == ("projects/a", b"/srv/a\xff")


def test_an_unknown_object_was_never_intended_here(index: Index) -> None:
    assert not index.intended(UUID)
    assert (index.key_of(UUID), index.path_of(UUID)) == (None, None)


def test_the_index_outlives_its_process(tmp_path: Path) -> None:
    first = Index(tmp_path / "index.db")
    first.remember(stored(), b"/a")
    first.close()
    assert Index(tmp_path / "index.db").path_of(UUID) == b"/a"


def test_notes_that_cannot_be_written_stay_noted(index: Index) -> None:
    index.flush()
    index._db.execute("PRAGMA max_page_count=1")
    index.remember(Stored(datastore="cloud", key="k" * 100_000, uuid=UUID, size=1), b"/a")
    with pytest.raises(Exhausted):
        index.flush()
    assert index.path_of(UUID) == b"/a"
    index._db.execute("PRAGMA max_page_count=100000")
    index.flush()
    assert index._db.execute("SELECT path FROM object").fetchall() == [(b"/a",)]


def test_what_is_noted_of_an_inode_outlives_its_process(tmp_path: Path) -> None:
    first = Index(tmp_path / "index.db")
    assert first.noted(BINDING) is None
    first.note(BINDING, Note(UUID, 1, stub=False))
    first.note(BINDING, Note(UUID, 2**62, stub=True))
    assert first.noted(BINDING) == Note(UUID, 2**62, stub=True)
    first.close()
    second = Index(tmp_path / "index.db")
    assert second.noted(BINDING) == Note(UUID, 2**62, stub=True)


def test_a_ctime_counts_in_the_boot_that_noted_it_and_a_stub_in_all(tmp_path: Path) -> None:
    first = Index(tmp_path / "index.db", boot="one")
    first.note(BINDING, Note(UUID, 1, stub=True))
    assert first.noted(BINDING) == Note(UUID, 1, stub=True)
    first.close()
    later = Index(tmp_path / "index.db", boot="another")
    assert later.noted(BINDING) == Note(UUID, 0, stub=True)
    later.close()
    assert Index(tmp_path / "index.db", boot="one").noted(BINDING) == Note(UUID, 1, stub=True)


@pytest.mark.parametrize("field", ["filesystem", "subvolume", "inode", "born_ns"])
def test_another_inode_has_notes_of_its_own(index: Index, field: str) -> None:
    value = b"g" * 16 if field == "filesystem" else 7
    index.note(BINDING, Note(UUID, 1, stub=True))
    other = msgspec.structs.replace(BINDING, **{field: value})
    assert index.noted(other) is None
    index.flush()
    assert index.noted(other) is None


def test_an_index_of_the_first_version_is_upgraded_and_keeps_what_it_knows(tmp_path: Path) -> None:
    file = tmp_path / "index.db"
    with sqlite3.connect(file) as old:
        old.execute("CREATE TABLE object (uuid BLOB PRIMARY KEY, datastore TEXT, key TEXT NOT NULL, path BLOB)")
        old.execute("INSERT INTO object VALUES (?, 'cloud', 'projects/a', ?)", (UUID, b"/a"))
        old.execute("PRAGMA user_version=1")
    index = Index(file)
    assert (index.key_of(UUID), index.path_of(UUID)) == ("projects/a", b"/a")
    index.note(BINDING, Note(UUID, 1, stub=True))
    index.close()
    assert Index(file).noted(BINDING) == Note(UUID, 1, stub=True)


def test_an_index_of_the_second_version_is_upgraded_and_its_ctimes_no_longer_count(tmp_path: Path) -> None:
    file = tmp_path / "index.db"
    with sqlite3.connect(file) as old:
        old.execute("CREATE TABLE inode (binding BLOB PRIMARY KEY, uuid BLOB, ctime_ns INTEGER, stub INTEGER)")
        old.execute("INSERT INTO inode VALUES (?, ?, 1, 1)", (name_of(BINDING), UUID))
        old.execute("PRAGMA user_version=2")
    for _ in range(2):
        index = Index(file)
        assert index.noted(BINDING) == Note(UUID, 0, stub=True)
        index.close()


def test_an_index_of_a_newer_argosy_is_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "index.db"
    with sqlite3.connect(file) as newer:
        newer.execute(f"PRAGMA user_version={VERSION + 1}")
    with pytest.raises(Unsupported, match="argosy rebuild"):
        Index(file)
    assert sqlite3.connect(file).execute("PRAGMA user_version").fetchone() == (VERSION + 1,)
