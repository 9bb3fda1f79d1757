import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from argosy.core import wire
from argosy.core.errors import NotFound
from argosy.core.outcome import Outcome
from argosy.core.pointer import Pointer, StubState
from argosy.core.states import FileState
from argosy.hsm.object.content import Bytes
from argosy.stores import keys, metadata
from argosy.stores.base import Object, Source
from argosy.stores.posix import PosixStore
from tests.argosy_up import until
from tests.locking import at_locks
from tests.sites import Side, carried


def premigrate(site: Side, *paths: Path, **options: object) -> list[Outcome]:
    return site.do("migrate", *map(site.entry, paths), premigrate=True, **options)


def pointer(site: Side, path: Path) -> Pointer | None:
    with site.place.tree(bytes(path)).open(bytes(path)) as file:
        return file.pointer()


def store(site: Side) -> PosixStore:
    return site.place.store(site.access)  # type: ignore[return-value]


def content(site: Side, key: str) -> bytes:
    return b"".join(store(site).get(key))


def object_keys(site: Side) -> list[str]:
    return sorted(found.key for found in store(site).list(""))


def use(site: Side, replacement: object) -> None:
    """Have the site use another store than the one its order names."""
    site.place._stores[wire.dump(site.access)] = replacement  # type: ignore[assignment]


@pytest.mark.feature("HUB-STEP-005", "HUB-JOB-031")
def test_the_bytes_are_under_the_files_own_name_and_the_inode_says_so(london: Side) -> None:
    file = london.tree / "a" / "b.txt"
    file.parent.mkdir()
    file.write_bytes(b"bytes")
    before = file.stat()
    (outcome,) = premigrate(london, file)
    assert (outcome.state, outcome.moved) == (FileState.PROCESSED, 5)
    assert content(london, "projects/a/b.txt") == b"bytes"
    known = pointer(london, file)
    stored = outcome.entry.facts.stored
    assert known is not None
    assert stored is not None
    assert (known.state, known.uuid, known.size) == (StubState.PREMIGRATED, stored.uuid, 5)
    assert (known.etag, known.digest, known.mtime_ns) == (stored.etag, stored.digest, before.st_mtime_ns)
    assert file.stat().st_mtime_ns == before.st_mtime_ns
    assert file.stat().st_blocks >= before.st_blocks


def test_a_second_run_is_skipped_with_the_same_facts(london: Side) -> None:
    file = london.tree / "f"
    file.write_bytes(b"bytes")
    (first,) = premigrate(london, file)
    (second,) = premigrate(london, file)
    assert (second.state, second.moved) == (FileState.SKIPPED, 0)
    assert second.entry.facts == first.entry.facts


def test_a_site_that_lost_its_index_still_knows_what_is_premigrated(london: Side) -> None:
    file = london.tree / "f"
    file.write_bytes(b"bytes")
    (first,) = premigrate(london, file)
    london.place.index.flush()
    london.place.index._db.execute("DELETE FROM object")
    (second,) = premigrate(london, file)
    assert second.state is FileState.SKIPPED
    assert second.entry.facts == first.entry.facts


def test_an_object_that_was_removed_behind_our_back_is_sent_again(london: Side) -> None:
    file = london.tree / "f"
    file.write_bytes(b"bytes")
    premigrate(london, file)
    store(london).delete("projects/f")
    (again,) = premigrate(london, file)
    assert again.state is FileState.PROCESSED
    assert content(london, "projects/f") == b"bytes"


def test_the_object_carries_what_the_inode_has(london: Side) -> None:
    file = london.tree / "f"
    file.write_bytes(b"bytes")
    os.setxattr(file, "user.review", b"approved")
    file.chmod(0o640)
    premigrate(london, file)
    described = metadata.described(store(london).head("projects/f").metadata)
    assert described is not None
    assert (described.path, described.attributes.mode) == (b"projects/f", 0o640)
    assert described.attributes.xattrs == ((b"user.review", b"approved"),)


def test_metadata_too_large_for_the_object_goes_to_a_sidecar(london: Side) -> None:
    file = london.tree / "f"
    file.write_bytes(b"bytes")
    os.setxattr(file, "user.large", b"x" * 3000)
    (outcome,) = premigrate(london, file)
    assert outcome.entry.facts.stored is not None
    uuid = outcome.entry.facts.stored.uuid
    sidecar = content(london, keys.sidecar(uuid))
    described = metadata.described(store(london).head("projects/f").metadata, sidecar)
    assert described is not None
    assert described.attributes.xattrs == ((b"user.large", b"x" * 3000),)


