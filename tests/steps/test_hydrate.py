import os
import subprocess
from pathlib import Path

import msgspec
import pytest

from argosy.core.errors import LeaseLost
from argosy.core.pointer import StubState
from argosy.core.states import FileState
from argosy.stores.posix import PosixStore
from tests.sites import Side, carried, send
from tests.steps.test_premigrate import premigrate, use
from tests.trees import compare, nasty_tree


def states(outcomes: list) -> set[FileState]:  # type: ignore[type-arg]
    return {outcome.state for outcome in outcomes}


@pytest.mark.parametrize("layout", ["native", "immutable"])
def test_a_tree_of_every_nastiness_arrives_whole(tmp_path: Path, layout: str) -> None:
    london, dublin = Side(tmp_path, "london", layout=layout), Side(tmp_path, "dublin", layout=layout)
    nasty_tree(london.tree / "nasty")
    found = [entry for entry in london.entries(london.tree / "nasty") if entry.kind != "other"]
    assert states(send(london, dublin, *found)) == {FileState.PROCESSED}
    assert compare(london.tree / "nasty", dublin.tree / "nasty") == []
    assert states(send(london, dublin, *found)) == {FileState.SKIPPED}
    assert list((dublin.root / ".argosy" / "staging").iterdir()) == []


def test_an_arrived_file_is_premigrated_at_its_new_site(london: Side, dublin: Side) -> None:
    (london.tree / "f").write_bytes(b"bytes")
    (outcome,) = send(london, dublin, london.entry(london.tree / "f"))
    assert outcome.moved == 5
    arrived = dublin.tree / "f"
    with dublin.place.tree(bytes(arrived)).open(bytes(arrived)) as file:
        pointer = file.pointer()
        assert pointer is not None
        assert pointer.state is StubState.PREMIGRATED
        assert (pointer.mtime_ns, pointer.size) == file.version()
    assert premigrate(dublin, arrived)[0].state is FileState.SKIPPED


@pytest.mark.parametrize("kind", ["file", "symlink", "directory"])
def test_what_differs_at_the_destination_is_left_alone(london: Side, dublin: Side, kind: str) -> None:
    (london.tree / "x").write_bytes(b"new")
    there = dublin.tree / "x"
    if kind == "file":
        there.write_bytes(b"old")
    elif kind == "symlink":
        there.symlink_to("old")
    else:
        there.mkdir()
    before = there.lstat()
    (outcome,) = send(london, dublin, london.entry(london.tree / "x"))
    assert (outcome.state, outcome.error) == (FileState.FAILED, "exists" if kind == "directory" else "differs")
    assert "exists and" in outcome.reason
    assert there.lstat() == before


@pytest.mark.parametrize("kind", ["file", "symlink"])
def test_with_overwrite_what_was_there_goes_to_the_version_store(london: Side, dublin: Side, kind: str) -> None:
    (london.tree / "x").write_bytes(b"new")
    there = dublin.tree / "x"
    there.write_bytes(b"old") if kind == "file" else there.symlink_to("old")
    (outcome,) = send(london, dublin, london.entry(london.tree / "x"), overwrite=True)
    assert outcome.state is FileState.PROCESSED
    assert there.read_bytes() == b"new"
    (kept,) = (dublin.root / ".argosy" / "versions").rglob("projects/[x]")
    assert (kept.read_bytes() if kind == "file" else os.readlink(kept).encode()) == b"old"


def test_a_symlink_replaces_a_file_only_with_overwrite(london: Side, dublin: Side) -> None:
    (london.tree / "x").symlink_to("target")
    (dublin.tree / "x").write_bytes(b"old")
    entry = london.entry(london.tree / "x")
    assert send(london, dublin, entry)[0].state is FileState.FAILED
    assert send(london, dublin, entry, overwrite=True)[0].state is FileState.PROCESSED
    assert os.readlink(dublin.tree / "x") == "target"
    (kept,) = (dublin.root / ".argosy" / "versions").rglob("projects/[x]")
    assert kept.read_bytes() == b"old"


def test_a_symlink_that_is_there_gets_owner_and_mtime_only_with_overwrite(london: Side, dublin: Side) -> None:
    here, there = london.tree / "x", dublin.tree / "x"
    here.symlink_to("target")
    there.symlink_to("target")
    os.chown(here, 1001, 1002, follow_symlinks=False)
    os.utime(here, ns=(5 * 10**9, 5 * 10**9), follow_symlinks=False)
    entry, inode = london.entry(here), there.lstat().st_ino
    assert send(london, dublin, entry)[0].state is FileState.SKIPPED
    assert there.lstat().st_uid == 0
    assert send(london, dublin, entry, overwrite=True)[0].state is FileState.PROCESSED
    found = there.lstat()
    assert (found.st_ino, found.st_uid, found.st_gid, found.st_mtime_ns) == (inode, 1001, 1002, 5 * 10**9)
    assert send(london, dublin, entry, overwrite=True)[0].state is FileState.SKIPPED
    assert not list((dublin.root / ".argosy" / "versions").rglob("[x]"))


