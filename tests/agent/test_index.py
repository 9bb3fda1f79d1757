import os
import sqlite3
from pathlib import Path

import msgspec
import pytest

from argosy.agent.index import VERSION, Index, name_of
from argosy.core.entry import Stored
from argosy.core.errors import Exhausted, Unsupported
from argosy.core.pointer import Binding, brief
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


def test_a_handle_stays_known_and_inodes_without_one_are_not_told(tmp_path: Path) -> None:
    first = Index(tmp_path / "index.db")
    first.note(BINDING, Note(UUID, 1, stub=False, handle=b"h"))
    first.note(BINDING, Note(UUID, 2, stub=True))
    first.note(msgspec.structs.replace(BINDING, inode=1), Note(UUID, 2, stub=True))
    assert first.noted(BINDING) == Note(UUID, 2, stub=True, handle=b"h")
    first.flush()
    first.note(BINDING, Note(UUID, 3, stub=True))
    assert list(first.held()) == [(BINDING, Note(UUID, 0, stub=True, handle=b"h"))]
    assert first.stub_places() == {(BINDING.filesystem, BINDING.subvolume): False}
    first.close()
    assert Index(tmp_path / "index.db").noted(BINDING).handle == b"h"


def test_inodes_are_told_in_order_however_many_there_are(index: Index) -> None:
    inodes = [msgspec.structs.replace(BINDING, inode=number) for number in range(2500)]
    for binding in reversed(inodes):
        index.note(binding, Note(UUID, 1, stub=True, handle=b"h"))
    assert [binding for binding, _ in index.held()] == inodes
    assert index.stub_places() == {(BINDING.filesystem, BINDING.subvolume): True}


def test_what_was_noted_anew_meanwhile_is_not_forgotten(index: Index) -> None:
    inodes = [msgspec.structs.replace(BINDING, inode=number) for number in range(3)]
    for binding in inodes:
        index.note(binding, Note(UUID, 1, stub=False, handle=b"h"))
    told = list(index.held())
    index.note(inodes[1], Note(b"n" * 16, 1, stub=False))
    index.flush()
    index.note(inodes[2], Note(UUID, 1, stub=True))
    index.leave(told)
    assert [index.noted(binding) is None for binding in inodes] == [True, False, False]


def test_a_tree_is_whole_from_when_that_is_said(tmp_path: Path) -> None:
    first = Index(tmp_path / "index.db")
    assert not first.is_whole("t")
    first.make_whole("t")
    first.close()
    assert Index(tmp_path / "index.db").is_whole("t")


def test_an_index_of_the_third_version_is_upgraded_and_knows_no_handles(tmp_path: Path) -> None:
    file = tmp_path / "index.db"
    with sqlite3.connect(file) as old:
        old.execute(
            "CREATE TABLE inode (binding BLOB PRIMARY KEY, uuid BLOB, ctime_ns INTEGER, stub INTEGER, boot INTEGER)"
        )
        old.execute("INSERT INTO inode VALUES (?, ?, 1, 1, 0)", (name_of(BINDING), UUID))
        old.execute("PRAGMA user_version=3")
    index = Index(file)
    assert index.noted(BINDING) == Note(UUID, 0, stub=True)
    assert not list(index.held())
    index.note(BINDING, Note(UUID, 1, stub=True, handle=b"h"))
    assert [note.handle for _, note in index.held()] == [b"h"]


def test_a_broken_index_is_set_aside_and_a_new_one_knows_nothing(tmp_path: Path) -> None:
    file = tmp_path / "index.db"
    first = Index(file)
    first.make_surveyed("t")
    first.remember(stored(), b"/a")
    first.close()
    file.write_bytes(b"\0" * 8192)
    index = Index(file, trees=["t"])
    assert (index.path_of(UUID), index.is_surveyed("t")) == (None, False)
    assert (tmp_path / "index.db.broken").read_bytes() == b"\0" * 8192
    index.remember(stored(), b"/a")
    index.close()
    assert Index(file).path_of(UUID) == b"/a"


