"""What garbage collection and rebuilding find at a site: references, objects, keys."""

import os
import subprocess
from pathlib import Path
from uuid import UUID

import pytest

from argosy.core.entry import Attributes, Entry, Kind, Stored
from argosy.core.errors import Corrupt
from argosy.core.pointer import Binding
from argosy.filesystems.base import Shelf
from argosy.hsm.object.content import Bytes
from argosy.linux.identity import filesystem_id, subvolume_id
from argosy.site import Note
from argosy.stores import keys, metadata
from argosy.stores.base import Store
from tests.loop import loop_mount
from tests.sites import Side

__all__ = ["loop_mount"]

CONTENT = b"some content"
UUID_OF_PUT = b"u" * 16


@pytest.fixture
def london(tmp_path: Path) -> Side:
    return Side(tmp_path, "london")


def premigrated(side: Side, *names: str) -> list[Stored]:
    for name in names:
        (side.tree / name).parent.mkdir(parents=True, exist_ok=True)
        (side.tree / name).write_bytes(CONTENT + name.encode())
    outcomes = side.do("migrate", *(side.entry(side.tree / name) for name in names), premigrate=True)
    assert all(outcome.entry.facts.stored for outcome in outcomes), outcomes
    return [outcome.entry.facts.stored for outcome in outcomes]


def found(side: Side, step: str, *given: bytes, **options) -> list[Entry]:
    side.hub.batches.clear()
    report = side.report(step, *(Entry(path=path) for path in given), **options)
    assert not report.error, report.reason
    assert not report.outcomes
    return [entry for batch in side.hub.batches for entry in batch.entries]


def uuids(entries: list[Entry]) -> set[bytes]:
    return {entry.facts.stored.uuid for entry in entries if entry.path}


def test_every_file_that_points_to_an_object_is_a_reference(london):
    a, b = premigrated(london, "a", "sub/b")
    (london.tree / "plain").write_bytes(b"x")
    entries = [entry for entry in found(london, "references", bytes(london.root)) if entry.path]
    assert uuids(entries) == {a.uuid, b.uuid}
    assert {entry.path for entry in entries} == {bytes(london.tree / "a"), bytes(london.tree / "sub/b")}
    assert {entry.facts.stored.key for entry in entries} == {"projects/a", "projects/sub/b"}


def test_what_lies_in_the_trash_is_a_reference_too(london):
    (a,) = premigrated(london, "a")
    tree = london.place.tree(bytes(london.tree))
    tree.remove(bytes(london.tree / "a"), london.entry(london.tree / "a"))
    assert list(tree.kept(Shelf.TRASH))
    assert uuids(found(london, "references", bytes(london.root))) == {a.uuid}


def test_what_the_site_began_to_write_and_never_pointed_to_is_told_without_a_path(london):
    london.place.index.intend(b"u" * 16, "projects/orphan")
    (orphan,) = found(london, "references", bytes(london.root))
    assert (orphan.path, orphan.facts.stored.uuid) == (b"", b"u" * 16)


def test_a_root_that_the_agent_does_not_know_is_not_passed_over(london, tmp_path):
    report = london.report("references", Entry(path=bytes(tmp_path / "elsewhere")))
    assert report.error == "outside_roots"


def test_a_root_that_is_not_served_is_not_passed_over(london):
    london.place.unserved[bytes(london.root)] = "its disk is not mounted"
    report = london.report("references", Entry(path=bytes(london.root)))
    assert (report.error, report.retry) == ("root_refused", True)


def test_a_disk_that_was_mounted_below_a_root_and_is_gone_is_not_passed_over(london):
    gone = Binding(filesystem=b"f" * 16, subvolume=5, inode=1, born_ns=1)
    london.place.index.note(gone, Note(b"u" * 16, 0, stub=False))
    assert not london.report("references", Entry(path=bytes(london.root))).error
    london.place.index.note(gone, Note(b"u" * 16, 0, stub=True))
    report = london.report("references", Entry(path=bytes(london.root)))
    assert (report.error, report.retry) == ("root_refused", True)
    assert "66666666-6666-6666-6666-666666666666 (subvolume 5)" in report.reason