@pytest.mark.feature("HUB-STEP-012")
def test_directories_and_symlinks_stand_in_the_store_as_empty_objects(london: Side) -> None:
    (london.tree / "empty").mkdir()
    (london.tree / "link").symlink_to("nowhere")
    outcomes = premigrate(london, london.tree / "empty", london.tree / "link")
    assert [outcome.state for outcome in outcomes] == [FileState.PROCESSED] * 2
    assert object_keys(london) == ["projects/empty/.argosy-dir", "projects/link"]
    described = metadata.described(store(london).head("projects/link").metadata)
    assert described is not None
    assert described.target == b"nowhere"
    again = premigrate(london, london.tree / "empty", london.tree / "link")
    assert [outcome.state for outcome in again] == [FileState.SKIPPED] * 2


def test_in_the_immutable_layout_keys_are_uuids_and_only_files_have_objects(tmp_path: Path) -> None:
    london = Side(tmp_path, "london", layout="immutable")
    (london.tree / "empty").mkdir()
    (london.tree / "f").write_bytes(b"bytes")
    outcomes = premigrate(london, london.tree / "empty", london.tree / "f")
    stored = outcomes[1].entry.facts.stored
    assert stored is not None
    assert object_keys(london) == [stored.key]
    assert stored.key == keys.immutable("projects", stored.uuid)
    assert (outcomes[0].state, outcomes[0].reason) == (
        FileState.SKIPPED, "the directory has no object of its own in datastore cloud",
    )  # fmt: skip


def test_the_top_of_a_sitelink_to_a_whole_datastore_is_as_wanted(tmp_path: Path) -> None:
    london = Side(tmp_path, "london", datastore_path=b"")
    (skipped,) = premigrate(london, london.tree)
    assert (skipped.state, object_keys(london)) == (FileState.SKIPPED, [])
    assert skipped.entry.facts.attributes is not None, "what comes after it goes by these"


@pytest.mark.feature("HUB-STEP-007")
def test_an_object_that_differs_is_left_alone_or_replaced_and_kept_as_a_version(london: Side) -> None:
    file = london.tree / "f"
    file.write_bytes(b"first")
    (first,) = premigrate(london, file)
    file.write_bytes(b"second")
    (second,) = premigrate(london, file)
    assert second.entry.facts.stored is not None
    assert second.entry.facts.stored.key == keys.instance("projects/f", second.entry.facts.stored.uuid)
    assert content(london, "projects/f") == b"first"
    assert content(london, second.entry.facts.stored.key) == b"second"

    file.write_bytes(b"third")
    (third,) = premigrate(london, file, overwrite=True)
    assert third.entry.facts.stored is not None
    assert third.entry.facts.stored.key == "projects/f"
    assert content(london, "projects/f") == b"third"
    assert first.entry.facts.stored is not None
    assert content(london, keys.version_key(first.entry.facts.stored.uuid)) == b"first"


def test_with_overwrite_an_object_that_was_put_beside_another_takes_its_name(london: Side) -> None:
    file = london.tree / "f"
    file.write_bytes(b"first")
    premigrate(london, file)
    file.write_bytes(b"second")
    premigrate(london, file)
    assert content(london, "projects/f") == b"first"
    (again,) = premigrate(london, file, overwrite=True)
    assert again.state is FileState.PROCESSED
    assert content(london, "projects/f") == b"second"
    assert premigrate(london, file, overwrite=True)[0].state is FileState.SKIPPED


@pytest.mark.feature("HUB-STEP-008")
def test_an_object_that_differs_fails_the_file_where_that_is_asked_for(london: Side) -> None:
    file = london.tree / "f"
    file.write_bytes(b"first")
    premigrate(london, file)
    file.write_bytes(b"second")
    (outcome,) = premigrate(london, file, fail_on_mismatch=True)
    assert (outcome.state, outcome.error) == (FileState.FAILED, "exists")
    assert "projects/f" in outcome.reason


def test_an_equal_object_is_taken_as_the_copy_without_being_sent(london: Side) -> None:
    file = london.tree / "f"
    file.write_bytes(b"bytes")
    (first,) = premigrate(london, file)
    with london.place.tree(bytes(file)).open(bytes(file)) as opened:
        opened.forget()
    (again,) = premigrate(london, file)
    assert (again.state, again.moved) == (FileState.PROCESSED, 0)
    assert again.entry.facts.stored == first.entry.facts.stored