def test_an_index_that_breaks_while_it_is_open_begins_anew(index: Index, tmp_path: Path) -> None:
    for number in range(3000):
        index.note(msgspec.structs.replace(BINDING, inode=number), Note(UUID, 1, stub=True, handle=b"h"))
    index.make_surveyed("t")
    index.flush()
    index._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    index._db.execute("PRAGMA shrink_memory")
    pages = os.path.getsize(tmp_path / "index.db") // 4096
    with (tmp_path / "index.db").open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(4096 * (pages - 1)))
    assert list(index.held()) == []
    assert index.noted(BINDING) is None
    index.note(BINDING, Note(UUID, 1, stub=True))
    index.flush()
    assert not index.is_surveyed("t")
    assert (tmp_path / "index.db.broken").stat().st_size == pages * 4096


def test_an_older_index_knows_the_stubs_of_the_trees_it_served(tmp_path: Path) -> None:
    file = tmp_path / "index.db"
    with sqlite3.connect(file) as old:
        old.execute("PRAGMA user_version=3")
    index = Index(file, trees=["t"])
    assert [index.is_surveyed(tree) for tree in ("t", "u")] == [True, False]
    index.close()
    index = Index(file, trees=["t", "u"])
    assert [index.is_surveyed(tree) for tree in ("t", "u")] == [True, False]


def test_no_file_that_lies_beside_it_is_mapped(index: Index, tmp_path: Path) -> None:
    index.note(BINDING, Note(UUID, 1, stub=True))
    index.flush()
    maps = Path("/proc/self/maps").read_text()
    assert str(tmp_path) not in maps
    assert {path.name for path in tmp_path.iterdir()} == {"index.db", "index.db-wal"}


FILESYSTEM = bytes(range(1, 17))
SHORT = brief(FILESYSTEM)
"""What `statfs` answers for it."""


def test_an_inode_is_known_by_either_name_of_its_filesystem(tmp_path: Path) -> None:
    old, new = (msgspec.structs.replace(BINDING, filesystem=name) for name in (SHORT, FILESYSTEM))
    first = Index(tmp_path / "index.db", boot="one")
    first.note(old, Note(UUID, 1, stub=True, handle=b"h"))
    first.close()
    index = Index(tmp_path / "index.db", boot="two")
    assert index.noted(new) == Note(UUID, 0, stub=True, handle=b"h")
    assert index.stub_places() == {(FILESYSTEM, 5): True}
    for name, bound in ((FILESYSTEM, new), (SHORT, old)):
        assert [binding.filesystem for binding, _ in index.held([name])] == [name]
        assert index.noted(bound) is not None
    index.leave(index.held([SHORT]))
    assert (index.noted(old), index.noted(new)) == (None, None)


def test_what_older_kernels_called_a_filesystem_is_found_when_it_is_asked_for_first(tmp_path: Path) -> None:
    old = msgspec.structs.replace(BINDING, filesystem=SHORT)
    first = Index(tmp_path / "index.db")
    first.note(old, Note(UUID, 1, stub=True, handle=b"h"))
    first.close()
    assert [note.handle for _, note in Index(tmp_path / "index.db").held([FILESYSTEM])] == [b"h"]


def test_a_stub_is_known_by_its_number_where_no_time_of_birth_tells(index: Index) -> None:
    def born(born_ns: int, uuid: bytes, *, stub: bool = True) -> Binding:
        binding = Binding(filesystem=b"f" * 16, subvolume=5, inode=7, born_ns=born_ns)
        index.note(binding, Note(uuid, 0, stub=stub))
        return binding

    first, second, whole = born(3, b"a" * 16), born(-9, b"b" * 16), born(4, b"c" * 16, stub=False)
    assert index.left_as(first) == {b"a" * 16}
    assert index.left_as(whole) == set()
    assert index.left_as(msgspec.structs.replace(second, born_ns=0)) == {b"a" * 16, b"b" * 16}
    assert index.left_as(msgspec.structs.replace(second, born_ns=0, inode=8)) == set()
    assert set(index.unheld()) == {first, second}
    index.note(first, Note(b"a" * 16, 0, stub=True, handle=b"h"))
    assert set(index.unheld()) == {second}