def test_a_disk_mounted_below_a_root_is_met(london, loop_mount):
    disk = loop_mount("btrfs")
    subprocess.run(["btrfs", "-q", "subvolume", "create", disk / "nested"], check=True)
    below = london.tree / "disk"
    below.mkdir()
    subprocess.run(["mount", "--bind", disk, below], check=True)
    try:
        for directory in (disk, disk / "nested"):
            descriptor = os.open(directory, os.O_RDONLY)
            there = Binding(
                filesystem=filesystem_id(descriptor), subvolume=subvolume_id(descriptor), inode=1, born_ns=1
            )
            os.close(descriptor)
            london.place.index.note(there, Note(b"u" * 16, 0, stub=True))
        assert not london.report("references", Entry(path=bytes(london.root))).error
    finally:
        subprocess.run(["umount", below], check=True)
    assert london.report("references", Entry(path=bytes(london.root))).error == "root_refused"


def test_a_disk_that_is_unmounted_meanwhile_is_not_passed_over(london):
    premigrated(london, "a")
    london.root.rename(london.root.with_name("disk"))
    london.root.mkdir()
    report = london.report("references", Entry(path=bytes(london.root)))
    assert (report.error, report.retry) == ("root_refused", True)


def test_an_attribute_that_cannot_be_read_ends_it(london):
    premigrated(london, "a")
    name = next(name for name in os.listxattr(london.tree / "a") if "argosy" in name)
    os.setxattr(london.tree / "a", name, b"\x01broken")
    report = london.report("references", Entry(path=bytes(london.root)))
    assert report.error == "pointer_unreadable"
    assert str(london.tree / "a") in report.reason


def test_files_of_ours_in_a_datastore_are_found_below_the_paths_that_were_given(london):
    a, b = premigrated(london, "a", "sub/b")
    (london.store / "projects" / "foreign").write_bytes(b"not ours")
    (london.store / "other").mkdir()
    store = london.site().store("cloud")
    store.copy(a.key, keys.version_key(a.uuid), etag=a.etag)
    put(store, "other/b")
    keys_of = {entry.facts.stored.key for entry in found(london, "objects", b"/projects/", datastore="cloud")}
    assert keys_of == {a.key, b.key, keys.version_key(a.uuid)}
    assert {entry.facts.stored.key for entry in found(london, "objects", b"/other/", datastore="cloud")} == {"other/b"}


def test_a_copy_that_somebody_made_of_an_object_is_his(london):
    a, b = premigrated(london, "a", "sub/b")
    store = london.site().store("cloud")
    for name in ("projects/backup-of-a", "projects/sub/a", "other/a", str(UUID(bytes=a.uuid))[1:]):
        store.copy(a.key, name, etag=a.etag)
    assert {entry.facts.stored.key for entry in found(london, "objects", b"/", datastore="cloud")} == {a.key, b.key}


def test_all_objects_of_a_datastore_without_names_are_found(tmp_path):
    side = Side(tmp_path, "london", layout="immutable")
    a, b = premigrated(side, "a", "sub/b")
    assert {one.facts.stored.key for one in found(side, "objects", b"/projects/", datastore="cloud")} == {a.key, b.key}


def test_an_object_of_a_later_version_is_left_to_that(london):
    (a,) = premigrated(london, "a")
    put(london.site().store("cloud"), "projects/b", argosyv="99")
    assert {one.facts.stored.key for one in found(london, "objects", b"/projects/", datastore="cloud")} == {a.key}


def test_a_sidecar_that_nobody_can_have_written_is_not_read(london):
    (a,) = premigrated(london, "a")
    store = london.site().store("cloud")
    put(store, "projects/b", argosysidecar="00" * 32)
    store.put(keys.sidecar(UUID_OF_PUT), Bytes(bytes(metadata.SIDECAR_LIMIT + 1)), metadata={})
    assert {one.facts.stored.key for one in found(london, "objects", b"/projects/", datastore="cloud")} == {a.key}
    with pytest.raises(Corrupt, match="larger than"):
        metadata.fetch_sidecar(store, store.head("projects/b").metadata)


