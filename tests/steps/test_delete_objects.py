"""Removing objects that nothing refers to: what the hub found is held against what is there."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event
from typing import Any

import msgspec
import pytest

from argosy.agent.runner import run
from argosy.core.entry import Entry, Stored
from argosy.core.errors import Invalid
from argosy.core.outcome import Outcome
from argosy.core.states import FileState
from argosy.steps.base import STEPS
from argosy.steps.delete_objects import DeleteObjects
from argosy.stores import keys
from argosy.stores.posix import PosixStore
from tests.sites import Side
from tests.steps.stubs import made


def premigrated(side: Side, name: str, content: bytes = b"content", **options) -> Stored:
    (side.tree / name).write_bytes(content)
    (outcome,) = side.do("migrate", side.entry(side.tree / name), premigrate=True, **options)
    stored = outcome.entry.facts.stored
    assert stored is not None
    return stored


def found(stored: Stored, why: str = "deleted") -> Entry:
    return Entry(path=b"/" + stored.key.encode(), state=why).learned(stored=stored)


def told(side: Side, step: str, stored: Stored, why: str = "deleted", **options: Any) -> Outcome:
    (outcome,) = side.do(step, found(stored, why), **options)
    return outcome


def removed(side: Side, stored: Stored, why: str = "deleted") -> Outcome:
    """Do both steps, as a run does."""
    told(side, "doom_objects", stored, why)
    return told(side, "delete_objects", stored, why)


def keys_in(side: Side) -> set[str]:
    store = side.site().store("cloud")
    return {one.key for prefix in ("", ".argosy/doomed/") for one in store.list(prefix)}


def test_the_object_goes_and_with_it_the_mark_that_it_is_to_go(london):
    stored = premigrated(london, "a")
    assert told(london, "doom_objects", stored).state == "processed"
    assert keys.doomed(stored.key, stored.uuid) in keys_in(london)
    assert told(london, "delete_objects", stored).state == "processed"
    assert keys_in(london) == set()


@dataclass(frozen=True, slots=True, kw_only=True)
class Mine(DeleteObjects):
    """A step of another distribution that is made of the one that removes."""


@pytest.mark.parametrize("step", ["doom_objects", "delete_objects"])
def test_work_that_the_hub_did_not_begin_for_itself_removes_nothing(london, step, monkeypatch):
    """By name, by the name in an option of another step, by a class made of it."""
    stored = premigrated(london, "a")
    told(london, "doom_objects", stored, mark="x")
    before = keys_in(london)
    others = msgspec.structs.replace(london.order(step, found(stored), mark="x"), own=False)
    report = run(others, london.site(others), london.hub, london.pool)
    assert (report.error, report.outcomes) == ("invalid", ())
    assert "garbage collection alone removes objects" in report.reason
    handed = msgspec.structs.replace(found(stored), source=bytes(london.tree / "none"))
    signature = {"name": f"dynamo.tasks.{step}", "mark": "x"}
    for move in ("move_paths_on_gpfs", "one_step_move_paths_on_gpfs"):
        report = london.report(move, handed, source_missing_signature=signature)
        assert "garbage collection alone removes objects" in report.reason
    with pytest.raises(Invalid, match="unknown step"):
        STEPS.get(f"dynamo.tasks.{step}")
    monkeypatch.setitem(STEPS._known, "dynamo.tasks.mine", Mine)
    (outcome,) = london.do("mine", found(stored), mark="x")
    assert (outcome.state, outcome.error) == (FileState.FAILED, "denied")
    assert keys_in(london) == before


def test_an_order_of_the_hubs_own_begins_none_of_the_steps_that_others_have(london):
    """Nor do orders that others were made of: what is sealed so is of a run of garbage collection."""
    own = msgspec.structs.replace(london.order("stat_paths", Entry(path=bytes(london.tree))), own=True)
    assert "unknown step of the hub's own" in run(own, london.site(own), london.hub, london.pool).reason


def test_an_object_that_bears_no_mark_is_not_removed(london):
    """The task of a database that was restored from a backup runs again: the object may be in use by now."""
    stored = premigrated(london, "a")
    outcome = told(london, "delete_objects", stored)
    assert (outcome.state, outcome.reason) == ("skipped", "it bears no mark of the run that is to remove it")
    assert stored.key in keys_in(london)


def test_an_object_that_another_run_marked_is_not_removed(london):
    stored = premigrated(london, "a")
    assert told(london, "doom_objects", stored, mark="earlier").state == "processed"
    assert told(london, "delete_objects", stored, mark="later").state == "skipped"
    assert keys_in(london) == {stored.key, keys.doomed(stored.key, stored.uuid)}


def test_a_mark_that_an_earlier_run_left_becomes_that_of_the_later(london):
    stored = premigrated(london, "a")
    for mark in ("earlier", "later"):
        assert told(london, "doom_objects", stored, mark=mark).state == "processed"
    assert told(london, "delete_objects", stored, mark="earlier").state == "skipped"
    assert told(london, "delete_objects", stored, mark="later").state == "processed"


def test_both_steps_may_be_repeated(london):
    stored = premigrated(london, "a")
    assert [told(london, "doom_objects", stored).state for _ in range(2)] == ["processed", "skipped"]
    assert [told(london, "delete_objects", stored).state for _ in range(2)] == ["processed", "skipped"]


def test_a_removal_that_was_held_up_spares_what_came_under_its_key_since(london, monkeypatch):
    """The agent is frozen between its look and its delete, and its task goes to another attempt meanwhile."""
    stored, frozen, thawed, usual = premigrated(london, "a"), Event(), Event(), PosixStore.delete

    def delete(store: PosixStore, key: str, **which: str) -> None:
        if key == stored.key and not frozen.is_set():
            frozen.set()
            thawed.wait(30)
        usual(store, key, **which)

    monkeypatch.setattr(PosixStore, "delete", delete)
    told(london, "doom_objects", stored)
    with ThreadPoolExecutor() as agents:
        late = agents.submit(told, london, "delete_objects", stored)
        assert frozen.wait(30)
        assert told(london, "delete_objects", stored).state == "processed"
        newer = premigrated(london, "a", b"other content")
        thawed.set()
        assert (late.result().state, late.result().reason) == ("skipped", "it was replaced since")
    assert newer.key == stored.key
    assert keys_in(london) == {newer.key}


def test_what_was_replaced_since_stays(london):
    stored = premigrated(london, "a")
    newer = premigrated(london, "a", b"other content", overwrite=True)
    assert newer.key == stored.key
    outcome = removed(london, stored)
    assert (outcome.state, outcome.reason) == ("skipped", "it was replaced since")
    assert stored.key in keys_in(london)


def test_what_has_another_tag_stays(london):
    stored = premigrated(london, "a")
    assert removed(london, msgspec.structs.replace(stored, etag="other")).state == "skipped"
    assert stored.key in keys_in(london)


def test_what_argosy_did_not_put_there_stays(london):
    (london.store / "foreign").write_bytes(b"theirs")
    described = london.site().store("cloud").head("foreign")
    stored = Stored(datastore="cloud", key="foreign", uuid=bytes(16), etag=described.etag, size=6)
    outcome = removed(london, stored, "asked")
    assert (outcome.state, outcome.reason) == ("skipped", "Argosy did not put it there")
    assert (london.store / "foreign").read_bytes() == b"theirs"


def test_what_something_turned_out_to_refer_to_stays_and_is_marked_no_more(london):
    stored = premigrated(london, "a")
    told(london, "doom_objects", stored)
    assert told(london, "delete_objects", stored, "spared").state == "skipped"
    assert keys_in(london) == {stored.key}


def test_nobody_comes_to_point_to_an_object_that_is_to_go(london):
    """The same content again would else point to the object that is there, while that is removed."""
    stored = premigrated(london, "a")
    told(london, "doom_objects", stored)
    (london.tree / "a").unlink()
    again = premigrated(london, "a")
    assert again.uuid != stored.uuid
    told(london, "delete_objects", stored)
    (london.tree / "a").unlink()
    store = london.site().store("cloud")
    assert b"".join(store.get(again.key, etag=again.etag)) == b"content"


def test_nobody_takes_the_key_of_an_object_that_is_to_go(london):
    """Whatever had it when the removal comes would go."""
    stored = premigrated(london, "a")
    told(london, "doom_objects", stored)
    other = premigrated(london, "a", b"other content", overwrite=True)
    assert other.key != stored.key
    assert told(london, "delete_objects", stored).state == "processed"
    assert keys_in(london) == {other.key}


def test_a_sidecar_goes_with_the_last_copy_of_its_object(london):
    (london.tree / "a").write_bytes(b"content")
    os.setxattr(london.tree / "a", "user.large", bytes(3000))
    stored = premigrated(london, "a")
    sidecar = keys.sidecar(stored.uuid)
    store = london.site().store("cloud")
    copy = store.copy(stored.key, keys.version_key(stored.uuid), etag=stored.etag)
    assert store.head(sidecar)
    removed(london, stored)
    assert store.head(sidecar)
    removed(london, msgspec.structs.replace(stored, key=copy.key, etag=copy.etag))
    assert [one.key for one in store.list(".argosy/")] == []


def test_without_the_mark_the_same_content_points_to_the_object_that_is_there(london):
    stored = premigrated(london, "a")
    (london.tree / "a").unlink()
    assert premigrated(london, "a").uuid == stored.uuid


def test_nothing_is_made_of_an_object_that_is_to_go(london):
    stored = premigrated(london, "a")
    told(london, "doom_objects", stored)
    (london.tree / "a").unlink()
    (outcome,) = london.do("reverse_stub", Entry(path=bytes(london.tree / "a")), hydrate=True)
    assert (outcome.state, outcome.error) == ("aborted", "busy")
    assert not (london.tree / "a").exists()


def sealed(side: Side, seal: bytes) -> Side:
    """Give the site's datastore the secret of one hub."""
    side.access = msgspec.structs.replace(side.access, seal=seal)
    return side