def test_an_object_whose_metadata_lies_is_not_taken_as_the_copy(london: Side) -> None:
    file = london.tree / "f"
    file.write_bytes(b"bytes")
    premigrate(london, file)
    real = store(london)

    class Lying(PosixStore):
        """A store whose object at `projects/f` has other bytes than its metadata says."""

        def get(self, key: str, **pinned: object):  # type: ignore[no-untyped-def,override]
            return iter([b"BYTES"]) if key == "projects/f" else real.get(key, **pinned)  # type: ignore[arg-type]

    use(london, Lying(path=str(london.store)))
    with london.place.tree(bytes(file)).open(bytes(file)) as opened:
        opened.forget()
    (again,) = premigrate(london, file)
    assert again.entry.facts.stored is not None
    assert again.entry.facts.stored.key != "projects/f"


class Meddling(PosixStore):
    """A store during whose puts something happens to the file."""

    meddle: Callable[[], None]

    def put(self, key: str, *more: object, **named: object) -> Object:  # type: ignore[override]
        stored = super().put(key, *more, **named)  # type: ignore[arg-type]
        Meddling.meddle()
        return stored


@pytest.mark.feature("HUB-WF-048", "HUB-JOB-026")
def test_a_file_that_changes_while_it_is_sent_is_aborted_and_sent_by_the_next_run(london: Side) -> None:
    file = london.tree / "f"
    file.write_bytes(b"first")

    def append() -> None:
        with file.open("ab") as opened:
            opened.write(b" and more")

    Meddling.meddle = append
    use(london, Meddling(path=str(london.store)))
    (outcome,) = premigrate(london, file)
    assert (outcome.state, outcome.error) == (FileState.ABORTED, "changed")
    assert pointer(london, file) is None

    use(london, PosixStore(path=str(london.store)))
    (again,) = premigrate(london, file)
    assert again.entry.facts.stored is not None
    assert again.entry.facts.stored.key == "projects/f", "what was aborted does not keep the file's name in the store"
    assert content(london, "projects/f") == b"first and more"


def test_a_hole_that_is_filled_before_the_lock_is_had_arrives_filled(london: Side, dublin: Side) -> None:
    """The file is found sparse; a writer fills the hole while another name of it is being sent."""
    file, twin = london.tree / "f", london.tree / "g"
    with file.open("wb") as opened:
        opened.truncate(1 << 20)
    os.link(file, twin)
    entry = london.entry(file)
    with ThreadPoolExecutor(1) as pool:
        with london.place.tree(bytes(file)).locked(bytes(twin)):
            sending = pool.submit(london.do, "migrate", entry, premigrate=True)
            until(lambda: at_locks() == 2, what="the step waits for the lock")
            with file.open("r+b") as writer:
                writer.seek(500_000)
                writer.write(b"PRECIOUS")
        copied = sending.result()
    dublin.do("reverse_stub", *carried(copied, london, dublin), hydrate=True)
    assert (dublin.tree / "f").read_bytes() == file.read_bytes()


def test_what_the_store_gets_is_what_was_hashed_even_where_no_mtime_moves(london: Side) -> None:
    """A store through a mapping that is dirty already moves no mtime."""
    file = london.tree / "f"
    file.write_bytes(b"a" * (20 << 20))
    real = PosixStore(path=str(london.store))

    class Mapped(PosixStore):
        """A store during whose put the file changes without a trace."""

        def put(self, key: str, source: Source, **more: object) -> Object:  # type: ignore[override]
            with file.open("r+b") as writer:
                writer.write(b"b")
            os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
            return real.put(key, source, **more)  # type: ignore[arg-type]

    before = file.stat()
    use(london, Mapped(path=str(london.store)))
    (outcome,) = premigrate(london, file)
    assert outcome.state is FileState.ABORTED
    assert "projects/f" not in object_keys(london)


def test_a_file_that_was_open_for_writing_is_read_again_before_it_is_skipped(london: Side) -> None:
    file = london.tree / "f"
    file.write_bytes(b"first")
    with file.open("r+b") as writer:
        premigrate(london, file)
        before = file.stat()
        writer.write(b"FIRST")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    (again,) = premigrate(london, file, overwrite=True)
    assert again.state is FileState.PROCESSED
    assert content(london, "projects/f") == b"FIRST"


