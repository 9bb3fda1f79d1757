"""What a plan may do with a site: look, and nothing else, whatever its step tries."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from argosy.agent.looking import Looking
from argosy.agent.runner import run
from argosy.core.entry import Entry, Stored
from argosy.core.errors import Unsupported
from argosy.core.outcome import Outcome, Planned
from argosy.core.states import FileState
from argosy.discoveries.base import DISCOVERIES
from argosy.filesystems.base import OnError
from argosy.site import Note, Site
from argosy.steps.base import STEPS
from tests.sites import Side

STORED = Stored(datastore="cloud", key="projects/f", uuid=bytes(16), size=1)


@pytest.fixture
def london(tmp_path: Path) -> Side:
    side = Side(tmp_path, "london")
    (side.tree / "f").write_bytes(b"bytes")
    return side


@pytest.fixture
def looking(london: Side) -> Looking:
    return Looking(london.site())


TRIES: dict[str, Callable[[Looking, bytes], object]] = {
    "a name is removed": lambda site, path: site.tree(path).unlink(path, Entry(path=path)),
    "a file is opened to be written": lambda site, path: site.tree(path).open(path, writing=True),
    "a file is truncated": lambda site, path: site.tree(path).open(path).truncate(0),
    "a file is read": lambda site, path: site.tree(path).open(path).read(0, 1),
    "a file forgets its copy": lambda site, path: site.tree(path).open(path).forget(),
    "a lock is taken": lambda site, path: site.tree(path).locked(path),
    "an object is put": lambda site, _: site.store("cloud").put("k", None, metadata={}),  # type: ignore[arg-type]
    "an object is deleted": lambda site, _: site.store("cloud").delete("k"),
    "an object is announced": lambda site, _: site.intend(bytes(16), "k"),
}


@pytest.mark.parametrize("name", TRIES)
def test_what_would_change_something_is_refused(london: Side, looking: Looking, name: str) -> None:
    file = london.tree / "f"
    before = file.stat()
    with pytest.raises(Unsupported, match="a plan changes nothing"):
        TRIES[name](looking, bytes(file))
    assert (file.read_bytes(), file.stat().st_ctime_ns) == (b"bytes", before.st_ctime_ns)
    assert list(london.store.iterdir()) == []


def test_what_a_look_teaches_is_forgotten(london: Side, looking: Looking) -> None:
    file = bytes(london.tree / "f")
    with looking.tree(file).open(file) as opened:
        binding = opened.binding()
    looking.remember(STORED, file)
    looking.note(binding, Note(STORED.uuid, 1, stub=True))
    looking.read_whole(STORED.uuid)
    looking.forgo(STORED.uuid)
    assert looking.key_of(STORED.uuid) is None
    assert looking.noted(binding) is None
    assert looking.last_read_ns(STORED.uuid) == 0
    assert not looking.may_read(1, 1)


@dataclass(frozen=True)
class Sly:
    """A step that does its work while it is asked what it would do."""

    def plan(self, entry: Entry, site: Site) -> Planned:
        site.tree(entry.path).unlink(entry.path, entry)
        return Planned(entry=entry, says="would remove it")

    def apply(self, entry: Entry, site: Site) -> Outcome:
        return Outcome.processed(entry)


def test_a_step_that_acts_while_it_plans_is_stopped(london: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = STEPS.get
    monkeypatch.setattr(STEPS, "get", lambda name: Sly if name.endswith(".sly") else usual(name))
    file = london.tree / "f"
    (outcome,) = london.planned("sly", london.entry(file))
    assert (outcome.state, outcome.error) == (FileState.FAILED, "unsupported")
    assert file.exists()


@dataclass(frozen=True)
class Tidying:
    """A discovery that does more than look."""

    def find(self, given: Sequence[Entry], site: Site, *, on_error: OnError, after: bytes | None) -> Iterator[Entry]:
        for top in given:
            for entry in list(site.tree(top.path).scan(top.path, on_error=on_error)):
                if entry.path != top.path:
                    site.tree(entry.path).unlink(entry.path, entry)
                yield entry


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_discovery_of_a_plan_only_looks_too(london: Side, monkeypatch: pytest.MonkeyPatch, *, dry_run: bool) -> None:
    monkeypatch.setattr(DISCOVERIES, "get", lambda _: Tidying)
    order = london.order("recursive_action", Entry(path=bytes(london.tree)))
    order = msgspec.structs.replace(order, dry_run=dry_run)
    report = run(order, london.site(order), london.hub, london.pool)
    assert (report.error, (london.tree / "f").exists()) == (("unsupported", True) if dry_run else ("", False))