def test_what_another_hub_sealed_stays_whoever_asks(london):
    stored = premigrated(sealed(london, b"the other hub's"), "a")
    sealed(london, b"ours")
    outcome = removed(london, stored, "asked")
    assert (outcome.state, outcome.reason) == ("skipped", "it does not bear the seal of this hub")
    assert keys_in(london) == {stored.key}


@pytest.mark.parametrize("taken_over", [False, True])
def test_what_this_hub_sealed_goes_and_what_a_lost_one_did_once_it_is_taken_over(london, taken_over):
    stored = premigrated(sealed(london, b"the lost hub's" if taken_over else b"ours"), "a")
    sealed(london, b"ours")
    told(london, "doom_objects", stored)
    assert told(london, "delete_objects", stored, take_over=taken_over).state == "processed"
    assert keys_in(london) == set()


def test_what_may_be_another_hubs_stays_where_that_cannot_be_read(london):
    os.setxattr(made(london, "a"), "user.large", bytes(3000))
    (outcome,) = sealed(london, b"ours").do("migrate", london.entry(london.tree / "a"), premigrate=True)
    stored = outcome.entry.facts.stored
    london.site().store("cloud").delete(keys.sidecar(stored.uuid))
    assert removed(london, stored).state == "skipped"
    assert stored.key in keys_in(london)