@pytest.mark.parametrize("damage", [b"EVIL!", b""])
def test_an_object_that_was_edited_behind_our_back_is_not_the_copy(london: Side, dublin: Side, damage: bytes) -> None:
    file = london.tree / "f"
    file.write_bytes(b"bytes")
    premigrate(london, file)
    described = store(london).head("projects/f").metadata
    store(london).put("projects/f", Bytes(damage), metadata=described)
    copied = premigrate(london, file)
    assert copied[0].state is FileState.PROCESSED
    (arrived,) = dublin.do("reverse_stub", *carried(copied, london, dublin), hydrate=True)
    assert arrived.state is FileState.PROCESSED
    assert (dublin.tree / "f").read_bytes() == b"bytes"


def test_two_sites_that_replace_one_object_keep_all_its_versions(london: Side, dublin: Side) -> None:
    file, theirs = london.tree / "f", dublin.tree / "f"
    file.write_bytes(b"first, pinned by stubs")
    (first,) = premigrate(london, file)
    real = PosixStore(path=str(london.store))

    class Raced(PosixStore):
        """A store in which the other site replaces the object between our look at it and our copy of it."""

        def copy(self, *more: object, **named: object) -> Object:  # type: ignore[override]
            theirs.write_bytes(b"second, of dublin")
            premigrate(dublin, theirs, overwrite=True)
            return real.copy(*more, **named)  # type: ignore[arg-type]

    use(london, Raced(path=str(london.store)))
    file.write_bytes(b"third, of london")
    (outcome,) = premigrate(london, file, overwrite=True)
    assert outcome.state is FileState.ABORTED
    assert first.entry.facts.stored is not None
    assert content(london, keys.version_key(first.entry.facts.stored.uuid)) == b"first, pinned by stubs"
    assert content(london, "projects/f") == b"second, of dublin"


def test_a_file_written_after_it_was_premigrated_is_sent_again(london: Side) -> None:
    file = london.tree / "f"
    file.write_bytes(b"first")
    premigrate(london, file)
    file.write_bytes(b"SECOND")
    (again,) = premigrate(london, file, overwrite=True)
    assert again.state is FileState.PROCESSED
    assert content(london, "projects/f") == b"SECOND"


def test_a_write_in_the_same_tick_of_the_clock_as_the_last_is_sent_by_the_next_run(london: Side) -> None:
    file = london.tree / "f"
    file.write_bytes(b"first")
    premigrate(london, file)
    tick = file.stat().st_mtime_ns
    file.write_bytes(b"other")
    os.utime(file, ns=(tick, tick))  # as a filesystem has it whose clock ticks every second
    (outcome,) = premigrate(london, file, overwrite=True)
    assert outcome.state is FileState.PROCESSED
    assert content(london, "projects/f") == b"other"


def test_a_copy_that_took_the_attribute_along_is_no_premigrated_file(london: Side) -> None:
    file, copy = london.tree / "f", london.tree / "copy"
    file.write_bytes(b"bytes")
    premigrate(london, file)
    shutil.copy2(file, copy)
    os.setxattr(copy, "trusted.argosy", os.getxattr(file, "trusted.argosy"))
    (outcome,) = premigrate(london, copy)
    assert outcome.state is FileState.PROCESSED
    assert content(london, "projects/copy") == b"bytes"
    assert outcome.entry.facts.stored is not None
    assert outcome.entry.facts.stored.uuid != pointer(london, file).uuid  # type: ignore[union-attr]


def test_a_name_given_to_another_file_takes_nothing_from_the_one_that_moved(london: Side) -> None:
    first, moved = london.tree / "a", london.tree / "b"
    first.write_bytes(b"bytes of b")
    (outcome,) = premigrate(london, first)
    first.rename(moved)
    first.write_bytes(b"new bytes of a")
    premigrate(london, first, overwrite=True)
    assert content(london, "projects/a") == b"new bytes of a"
    assert outcome.entry.facts.stored is not None
    assert content(london, keys.version_key(outcome.entry.facts.stored.uuid)) == b"bytes of b"


def test_names_of_one_file_share_one_object(london: Side) -> None:
    (london.tree / "a").write_bytes(b"bytes")
    os.link(london.tree / "a", london.tree / "b")
    outcomes = premigrate(london, london.tree / "a", london.tree / "b")
    assert sorted(outcome.state for outcome in outcomes) == [FileState.PROCESSED, FileState.SKIPPED]
    assert outcomes[0].entry.facts.stored == outcomes[1].entry.facts.stored
    assert outcomes[0].entry.facts.links == 2
    assert len(object_keys(london)) == 1


@pytest.mark.feature("HUB-STEP-009")
def test_a_file_that_is_gone_fails_or_aborts_as_asked(london: Side) -> None:
    file = london.tree / "f"
    file.write_bytes(b"x")
    entry = london.entry(file)
    file.unlink()
    assert london.do("migrate", entry, premigrate=True)[0].state is FileState.FAILED
    assert london.do("migrate", entry, premigrate=True, abort_missing=True)[0].state is FileState.ABORTED


