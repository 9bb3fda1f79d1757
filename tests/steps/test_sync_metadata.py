"""What `ngenea_sync_metadata` brings into line, and what it leaves alone."""

import os
import stat
from pathlib import Path

import msgspec
import pytest

from argosy.core.entry import Entry
from argosy.core.outcome import Outcome
from argosy.core.states import FileState
from argosy.hsm.file.state import State
from argosy.hsm.object.content import Bytes
from tests.sites import Side, carried
from tests.steps.stubs import CONTENT, data, good, made, state
from tests.steps.test_premigrate import premigrate, store
from tests.trees import ACCESS, ACL

SEAL = b"a secret of the datastore's"


@pytest.fixture
def london(tmp_path: Path) -> Side:
    return sealed(Side(tmp_path, "london"))


@pytest.fixture
def dublin(tmp_path: Path, london: Side) -> Side:
    return sealed(Side(tmp_path, "dublin"))


def sealed(side: Side) -> Side:
    side.access = msgspec.structs.replace(side.access, seal=SEAL)
    return side


def align(site: Side, *paths: Path, **options: object) -> list[Outcome]:
    return site.do("ngenea_sync_metadata", *map(site.entry, paths), **options)


def failure(outcomes: list[Outcome]) -> tuple[FileState, str]:
    (outcome,) = outcomes
    return outcome.state, outcome.error


def dressed(file: Path) -> Path:
    """Give a file attributes that no other has."""
    os.chown(file, 1234, 4321)
    os.setxattr(file, "user.note", b"of the object")
    os.setxattr(file, ACCESS, ACL)
    os.utime(file, ns=(10**18, 10**18 + 7))
    return file


def looks(file: Path) -> tuple[object, ...]:
    found = file.stat()
    xattrs = {name: os.getxattr(file, name) for name in os.listxattr(file) if name != "trusted.argosy"}
    return stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid, found.st_mtime_ns, xattrs


def undressed(file: Path) -> None:
    """Let somebody change all of them."""
    os.removexattr(file, ACCESS)
    os.removexattr(file, "user.note")
    os.setxattr(file, "user.other", b"local")
    os.chown(file, 1, 1)
    file.chmod(0o600)
    os.utime(file, ns=(1, 1))


@pytest.mark.feature("HUB-STEP-023")
@pytest.mark.parametrize("kind", ["resident", "premigrated", "stub"])
def test_a_file_gets_the_attributes_of_its_object_and_keeps_its_bytes_and_state(
    london: Side, dublin: Side, kind: str
) -> None:
    file = dressed(made(london, "f"))
    before = looks(file)
    copied = premigrate(london, file)
    there = dublin.tree / "f"
    if kind == "resident":
        there.write_bytes(CONTENT)
        dressed(there)
    else:
        good(dublin.do("reverse_stub", *carried(copied, london, dublin), hydrate=kind == "premigrated"))
    undressed(there)
    inode, size = there.stat().st_ino, data(there)
    (outcome,) = align(dublin, there)
    assert outcome.state is FileState.PROCESSED
    assert (looks(there), there.stat().st_ino, data(there)) == (before, inode, size)
    expected = {"resident": State.RESIDENT, "premigrated": State.PREMIGRATED, "stub": State.STUB}[kind]
    assert state(dublin, there) is expected
    (again,) = align(dublin, there)
    assert (again.state, again.reason) == (FileState.SKIPPED, "already in line")
    assert again.entry.facts == outcome.entry.facts


def test_a_file_that_was_only_touched_is_clean_again(london: Side) -> None:
    file = made(london, "f")
    premigrate(london, file)
    os.utime(file, ns=(1, 1))
    assert state(london, file) is State.DIRTY
    good(align(london, file))
    assert state(london, file) is State.PREMIGRATED


def test_attributes_of_another_content_are_not_given(london: Side) -> None:
    file = made(london, "f")
    premigrate(london, file)
    made(london, "f", CONTENT[::-1]).chmod(0o600)
    (outcome,) = align(london, file)
    assert (outcome.state, outcome.error) == (FileState.FAILED, "exists")
    assert "another content" in outcome.reason
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_with_skip_hash_a_file_of_the_same_size_is_taken_for_the_same(london: Side) -> None:
    file = made(london, "f")
    premigrate(london, file)
    made(london, "f", CONTENT[::-1]).chmod(0o600)
    good(align(london, file, skip_hash=True))
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert file.read_bytes() == CONTENT[::-1]
    made(london, "f", b"of another size")
    assert failure(align(london, file, skip_hash=True)) == (FileState.FAILED, "exists")


def test_a_directory_gets_the_attributes_of_its_marker(london: Side) -> None:
    top = london.tree / "directory"
    top.mkdir()
    (top / "inside").touch()
    os.chown(top, 1234, 4321)
    top.chmod(0o2750)
    os.utime(top, ns=(10**18, 10**18))
    before = looks(top)
    premigrate(london, top)
    os.chown(top, 0, 0)
    top.chmod(0o700)
    os.utime(top, ns=(1, 1))
    good(align(london, top))
    assert looks(top) == before
    assert align(london, top)[0].state is FileState.SKIPPED
    assert [path.name for path in top.iterdir()] == ["inside"]


def test_in_the_layout_immutable_the_file_says_which_object_is_its(tmp_path: Path) -> None:
    london = sealed(Side(tmp_path, "london", layout="immutable"))
    file = made(london, "f")
    premigrate(london, file)
    file.chmod(0o600)
    good(align(london, file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert failure(align(london, made(london, "unknown"))) == (FileState.FAILED, "invalid")


def test_what_is_gone_or_of_another_kind_fails(london: Side) -> None:
    assert failure(align(london, made(london, "f"))) == (FileState.FAILED, "object_gone")
    assert failure(london.do("ngenea_sync_metadata", Entry(path=bytes(london.tree / "none")))) == (
        FileState.FAILED,
        "not_found",
    )
    (london.tree / "d").mkdir()
    store(london).put("projects/d", Bytes(b""), metadata={})
    assert failure(align(london, london.tree / "d")) == (FileState.FAILED, "exists")
    (london.tree / "link").symlink_to("f")
    assert align(london, london.tree / "link")[0].state is FileState.SKIPPED


def test_an_object_of_others_only_brings_the_default_owners(london: Side) -> None:
    file = london.tree / "f"
    store(london).put("projects/f", Bytes(CONTENT), metadata={})
    good(london.do("reverse_stub", Entry(path=bytes(file))))
    file.chmod(0o640)
    assert align(london, file)[0].state is FileState.SKIPPED
    good(align(london, file, default_uid="1234", default_gid="4321"))
    assert looks(file)[:3] == (0o640, 1234, 4321)
    assert state(london, file) is State.STUB


def test_metadata_that_is_not_sealed_grants_nothing(london: Side) -> None:
    file = made(london, "f")
    file.chmod(0o4755)
    os.chown(file, 0, 0)
    london.access = msgspec.structs.replace(london.access, seal=b"")
    premigrate(london, file)
    file.chmod(0o741)
    london.access = msgspec.structs.replace(london.access, seal=SEAL)
    os.chown(file, 7, 8)
    os.utime(file, ns=(1, 1))
    good(align(london, file, default_uid="1234"))
    assert looks(file)[:3] == (0o741 & 0o755, 7, 8)
    assert state(london, file) is State.PREMIGRATED