def put(store: Store, key: str, **changed: str) -> None:
    """Put an object as Argosy does."""
    attributes = Attributes(mode=0o644, uid=1, gid=1, mtime_ns=0)
    described, _ = metadata.describe(
        uuid=UUID_OF_PUT, digest=bytes(32), path=key.encode(), kind=Kind.FILE, attributes=attributes
    )
    store.put(key, Bytes(b"x"), metadata={**described, **changed})


def test_all_of_a_datastore_is_looked_at_where_all_of_it_is_linked(london):
    a, b = premigrated(london, "a", "sub/b")
    copy = london.site().store("cloud").copy(a.key, keys.version_key(a.uuid), etag=a.etag)
    entries = found(london, "objects", b"/", b"/projects/", datastore="cloud")
    assert sorted(entry.facts.stored.key for entry in entries) == [copy.key, a.key, b.key]
    assert {entry.facts.stored.size for entry in entries} == {a.size, b.size}


def forgotten(side: Side) -> None:
    """Have the site's index know nothing."""
    with side.place.index._lock:
        side.place.index._objects.clear()
        side.place.index._db.execute("DELETE FROM object")


def test_a_rebuild_finds_keys_where_paths_say_and_among_all_objects(london):
    a, b = premigrated(london, "a", "b")
    (london.tree / "b").rename(london.tree / "moved")
    forgotten(london)
    assert london.site().key_of(a.uuid) is None
    entries = found(london, "rebuild", bytes(london.root))
    assert {entry.path for entry in entries} == {bytes(london.tree / "a"), bytes(london.tree / "moved")}
    assert (london.site().key_of(a.uuid), london.site().key_of(b.uuid)) == (a.key, b.key)


def test_a_rebuild_takes_the_object_itself_and_no_copy_that_somebody_made(london):
    a, b = premigrated(london, "a", "b")
    store = london.site().store("cloud")
    store.copy(a.key, "projects/0-backup", etag=a.etag)
    store.copy(b.key, "projects/moved", etag=b.etag)
    for name in "ab":
        (london.tree / name).rename(london.tree / f"moved{'-a' if name == 'a' else ''}")
    forgotten(london)
    assert uuids(found(london, "rebuild", bytes(london.root))) == {a.uuid, b.uuid}
    assert (london.site().key_of(a.uuid), london.site().key_of(b.uuid)) == (a.key, b.key)


def test_a_stub_that_was_moved_finds_its_object_and_no_copy_under_its_new_name(london):
    (a,) = premigrated(london, "a")
    london.do("migrate", london.entry(london.tree / "a"))
    london.site().store("cloud").copy(a.key, "projects/moved", etag=a.etag)
    moved = (london.tree / "a").rename(london.tree / "moved")
    forgotten(london)
    (outcome,) = london.do("recall", london.entry(moved))
    assert (outcome.state, outcome.error) == ("failed", "key_unknown")
    found(london, "rebuild", bytes(london.root))
    (outcome,) = london.do("recall", london.entry(moved))
    assert (outcome.state, moved.read_bytes()) == ("processed", CONTENT + b"a")


def test_a_rebuild_names_what_it_does_not_find(london):
    a, _ = premigrated(london, "a", "b")
    london.site().store("cloud").delete(a.key)
    forgotten(london)
    london.hub.batches.clear()
    report = london.report("rebuild", Entry(path=bytes(london.root)))
    (failed,) = [*report.outcomes, *(one for batch in london.hub.batches for one in batch.failed)]
    assert (failed.entry.path, failed.error) == (bytes(london.tree / "a"), "object_gone")
    assert {entry.path for batch in london.hub.batches for entry in batch.entries} == {bytes(london.tree / "b")}
