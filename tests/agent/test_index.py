from pathlib import Path

import pytest

from argosy.agent.index import Index
from argosy.core.entry import Stored
from argosy.core.errors import Exhausted

UUID = bytes(range(16))


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