def test_a_late_unmarking_leaves_the_mark_of_a_later_run(london, monkeypatch):
    """Else something might come to refer to the object while the later run removes it."""
    stored, usual = premigrated(london, "a"), PosixStore.delete
    told(london, "doom_objects", stored, mark="earlier")

    def delete(store: PosixStore, key: str, **which: str) -> None:
        monkeypatch.undo()
        told(london, "doom_objects", stored, mark="later")
        usual(store, key, **which)

    monkeypatch.setattr(PosixStore, "delete", delete)
    assert told(london, "delete_objects", stored, "spared", mark="earlier").state == "skipped"
    assert told(london, "delete_objects", stored, mark="later").state == "processed"


def test_a_mark_that_a_lost_hub_left_is_found_and_taken_away(london):
    stored = premigrated(london, "a")
    told(london, "doom_objects", stored, mark="of the lost hub")
    london.hub.batches.clear()
    london.report("objects", Entry(path=b"/projects/"), datastore="cloud")
    listed = [entry for batch in london.hub.batches for entry in batch.entries]
    marks = [entry.path for entry in listed if entry.facts.stored is None]
    assert marks == [b"/" + keys.doomed(stored.key, stored.uuid).encode()]
    told(london, "delete_objects", stored, "spared", mark="of the hub that came after")
    dublin = Side(london.root.parent, "dublin")
    (outcome,) = dublin.do("reverse_stub", Entry(path=bytes(dublin.tree / "a")), hydrate=True)
    assert outcome.state == "processed"
