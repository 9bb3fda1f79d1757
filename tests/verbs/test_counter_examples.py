"""What loses bytes where one step of a verb is left out or taken early: each a way to fool a weaker engine."""

import mmap
import os
from pathlib import Path

import msgspec
import pytest

from argosy.core.outcome import Outcome
from argosy.core.pointer import Pointer, StubState
from argosy.core.states import FileState
from tests.sites import Side
from tests.verbs.evidence import ATTRIBUTE, Sight, assert_state, conflicts
from tests.verbs.scenarios import OLD, write

ONE, TWO = b"one" * 30_000, b"two" * 30_000
PROCESSED, SKIPPED, FAILED = FileState.PROCESSED, FileState.SKIPPED, FileState.FAILED


@pytest.fixture(params=["native", "immutable"])
def london(tmp_path: Path, request: pytest.FixtureRequest) -> Side:
    return Side(tmp_path, "london", layout=request.param)


def do(side: Side, step: str, *paths: Path, **options: object) -> list[Outcome]:
    return side.do(step, *map(side.entry, paths), **options)


def done(side: Side, step: str, *paths: Path, **options: object) -> None:
    outcomes = do(side, step, *paths, **options)
    assert {outcome.state for outcome in outcomes} == {PROCESSED}, outcomes


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_name_that_is_given_to_another_file_leaves_the_first_its_bytes(london: Side, overwrite: bool) -> None:
    a, b = london.tree / "a", london.tree / "b"
    write(a, ONE)
    done(london, "migrate", a)
    a.rename(b)
    write(a, TWO, OLD + 1)
    done(london, "migrate", a, overwrite=overwrite)
    for path, content, mtime_ns in ((b, ONE, OLD), (a, TWO, OLD + 1)):
        assert_state(path, StubState.STUB, content, mtime_ns=mtime_ns)
        done(london, "recall", path)
        assert_state(path, StubState.PREMIGRATED, content, mtime_ns=mtime_ns)


def test_a_stub_whose_name_went_round_in_a_circle_has_its_bytes(london: Side) -> None:
    a, b = london.tree / "a", london.tree / "b"
    write(a, ONE)
    write(b, TWO)
    done(london, "migrate", a, b)
    a.rename(london.tree / "c")
    b.rename(a)
    (london.tree / "c").rename(b)
    done(london, "recall", a, b)
    assert (a.read_bytes(), b.read_bytes()) == (TWO, ONE)


def test_an_attribute_copied_to_another_file_gets_it_nothing(london: Side) -> None:
    secret, hole, whole = (london.tree / name for name in ("secret", "hole", "whole"))
    write(secret, ONE)
    done(london, "migrate", secret)
    write(hole, bytes(len(ONE)))
    write(whole, TWO)
    for path in (hole, whole):
        os.setxattr(path, ATTRIBUTE, os.getxattr(secret, ATTRIBUTE))
    for outcome in do(london, "recall", hole, whole):
        assert (outcome.state, outcome.error) == (FAILED, "not_adopted")
        assert "adopt" in outcome.reason
    (refused,) = do(london, "adopt", whole)  # nobody can tell whether it is a copy that was cut short
    assert refused.state is FAILED
    assert "setfattr -x" in refused.reason
    assert (hole.read_bytes(), whole.read_bytes()) == (bytes(len(ONE)), TWO)
    os.removexattr(whole, ATTRIBUTE)
    done(london, "migrate", whole)
    done(london, "recall", whole)
    assert whole.read_bytes() == TWO


@pytest.mark.parametrize("name", ["user.argosy", "user.argosy.pointer"])
def test_an_attribute_that_users_may_write_is_not_believed(london: Side, name: str) -> None:
    secret, mine = london.tree / "secret", london.tree / "mine"
    write(secret, ONE)
    done(london, "migrate", secret)
    write(mine, bytes(len(ONE)))
    with london.place.tree(bytes(mine)).open(bytes(mine)) as file:
        forged = msgspec.structs.replace(Sight(secret).pointer, binding=file.binding())
    os.setxattr(mine, name, forged.encode())
    (outcome,) = do(london, "recall", mine)
    assert outcome.state is SKIPPED
    assert mine.read_bytes() == bytes(len(ONE))


def test_an_attribute_that_names_an_object_of_others_does_not_get_its_bytes(london: Side) -> None:
    """Written by somebody who may write such attributes: what he names must still be what it says it is."""
    secret, mine = london.tree / "secret", london.tree / "mine"
    write(secret, ONE)
    write(mine, TWO)
    done(london, "migrate", secret, mine)
    theirs, ours = Sight(secret).pointer, Sight(mine).pointer
    assert theirs is not None
    assert ours is not None
    forged = msgspec.structs.replace(ours, uuid=theirs.uuid, etag=theirs.etag)
    os.setxattr(mine, ATTRIBUTE, forged.encode())
    place = london.place.index
    place.flush()
    place._db.execute("DELETE FROM inode")  # which knows better
    (outcome,) = do(london, "recall", mine)
    assert (outcome.state, outcome.error) == (FAILED, "only_copy_damaged")
    assert ONE not in [path.read_bytes() for path in london.tree.iterdir() if path != secret]
    os.setxattr(mine, ATTRIBUTE, ours.encode())
    done(london, "recall", mine)
    assert mine.read_bytes() == TWO