def test_a_further_name_that_cannot_be_given_leaves_what_was_there(london: Side, dublin: Side) -> None:
    first, second = london.tree / "f", london.tree / "g"
    first.write_bytes(b"bytes")
    os.link(first, second)
    assert send(london, dublin, london.entry(first))[0].state is FileState.PROCESSED
    (dublin.tree / "g").write_bytes(b"theirs")
    subprocess.run(["chattr", "+i", dublin.tree / "f"], check=True)
    try:
        (outcome,) = send(london, dublin, london.entry(second), overwrite=True)
        assert outcome.state is FileState.FAILED
        assert (dublin.tree / "g").read_bytes() == b"theirs"
    finally:
        subprocess.run(["chattr", "-i", dublin.tree / "f"], check=True)
    assert send(london, dublin, london.entry(second), overwrite=True)[0].state is FileState.PROCESSED
    assert (dublin.tree / "g").stat().st_ino == (dublin.tree / "f").stat().st_ino
    (kept,) = (dublin.root / ".argosy" / "versions").rglob("projects/[g]")
    assert kept.read_bytes() == b"theirs"
    assert list((dublin.root / ".argosy" / "staging").iterdir()) == []


def test_equal_content_is_skipped_and_overwrite_brings_its_attributes(london: Side, dublin: Side) -> None:
    for site in (london, dublin):
        (site.tree / "x").write_bytes(b"same")
    (london.tree / "x").chmod(0o600)
    (dublin.tree / "x").chmod(0o644)
    entry = london.entry(london.tree / "x")
    assert send(london, dublin, entry)[0].state is FileState.SKIPPED
    assert (dublin.tree / "x").stat().st_mode & 0o777 == 0o644
    assert send(london, dublin, entry, overwrite=True)[0].state is FileState.PROCESSED
    assert (dublin.tree / "x").stat().st_mode & 0o777 == 0o600
    assert send(london, dublin, entry, overwrite=True)[0].state is FileState.SKIPPED


def test_corrupt_bytes_never_become_visible(london: Side, dublin: Side) -> None:
    (london.tree / "f").write_bytes(b"bytes")
    copied = premigrate(london, london.tree / "f")

    class Corrupt(PosixStore):
        """A store that gives other bytes than it was given."""

        def get(self, key: str, **pinned: object):  # type: ignore[no-untyped-def,override]
            return iter([b"BYTES"])

    use(dublin, Corrupt(path=str(dublin.store)))
    (outcome,) = dublin.do("reverse_stub", *carried(copied, london, dublin), hydrate=True)
    assert (outcome.state, outcome.error) == (FileState.FAILED, "corrupt")
    assert not (dublin.tree / "f").exists()
    assert list((dublin.root / ".argosy" / "staging").iterdir()) == []


def test_a_short_object_never_becomes_visible(london: Side, dublin: Side) -> None:
    (london.tree / "f").write_bytes(b"bytes")
    copied = premigrate(london, london.tree / "f")

    class Short(PosixStore):
        """A store whose objects end early."""

        def get(self, key: str, **pinned: object):  # type: ignore[no-untyped-def,override]
            return iter([b"byt"])

    use(dublin, Short(path=str(dublin.store)))
    (outcome,) = dublin.do("reverse_stub", *carried(copied, london, dublin), hydrate=True)
    assert outcome.error == "corrupt"
    assert "3 of 5 bytes" in outcome.reason
    assert not (dublin.tree / "f").exists()


def test_an_object_that_is_gone_fails_its_file_alone(london: Side, dublin: Side) -> None:
    for name in ("a", "b"):
        (london.tree / name).write_bytes(name.encode())
    copied = premigrate(london, london.tree / "a", london.tree / "b")
    dublin.place.store(dublin.access).delete("projects/a")
    outcomes = dublin.do("reverse_stub", *carried(copied, london, dublin), hydrate=True)
    assert [(outcome.state, outcome.error) for outcome in outcomes] == [
        (FileState.FAILED, "object_gone"),
        (FileState.PROCESSED, ""),
    ]


def test_the_pinned_bytes_are_found_after_their_name_went_to_others(london: Side, dublin: Side) -> None:
    file = london.tree / "f"
    file.write_bytes(b"first")
    copied = premigrate(london, file)
    file.write_bytes(b"second")
    premigrate(london, file, overwrite=True)
    (outcome,) = dublin.do("reverse_stub", *carried(copied, london, dublin), hydrate=True)
    assert outcome.state is FileState.PROCESSED
    assert (dublin.tree / "f").read_bytes() == b"first"