def test_a_file_without_a_sitelink_fails_and_says_what_to_add(london: Side) -> None:
    file = london.root / "outside-the-link"
    file.write_bytes(b"x")
    (outcome,) = premigrate(london, file)
    assert outcome.state is FileState.FAILED
    assert "no sitelink" in outcome.reason
    (outcome,) = premigrate(london, file, endpoint="nostore")
    assert "no sitelink to datastore nostore" in outcome.reason
    assert "correct the name of the datastore, or add one" in outcome.reason


def test_a_path_outside_the_roots_is_refused(london: Side, tmp_path: Path) -> None:
    from argosy.core.entry import Entry

    (outcome,) = london.do("stat_paths", Entry(path=bytes(tmp_path / "else")))
    assert (outcome.state, outcome.error) == (FileState.FAILED, "outside_roots")
    assert str(london.root) in outcome.reason


@pytest.mark.feature("HUB-STEP-037")
def test_a_moved_file_forgets_its_copy_and_others_keep_it(london: Side) -> None:
    stays, moves = london.tree / "stays", london.tree / "moves"
    stays.write_bytes(b"1")
    moves.write_bytes(b"2")
    os.link(stays, london.tree / "twin")
    premigrate(london, stays, moves)
    moved = moves.rename(london.tree / "moved")
    paths = [stays, london.tree / "twin", moved]
    outcomes = london.do("remove_location_xattrs_for_moved", *map(london.entry, paths))
    assert [outcome.state for outcome in outcomes] == [FileState.SKIPPED, FileState.SKIPPED, FileState.PROCESSED]
    assert pointer(london, stays) is not None
    assert pointer(london, moved) is None


@pytest.mark.parametrize("since", ["rebuild", "ensure_cloud_file_exists"])
def test_a_moved_file_forgets_its_copy_whatever_looked_at_it_since(london: Side, since: str) -> None:
    file = london.tree / "f"
    file.write_bytes(b"1")
    premigrate(london, file)
    moved = file.rename(london.tree / "moved")
    london.report(since, london.entry(moved))
    (outcome,) = london.do("remove_location_xattrs_for_moved", london.entry(moved))
    assert outcome.state is FileState.PROCESSED
    assert pointer(london, moved) is None


def test_where_the_index_is_lost_the_store_tells_what_was_moved(london: Side) -> None:
    stays, moves = london.tree / "stays", london.tree / "moves"
    stays.write_bytes(b"1")
    moves.write_bytes(b"2")
    premigrate(london, stays, moves)
    london.place.index.flush()
    london.place.index._db.execute("DELETE FROM object")
    moved = moves.rename(london.tree / "moved")
    outcomes = london.do("remove_location_xattrs_for_moved", london.entry(stays), london.entry(moved))
    assert [outcome.state for outcome in outcomes] == [FileState.SKIPPED, FileState.PROCESSED]


def test_stat_paths_tells_what_an_entry_is_now(london: Side) -> None:
    file = london.tree / "f"
    file.write_bytes(b"12345")
    entry = london.entry(file)
    file.write_bytes(b"123")
    file.chmod(0o604)
    (outcome,) = london.do("stat_paths", entry)
    assert outcome.entry.size == 3
    assert outcome.entry.facts.attributes is not None
    assert outcome.entry.facts.attributes.mode == 0o604


def test_an_object_that_is_gone_is_not_found(london: Side) -> None:
    with pytest.raises(NotFound):
        store(london).head("projects/none")


@pytest.mark.parametrize("refuse", [False, True])
def test_what_is_sent_again_and_again_leaves_no_further_notes(london: Side, refuse: bool) -> None:
    (london.tree / "d").mkdir()
    for name in "fg":
        (london.tree / name).write_bytes(b"x")

    def noted() -> list[bytes]:
        london.do("migrate", *london.entries(), premigrate=True, fail_on_mismatch=refuse)
        london.place.index.flush()
        return london.place.index._db.execute("SELECT uuid FROM object ORDER BY uuid").fetchall()

    first = noted()
    assert list(london.site().unpointed()) == []
    for name in "fg":
        (london.tree / name).write_bytes(b"x")  # the same bytes, and another time
    assert noted() == first
    for name in "fg":
        (london.tree / name).write_bytes(b"y")
    assert len(noted()) == len(first) + (0 if refuse else 2)