def test_a_cut_attribute_is_an_error_and_never_a_whole_file(london: Side) -> None:
    file = london.tree / "f"
    write(file, ONE)
    done(london, "migrate", file)
    value = os.getxattr(file, ATTRIBUTE)
    for broken in (value[:50], b"\x01", b"", bytes(len(value)), b"\xff" + value[1:]):
        os.setxattr(file, ATTRIBUTE, broken)
        for step in ("migrate", "recall"):
            (outcome,) = do(london, step, file)
            assert outcome.state is FAILED, (step, broken)
        assert os.getxattr(file, ATTRIBUTE) == broken
    os.setxattr(file, ATTRIBUTE, value)
    done(london, "recall", file)
    assert file.read_bytes() == ONE


def test_a_stub_that_lost_its_attribute_is_lost_and_never_copied_as_zeros(london: Side) -> None:
    file = london.tree / "f"
    write(file, ONE)
    done(london, "migrate", file)
    os.removexattr(file, ATTRIBUTE)
    for step, options in (("migrate", {}), ("migrate", {"premigrate": True}), ("recall", {})):
        (outcome,) = do(london, step, file, **options)
        assert outcome.state is FAILED, step
        assert "lost" in outcome.reason


@pytest.mark.parametrize("synced", [False, True])
def test_a_store_through_a_mapping_after_the_copy_is_not_punched_away(london: Side, synced: bool) -> None:
    file = london.tree / "f"
    write(file, ONE)
    with file.open("r+b") as opened:
        mapped = mmap.mmap(opened.fileno(), 0)
    mapped[:3] = b"one"  # from now on a store leaves no trace, until the page goes to the disk
    os.utime(file, ns=(OLD, OLD))
    done(london, "migrate", file, premigrate=True)
    mapped[:3] = b"NEW"
    if synced:
        mapped.flush()
        os.utime(file, ns=(OLD, OLD))
    mapped.close()
    do(london, "migrate", file)
    do(london, "migrate", file)
    assert Sight(file).state is StubState.STUB
    done(london, "recall", file)
    assert file.read_bytes() == b"NEW" + ONE[3:]


@pytest.mark.parametrize("when", ["premigrated", "stub"])
def test_a_change_of_modes_and_names_copies_nothing_again(london: Side, when: str) -> None:
    files = [london.tree / f"{number}" for number in range(20)]
    for number, file in enumerate(files):
        write(file, ONE + b"%d" % number)
    done(london, "migrate", *files, premigrate=when == "premigrated")
    before = sorted(path for path in london.store.rglob("*") if path.is_file())
    for file in files:
        file.chmod(0o640)
        os.chown(file, 1234, 1234)
        os.setxattr(file, "user.colour", b"blue")
        file.rename(file.with_name(f"moved-{file.name}"))
    moved = [file.with_name(f"moved-{file.name}") for file in files]
    outcomes = do(london, "migrate", *moved, premigrate=True)
    assert ({outcome.state for outcome in outcomes}, sum(outcome.moved for outcome in outcomes)) == ({SKIPPED}, 0)
    outcomes = do(london, "migrate", *moved)
    assert sum(outcome.moved for outcome in outcomes) == 0
    assert {Sight(file).state for file in moved} == {StubState.STUB}
    assert sorted(path for path in london.store.rglob("*") if path.is_file()) == before
    done(london, "recall", *moved)
    assert [file.read_bytes() for file in moved] == [ONE + b"%d" % number for number in range(20)]


def restored(file: Path, to: Path) -> None:
    """Make a copy with all attributes and holes, as a backup program restores it."""
    with to.open("wb") as new:
        new.truncate(file.stat().st_size)
    for name in os.listxattr(file):
        os.setxattr(to, name, os.getxattr(file, name))
    found = file.stat()
    os.utime(to, ns=(found.st_atime_ns, found.st_mtime_ns))


def test_a_restored_backup_of_stubs_is_adopted(london: Side) -> None:
    contents = {london.tree / f"{number}": ONE + b"%d" % number for number in range(5)}
    for file, content in contents.items():
        write(file, content)
    done(london, "migrate", *contents)
    for file in contents:
        restored(file, london.root / file.name)
        file.unlink()
        (london.root / file.name).rename(file)
    assert {outcome.error for outcome in do(london, "recall", *contents)} == {"not_adopted"}
    done(london, "adopt", *contents)
    for file, content in contents.items():
        assert_state(file, StubState.STUB, content, mtime_ns=OLD)
    done(london, "recall", *contents)
    assert {file: file.read_bytes() for file in contents} == contents
    assert not any(conflicts(file) for file in contents)


def test_what_is_not_there_any_more_is_not_adopted(london: Side) -> None:
    file, copy = london.tree / "f", london.tree / "copy"
    write(file, ONE)
    done(london, "migrate", file)
    restored(file, copy)
    for found in london.place.store(london.access).list(""):
        london.place.store(london.access).delete(found.key)
    (outcome,) = do(london, "adopt", copy)
    assert outcome.state is FAILED
    assert Pointer.decode(os.getxattr(copy, ATTRIBUTE)).binding == Sight(file).pointer.binding  # type: ignore[union-attr]