def test_names_of_one_file_arrive_as_names_of_one_file_whatever_their_order(london: Side, dublin: Side) -> None:
    (london.tree / "a").write_bytes(b"bytes")
    names = [london.tree / name for name in "abcdefgh"]
    for name in names[1:]:
        os.link(names[0], name)
    send(london, dublin, *map(london.entry, reversed(names)))
    inodes = {(dublin.tree / name).stat().st_ino for name in "abcdefgh"}
    assert len(inodes) == 1
    assert (dublin.tree / "a").stat().st_nlink == 8


def test_a_lost_lease_stops_before_anything_is_visible(london: Side, dublin: Side) -> None:
    (london.tree / "f").write_bytes(b"bytes")
    copied = premigrate(london, london.tree / "f")
    order = dublin.order("reverse_stub", *carried(copied, london, dublin), hydrate=True)
    site = dublin.site(order)
    site.lease.revoke("the hub took the task back")
    from argosy.agent.runner import run

    with pytest.raises(LeaseLost):
        run(order, site, dublin.hub, dublin.pool)
    assert not (dublin.tree / "f").exists()
    staging = dublin.root / ".argosy" / "staging"
    assert not staging.exists() or list(staging.iterdir()) == []


@pytest.mark.parametrize("kind", ["directory", "symlink", "link", "same"])
def test_after_the_lease_is_lost_nothing_at_all_is_changed(london: Side, dublin: Side, kind: str) -> None:
    ours, theirs = london.tree / "x", dublin.tree / "x"
    if kind == "directory":
        ours.mkdir()
    elif kind == "symlink":
        ours.symlink_to("target")
        theirs.write_bytes(b"theirs")
    else:
        for path in (ours, theirs):
            path.write_bytes(b"same")
        ours.chmod(0o600)
    if kind == "link":
        os.link(ours, london.tree / "y")
    copied = premigrate(london, ours)
    before = {path: path.lstat() for path in dublin.tree.iterdir()}
    order = dublin.order("reverse_stub", *carried(copied, london, dublin), hydrate=True, overwrite=True)
    site = dublin.site(order)
    site.lease.revoke("the hub took the task back")
    from argosy.agent.runner import run

    with pytest.raises(LeaseLost):
        run(order, site, dublin.hub, dublin.pool)
    assert {path: path.lstat() for path in dublin.tree.iterdir()} == before


def test_a_file_that_somebody_writes_is_not_replaced_under_him(london: Side, dublin: Side) -> None:
    (london.tree / "x").write_bytes(b"new")
    there = dublin.tree / "x"
    there.write_bytes(b"old")
    entry = london.entry(london.tree / "x")
    with there.open("ab") as writer:
        (outcome,) = send(london, dublin, entry, overwrite=True)
        assert (outcome.state, outcome.error) == (FileState.ABORTED, "busy")
        writer.write(b" and what he writes next")
    assert there.read_bytes() == b"old and what he writes next"
    assert send(london, dublin, entry, overwrite=True)[0].state is FileState.PROCESSED


def test_data_where_a_hole_was_told_of_is_written(london: Side, dublin: Side) -> None:
    (london.tree / "x").write_bytes(b"no hole at all")
    (copied,) = premigrate(london, london.tree / "x")
    lying = msgspec.structs.replace(copied, entry=copied.entry.learned(extents=((0, 2), (8, 2))))
    dublin.do("reverse_stub", *carried([lying], london, dublin), hydrate=True)
    assert (dublin.tree / "x").read_bytes() == b"no hole at all"


def test_a_store_that_does_not_answer_breaks_the_task_and_not_its_files(london: Side) -> None:
    from argosy.core.errors import Unavailable

    class Dead(PosixStore):
        """A store that does not answer."""

        def put(self, *more: object, **named: object):  # type: ignore[no-untyped-def,override]
            raise Unavailable("store cloud does not answer")

    (london.tree / "f").touch()
    use(london, Dead(path=str(london.store)))
    report = london.report("migrate", london.entry(london.tree / "f"), premigrate=True)
    assert (report.error, report.retry, report.outcomes) == ("unavailable", True, ())


def test_a_directory_keeps_its_mtime_whenever_it_arrives_among_its_files(london: Side, dublin: Side) -> None:
    for number in range(25):
        folder = london.tree / f"{number}"
        folder.mkdir()
        for name in "abcdef":
            (folder / name).touch()
        os.utime(folder, ns=(10**18, 10**18 + number))
        found = london.entries(folder)
        half = len(found) // 2
        send(london, dublin, *found[half:], *found[:half])
        assert (dublin.tree / f"{number}").stat().st_mtime_ns == 10**18 + number
