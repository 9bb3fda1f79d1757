"""What a site knows, read beside its agent and without it."""

import os
import sqlite3
import threading
from pathlib import Path

import pytest

from argosy.agent.glimpse import Glimpse
from argosy.agent.index import Index
from argosy.core.config import SiteConfig
from argosy.core.entry import Stored
from argosy.core.errors import Unavailable
from argosy.core.pointer import Binding
from argosy.site import Note
from tests.argosy_up import until

BINDING = Binding(filesystem=bytes(16), subvolume=5, inode=2**63, born_ns=-1)
NOTE = Note(bytes(range(16)), 7, stub=True)
STORED = Stored(datastore="cloud", key="projects/f", uuid=bytes(range(16)), size=1)


def noted(directory: Path) -> Index:
    directory.mkdir(exist_ok=True)
    index = Index(directory / "index.db")
    index.remember(STORED, b"/f")
    index.note(BINDING, NOTE)
    index.read_whole(STORED.uuid, 12)
    index.flush()
    return index


def glimpse(directory: Path) -> Glimpse:
    return Glimpse(SiteConfig(name="london", roots=("/srv/london",)), directory)


def test_what_an_agent_has_written_is_seen_while_it_runs_and_afterwards(tmp_path: Path) -> None:
    index = noted(tmp_path / "agent")
    for _ in range(2):
        seen = glimpse(tmp_path / "agent")
        until(lambda found=seen: found.noted(BINDING) == NOTE, what="the note")
        assert seen.object_of(STORED.uuid) == ("cloud", "projects/f")
        assert seen.object_of(bytes(16)) == (None, None)
        index.close()


def test_nothing_is_made_where_no_agent_runs(tmp_path: Path) -> None:
    assert glimpse(tmp_path / "agent").noted(BINDING) is None
    assert not (tmp_path / "agent").exists()
    noted(tmp_path / "agent").close()
    before = sorted(os.listdir(tmp_path / "agent"))
    assert glimpse(tmp_path / "agent").noted(BINDING) == NOTE
    assert sorted(os.listdir(tmp_path / "agent")) == before == ["index.db"]


def test_nothing_is_made_beside_an_agent_that_runs(tmp_path: Path) -> None:
    index = noted(tmp_path / "agent")
    for _ in range(2):
        glimpse(tmp_path / "agent").noted(BINDING)
        assert sorted(os.listdir(tmp_path / "agent")) == ["index.db", "index.db-wal"]
    index.close()


def test_an_index_of_before_there_were_notes_is_read(tmp_path: Path) -> None:
    noted(tmp_path / "agent").close()
    with sqlite3.connect(tmp_path / "agent" / "index.db") as database:
        database.execute("DROP TABLE inode")
    database.close()
    assert glimpse(tmp_path / "agent").noted(BINDING) is None
    assert glimpse(tmp_path / "agent").object_of(STORED.uuid) == ("cloud", "projects/f")


def test_an_index_that_its_agent_is_writing_is_looked_at_again(tmp_path: Path) -> None:
    noted(tmp_path / "agent").close()
    index = tmp_path / "agent" / "index.db"
    whole = index.read_bytes()
    index.write_bytes(whole[:4096] + bytes(len(whole) - 4096))
    with pytest.raises(Unavailable, match="try again"):
        glimpse(tmp_path / "agent").noted(BINDING)
    writer = threading.Timer(0.06, index.write_bytes, (whole,))
    writer.start()
    try:
        assert glimpse(tmp_path / "agent").noted(BINDING) == NOTE
    finally:
        writer.join()


def test_when_content_was_read_is_remembered(tmp_path: Path) -> None:
    noted(tmp_path / "agent").close()
    index = Index(tmp_path / "agent" / "index.db")
    assert (index.last_read_ns(STORED.uuid), index.last_read_ns(bytes(16))) == (12, 0)
    index.read_whole(STORED.uuid, 13)
    assert index.last_read_ns(STORED.uuid) == 13
    index.close()
