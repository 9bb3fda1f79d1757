"""What `reverse_stub` makes of what a store holds: stubs, of what is told and of what is found."""

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from argosy.core.entry import Attributes, Entry, Kind
from argosy.core.order import Policy
from argosy.core.outcome import Outcome
from argosy.core.pointer import StubState
from argosy.core.states import FileState
from argosy.filesystems._posix.errors import translated
from argosy.filesystems._posix.staged import StagedFile
from argosy.filesystems.posix import Posix
from argosy.hsm.file.state import State
from argosy.hsm.object.content import Bytes
from argosy.stores import keys, metadata
from tests.loop import LoopMount, loop_mount
from tests.sites import Side, carried, send
from tests.steps.stubs import CONTENT, HOUR, data, good, made, pointer, recall, repoint, state, stub
from tests.steps.test_premigrate import premigrate, store
from tests.trees import compare, nasty_tree

__all__ = ["loop_mount"]

SEAL = b"a secret of the datastore's"


@pytest.fixture(params=["ext4", "xfs", "btrfs"])
def paris(request: pytest.FixtureRequest, loop_mount: LoopMount, tmp_path: Path) -> Iterator[Side]:
    """A site on a filesystem of each kind, with the store that the others have."""
    top = loop_mount(request.param) / tmp_path.name
    top.mkdir()
    side = Side(top, "paris", store=tmp_path / "store")
    yield side
    side.place.close()
    shutil.rmtree(top)


def arriving(origin: Side, target: Side, *paths: Path, **options: object) -> list[Entry]:
    """Premigrate files and return their entries at the other site."""
    return carried(premigrate(origin, *paths, **options), origin, target)


def failure(outcomes: list[Outcome]) -> tuple[FileState, str]:
    (outcome,) = outcomes
    return outcome.state, outcome.error


def nothing_staged(site: Side) -> bool:
    staging = site.root / ".argosy" / "staging"
    return not staging.exists() or list(staging.iterdir()) == []


def kept(site: Side, name: str) -> Path:
    """The one entry of that name in the version store."""
    (found,) = (site.root / ".argosy" / "versions").glob(f"*/projects/{name}")
    return found


# Stubs.


@pytest.mark.feature("HUB-STEP-017")
def test_a_stub_is_made_at_the_other_site_and_recalled_there(london: Side, paris: Side) -> None:
    file, there = made(london, "f"), paris.tree / "f"
    file.chmod(0o640)
    os.chown(file, 1234, 4321)
    os.setxattr(file, "user.note", b"kept")
    (outcome,) = paris.do("reverse_stub", *arriving(london, paris, file))
    assert (outcome.state, outcome.moved) == (FileState.PROCESSED, 0)
    ours, theirs = file.stat(), there.stat()
    assert state(paris, there) is State.STUB
    assert data(there) <= 4096
    for name in ("st_size", "st_mode", "st_uid", "st_gid", "st_mtime_ns"):
        assert getattr(ours, name) == getattr(theirs, name)
    assert os.getxattr(there, "user.note") == b"kept"
    assert nothing_staged(paris)
    good(paris.do("recall", paris.entry(there)))
    assert (there.read_bytes(), there.stat().st_mtime_ns) == (CONTENT, ours.st_mtime_ns)
    whole = paris.tree / "whole"
    (entry,) = arriving(london, paris, file)
    good(paris.do("reverse_stub", msgspec.structs.replace(entry, path=bytes(whole)), hydrate=True))
    assert (whole.read_bytes(), state(paris, whole)) == (CONTENT, State.PREMIGRATED)


def test_a_stub_that_arrived_is_skipped_the_second_time_with_the_same_facts(london: Side, dublin: Side) -> None:
    entries = arriving(london, dublin, made(london, "f"))
    first = good(dublin.do("reverse_stub", *entries))
    before = (dublin.tree / "f").stat()
    (second,) = dublin.do("reverse_stub", *entries, overwrite=True)
    assert (second.state, second.entry.facts) == (FileState.SKIPPED, first.entry.facts)
    assert (dublin.tree / "f").stat() == before


def test_a_stub_of_a_stub_can_be_made(london: Side, dublin: Side) -> None:
    copied = london.do("migrate", london.entry(made(london, "f")))
    good(dublin.do("reverse_stub", *carried(copied, london, dublin)))
    good(dublin.do("recall", dublin.entry(dublin.tree / "f")))
    assert (dublin.tree / "f").read_bytes() == CONTENT


def test_a_tree_of_every_nastiness_arrives_as_stubs_and_is_recalled_whole(london: Side, dublin: Side) -> None:
    nasty_tree(london.tree / "nasty")
    found = [entry for entry in london.entries(london.tree / "nasty") if entry.kind != "other"]
    copied = london.do("migrate", *found, premigrate=True)
    assert {outcome.state for outcome in dublin.do("reverse_stub", *carried(copied, london, dublin))} == {
        FileState.PROCESSED
    }
    big = dublin.tree / "nasty" / "sizes" / "1048576"
    assert state(dublin, big) is State.STUB
    again = {outcome.state for outcome in dublin.do("reverse_stub", *carried(copied, london, dublin))}
    assert again == {FileState.SKIPPED}
    for outcome in dublin.do("recall", *dublin.entries(dublin.tree / "nasty")):
        assert outcome.state in {FileState.PROCESSED, FileState.SKIPPED}, outcome
    assert compare(london.tree / "nasty", dublin.tree / "nasty") == []
    assert nothing_staged(dublin)


def test_where_no_stubs_may_be_none_are_made_and_hydrate_is_named(tmp_path: Path) -> None:
    london, dublin = Side(tmp_path, "london"), Side(tmp_path, "dublin", policy=Policy())
    entries = arriving(london, dublin, made(london, "f"))
    (outcome,) = dublin.do("reverse_stub", *entries)
    assert (outcome.state, outcome.error) == (FileState.FAILED, "no_guard")
    assert "hydrate" in outcome.reason
    assert not (dublin.tree / "f").exists()
    good(dublin.do("reverse_stub", *entries, hydrate=True))


@pytest.mark.feature("HUB-STEP-018")
def test_files_up_to_stub_size_are_whole(london: Side, dublin: Side) -> None:
    sizes = {"empty": 0, "small": 4999, "equal": 5000, "large": 5001}
    files = [made(london, name, CONTENT[:size]) for name, size in sizes.items()]
    dublin.do("reverse_stub", *arriving(london, dublin, *files), stub_size=5000)
    hollow = {name for name in sizes if state(dublin, dublin.tree / name) is State.STUB}
    assert hollow == {"large"}
    assert all((dublin.tree / name).read_bytes() == CONTENT[:size] for name, size in sizes.items() if size <= 5000)


def test_files_of_which_the_site_makes_no_stubs_are_whole(tmp_path: Path) -> None:
    london = Side(tmp_path, "london")
    dublin = Side(tmp_path, "dublin", policy=Policy(unguarded_stubs=True, min_stub_size=5000))
    files = [made(london, "small", CONTENT[:4999]), made(london, "large", CONTENT[:5000])]
    dublin.do("reverse_stub", *arriving(london, dublin, *files))
    assert state(dublin, dublin.tree / "small") is State.PREMIGRATED
    assert state(dublin, dublin.tree / "large") is State.STUB


def test_of_an_object_that_is_gone_or_another_no_stub_is_made(london: Side, dublin: Side) -> None:
    gone, other, fine = (made(london, name) for name in ("gone", "other", "fine"))
    entries = arriving(london, dublin, gone, other, fine)
    store(london).delete("projects/gone")
    store(london).put("projects/other", Bytes(CONTENT), metadata=store(london).head("projects/other").metadata)
    outcomes = dublin.do("reverse_stub", *entries)
    assert [outcome.error for outcome in outcomes] == ["object_gone", "object_gone", ""]
    assert [path.name for path in dublin.tree.iterdir()] == ["fine"]
    assert nothing_staged(dublin)


def test_of_an_object_that_was_preserved_a_stub_is_made(london: Side, dublin: Side) -> None:
    file = made(london, "f")
    entries = arriving(london, dublin, file)
    made(london, "f", b"later")
    premigrate(london, file, overwrite=True)
    good(dublin.do("reverse_stub", *entries))
    good(dublin.do("recall", dublin.entry(dublin.tree / "f")))
    assert (dublin.tree / "f").read_bytes() == CONTENT


def test_names_of_one_file_arrive_as_names_of_one_stub(london: Side, dublin: Side) -> None:
    first = made(london, "a")
    for name in "bcd":
        os.link(first, london.tree / name)
    entries = arriving(london, dublin, *(london.tree / name for name in "abcd"))
    dublin.do("reverse_stub", *entries)
    names = [dublin.tree / name for name in "abcd"]
    assert len({path.stat().st_ino for path in names}) == 1
    assert state(dublin, names[0]) is State.STUB
    assert {outcome.state for outcome in dublin.do("reverse_stub", *entries)} == {FileState.SKIPPED}
    dublin.do("reverse_stub", *entries, hydrate=True)
    assert len({path.stat().st_ino for path in names}) == 1
    assert [path.read_bytes() for path in names] == [CONTENT] * 4


def test_a_stub_there_of_the_same_content_is_filled_where_the_file_is_to_be_whole(london: Side, dublin: Side) -> None:
    entries = arriving(london, dublin, made(london, "f"))
    good(dublin.do("reverse_stub", *entries))
    (outcome,) = dublin.do("reverse_stub", *entries, hydrate=True)
    assert (outcome.state, outcome.moved) == (FileState.PROCESSED, len(CONTENT))
    assert (dublin.tree / "f").read_bytes() == CONTENT


def test_times_are_set_to_now_where_that_is_asked_for(london: Side, dublin: Side) -> None:
    entries = arriving(london, dublin, made(london, "f"), made(london, "g"))
    good(dublin.do("reverse_stub", entries[0], update_mtime=True, update_atime=True))
    good(dublin.do("reverse_stub", entries[1], update_mtime=True, hydrate=True))
    for name, expected in (("f", State.STUB), ("g", State.PREMIGRATED)):
        assert (dublin.tree / name).stat().st_mtime_ns > (london.tree / name).stat().st_mtime_ns + HOUR // 2
        assert state(dublin, dublin.tree / name) is expected
    assert (dublin.tree / "f").stat().st_atime_ns > (london.tree / "f").stat().st_mtime_ns + HOUR // 2


# What is there already.


@pytest.mark.feature("HUB-STEP-019")
@pytest.mark.parametrize("hydrate", [False, True])
def test_overwrite_replaces_what_differs_and_dresses_what_does_not(london: Side, dublin: Side, hydrate: bool) -> None:
    differs, same = made(london, "differs"), made(london, "same")
    same.chmod(0o600)
    made(dublin, "differs", b"theirs")
    inode = made(dublin, "same").stat().st_ino
    entries = arriving(london, dublin, differs, same)
    refused = dublin.do("reverse_stub", entries[0], hydrate=hydrate)
    assert failure(refused) == (FileState.FAILED, "differs")
    assert (dublin.tree / "differs").read_bytes() == b"theirs"
    for outcome in dublin.do("reverse_stub", *entries, hydrate=hydrate, overwrite=True):
        assert outcome.state is FileState.PROCESSED
    expected = State.PREMIGRATED if hydrate else State.STUB
    assert state(dublin, dublin.tree / "differs") is expected
    assert kept(dublin, "differs").read_bytes() == b"theirs"
    found = (dublin.tree / "same").stat()
    assert (found.st_ino, found.st_mode & 0o777, found.st_mtime_ns) == (inode, 0o600, same.stat().st_mtime_ns)
    assert (dublin.tree / "same").read_bytes() == CONTENT


def test_a_premigrated_file_that_is_dressed_stays_one(london: Side, dublin: Side) -> None:
    file = made(london, "f")
    send(london, dublin, london.entry(file))
    os.utime(file, ns=(10**18, 10**18))
    file.chmod(0o600)
    send(london, dublin, london.entry(file), overwrite=True)
    there = dublin.tree / "f"
    assert (there.stat().st_mtime_ns, there.stat().st_mode & 0o777) == (10**18, 0o600)
    assert state(dublin, there) is State.PREMIGRATED


@pytest.mark.feature("HUB-STEP-021")
@pytest.mark.parametrize("hydrate", [False, True])
@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(
    ("preference", "age", "replaced"),
    [
        ("newest", HOUR, True),
        ("newest", 0, False),
        ("newest", -HOUR, False),
        ("local", HOUR, False),
        ("local", -HOUR, False),
        ("ignore", HOUR, True),
        ("ignore", -HOUR, True),
    ],
)
def test_the_preference_decides_in_the_place_of_overwrite(
    london: Side, dublin: Side, *, preference: str, age: int, replaced: bool, overwrite: bool, hydrate: bool
) -> None:
    """`age`: by how much the local file is older."""
    file, there = made(london, "f"), made(dublin, "f", b"theirs")
    then = file.stat().st_mtime_ns - age
    os.utime(there, ns=(then, then))
    options = {"conflict_preference": preference, "overwrite": overwrite, "hydrate": hydrate}
    (outcome,) = dublin.do("reverse_stub", *arriving(london, dublin, file), **options)
    assert outcome.state is (FileState.PROCESSED if replaced else FileState.SKIPPED)
    if replaced:
        assert kept(dublin, "f").read_bytes() == b"theirs"
        dublin.do("recall", dublin.entry(there))
        assert there.read_bytes() == CONTENT
    else:
        assert there.read_bytes() == b"theirs"
        assert outcome.reason.startswith("what is here is")


@pytest.mark.parametrize("preference", ["newest", "local", "ignore"])
def test_no_preference_replaces_a_directory(london: Side, dublin: Side, preference: str) -> None:
    entries = arriving(london, dublin, made(london, "f"))
    (dublin.tree / "f").mkdir()
    os.utime(dublin.tree / "f", ns=(0, 0))
    assert failure(dublin.do("reverse_stub", *entries, conflict_preference=preference)) == (FileState.FAILED, "exists")


@pytest.mark.feature("HUB-STEP-022")
def test_a_stub_there_of_the_same_content_gets_all_that_is_new(london: Side, dublin: Side) -> None:
    file, there = made(london, "f"), dublin.tree / "f"
    good(dublin.do("reverse_stub", *arriving(london, dublin, file)))
    before = pointer(dublin, there)
    inode = there.stat().st_ino
    # The same bytes, in another object, with other attributes.
    file.rename(london.tree / "g")
    london.do("remove_location_xattrs_for_moved", london.entry(london.tree / "g"))
    (london.tree / "g").chmod(0o600)
    os.utime(london.tree / "g", ns=(10**18, 10**18))
    (entry,) = arriving(london, dublin, london.tree / "g")
    store(london).delete("projects/f")
    good(dublin.do("reverse_stub", msgspec.structs.replace(entry, path=bytes(there))))
    after = pointer(dublin, there)
    assert before is not None
    assert after is not None
    assert before.uuid != after.uuid == entry.facts.stored.uuid  # type: ignore[union-attr]
    assert (there.stat().st_ino, there.stat().st_mtime_ns, there.stat().st_mode & 0o777) == (inode, 10**18, 0o600)
    assert state(dublin, there) is State.STUB
    good(dublin.do("recall", dublin.entry(there)))
    assert there.read_bytes() == CONTENT


def test_a_stub_whose_object_is_there_keeps_it_and_gets_the_attributes_of_the_other(london: Side, dublin: Side) -> None:
    file, there = made(london, "f"), dublin.tree / "f"
    good(dublin.do("reverse_stub", *arriving(london, dublin, file)))
    before = pointer(dublin, there)
    made(london, "g").chmod(0o600)
    (entry,) = arriving(london, dublin, london.tree / "g")
    good(dublin.do("reverse_stub", msgspec.structs.replace(entry, path=bytes(there))))
    after = pointer(dublin, there)
    assert before is not None
    assert after is not None
    assert (after.uuid, after.etag, there.stat().st_mode & 0o777) == (before.uuid, before.etag, 0o600)


@pytest.mark.parametrize("preserved", [True, False])
def test_a_stub_does_not_forget_its_object_for_one_that_was_written_over_it(london: Side, preserved: bool) -> None:
    file = stub(london, "f")
    before = pointer(london, file)
    found = store(london).head("projects/f")
    if preserved:
        uuid = bytes.fromhex(found.metadata["argosyuuid"])
        store(london).copy("projects/f", keys.version_key(uuid), etag=found.etag)
    store(london).put("projects/f", Bytes(CONTENT[::-1]), metadata=dict(found.metadata))
    (outcome,) = london.do("reverse_stub", Entry(path=bytes(file)))
    assert (outcome.state, outcome.error) == ((FileState.SKIPPED, "") if preserved else (FileState.FAILED, "corrupt"))
    assert pointer(london, file) == before
    if preserved:
        assert recall(london, file) == CONTENT


def test_a_uuid_alone_does_not_make_it_the_same_content(london: Side) -> None:
    file = stub(london, "f")
    before = pointer(london, file)
    other = Bytes(CONTENT[::-1])
    said = {**store(london).head("projects/f").metadata, "argosyhash": other.digest.hex()}
    store(london).put("projects/f", other, metadata=said)
    assert failure(london.do("reverse_stub", Entry(path=bytes(file)))) == (FileState.FAILED, "differs")
    assert pointer(london, file) == before


def test_a_stub_is_not_pointed_to_what_is_not_there(london: Side, dublin: Side) -> None:
    file, there = made(london, "f"), dublin.tree / "f"
    good(dublin.do("reverse_stub", *arriving(london, dublin, file)))
    before = pointer(dublin, there)
    (entry,) = arriving(london, dublin, made(london, "g"))
    store(london).delete("projects/f")
    store(london).delete("projects/g")
    entry = msgspec.structs.replace(entry, path=bytes(there))
    assert failure(dublin.do("reverse_stub", entry)) == (FileState.FAILED, "object_gone")
    assert pointer(dublin, there) == before


def test_a_stub_of_other_content_goes_to_the_version_store_as_it_is(london: Side, dublin: Side) -> None:
    file, there = made(london, "f"), dublin.tree / "f"
    good(dublin.do("reverse_stub", *arriving(london, dublin, file)))
    made(london, "f", CONTENT[::-1])
    entries = arriving(london, dublin, file)
    assert failure(dublin.do("reverse_stub", *entries)) == (FileState.FAILED, "differs")
    good(dublin.do("reverse_stub", *entries, overwrite=True))
    old = kept(dublin, "f").rename(dublin.tree / "old")
    assert state(dublin, old) is State.STUB
    good(dublin.do("recall", dublin.entry(there)))
    assert there.read_bytes() == CONTENT[::-1]
    good(dublin.do("recall", dublin.entry(old)))
    assert old.read_bytes() == CONTENT


def test_a_stub_is_never_taken_for_the_zeros_that_reading_it_gives(london: Side, dublin: Side) -> None:
    stub(dublin, "f")
    zeros = made(london, "f", bytes(len(CONTENT)))
    (entry,) = arriving(london, dublin, made(london, "zeros", bytes(len(CONTENT))))
    entry = msgspec.structs.replace(entry, path=bytes(dublin.tree / "f"))
    assert failure(dublin.do("reverse_stub", entry, hydrate=True)) == (FileState.FAILED, "differs")
    assert zeros.stat().st_size == len(CONTENT)
    # Nor where it lost its mark, or somebody wrote to it.
    repoint(dublin, dublin.tree / "f", state=StubState.STUB)
    os.removexattr(dublin.tree / "f", "trusted.argosy")
    assert failure(dublin.do("reverse_stub", entry, hydrate=True)) == (FileState.FAILED, "differs")


def test_fail_on_mismatch_fails_what_has_other_attributes_and_changes_nothing(london: Side, dublin: Side) -> None:
    entries = arriving(london, dublin, made(london, "f"))
    there = made(dublin, "f")
    there.chmod(0o600)
    refused = dublin.do("reverse_stub", *entries, fail_on_mismatch=True, overwrite=True)
    assert failure(refused) == (FileState.FAILED, "exists")
    assert there.stat().st_mode & 0o777 == 0o600


# Entries that nobody knows anything of: the bucket alone.


def test_a_bucket_alone_is_turned_into_a_tree_of_stubs(tmp_path: Path) -> None:
    london, dublin = Side(tmp_path, "london"), Side(tmp_path, "dublin")
    for side in (london, dublin):
        side.access = msgspec.structs.replace(side.access, seal=SEAL)
    (london.tree / "sub").mkdir()
    made(london, "sub/f").chmod(0o4750)
    made(london, "sub/large").chmod(0o640)
    os.setxattr(london.tree / "sub/large", "user.large", b"x" * 3000)
    (london.tree / "sub/link").symlink_to("f")
    os.chown(london.tree / "sub/link", 5, 6, follow_symlinks=False)
    (london.tree / "sub").chmod(0o2770)
    names = ["sub", "sub/f", "sub/large", "sub/link"]
    premigrate(london, *(london.tree / name for name in names))
    bare = [Entry(path=bytes(dublin.tree / name)) for name in names]
    outcomes = dublin.do("reverse_stub", *bare)
    assert {outcome.state for outcome in outcomes} == {FileState.PROCESSED}
    assert [outcome.entry.kind for outcome in outcomes] == [Kind.DIRECTORY, Kind.FILE, Kind.FILE, Kind.SYMLINK]
    assert state(dublin, dublin.tree / "sub/f") is State.STUB
    for name in ("sub/f", "sub/large"):
        good(dublin.do("recall", dublin.entry(dublin.tree / name)))
    os.utime(london.tree / "sub", ns=(0, 0))
    os.utime(dublin.tree / "sub", ns=(0, 0))
    assert compare(london.tree / "sub", dublin.tree / "sub") == []
    assert {outcome.state for outcome in dublin.do("reverse_stub", *bare)} <= {FileState.SKIPPED, FileState.PROCESSED}


def test_where_objects_lie_under_uuids_a_bare_path_says_nothing(tmp_path: Path) -> None:
    london = Side(tmp_path, "london", layout="immutable")
    (outcome,) = london.do("reverse_stub", Entry(path=bytes(london.tree / "f")))
    assert (outcome.state, outcome.error) == (FileState.FAILED, "invalid")
    assert "send it from a site that has it" in outcome.reason


def test_what_is_not_in_the_store_is_not_found(london: Side) -> None:
    outcomes = london.do("reverse_stub", Entry(path=bytes(london.tree / "none")))
    assert failure(outcomes) == (FileState.FAILED, "object_gone")
    assert list(london.tree.iterdir()) == []


def test_an_object_of_others_has_the_time_at_which_it_was_written(london: Side) -> None:
    found = store(london).put("projects/sub/f", Bytes(CONTENT), metadata={})
    file = london.tree / "sub" / "f"
    good(london.do("reverse_stub", Entry(path=bytes(file)), default_uid="1234", default_gid="4321"))
    seen = file.stat()
    assert (seen.st_mtime_ns, seen.st_mode & 0o7777) == (found.modified_ns, 0o644)
    assert (seen.st_uid, seen.st_gid, seen.st_size) == (1234, 4321, len(CONTENT))
    assert state(london, file) is State.STUB


# What is believed of metadata.


ROOTS = Attributes(
    mode=0o6755,
    uid=0,
    gid=0,
    user="root",
    group="root",
    mtime_ns=10**18,
    xattrs=(
        (b"security.capability", bytes.fromhex("0100000200040000000000000000000000000000")),
        (b"trusted.evil", b"x"),
        (b"user.argosy", b"forged"),
        (b"user.note", b"kept"),
    ),
)


def put(site: Side, key: str, path: bytes, attributes: Attributes, seal: bytes = b"") -> None:
    """Put an object as somebody does who may write into the store."""
    described, sidecar = metadata.describe(
        uuid=os.urandom(16), digest=Bytes(CONTENT).digest, path=path, kind=Kind.FILE, attributes=attributes, seal=seal
    )
    assert sidecar is None
    store(site).put(key, Bytes(CONTENT), metadata=described)


def test_metadata_that_is_not_sealed_makes_no_name_of_another_file(london: Side) -> None:
    secret = made(london, "secret")
    premigrate(london, secret)
    uuid = pointer(london, secret).uuid  # type: ignore[union-attr]
    described, _ = metadata.describe(
        uuid=uuid, digest=Bytes(CONTENT).digest, path=b"projects/mine", kind=Kind.FILE, attributes=ROOTS, links=2
    )
    store(london).put("projects/mine", Bytes(CONTENT), metadata=described)
    good(london.do("reverse_stub", Entry(path=bytes(london.tree / "mine"))))
    assert secret.stat().st_nlink == 1


@pytest.mark.parametrize("hydrate", [False, True])
@pytest.mark.parametrize("seal", [b"", b"another secret"])
def test_metadata_that_is_not_sealed_grants_nothing(london: Side, seal: bytes, hydrate: bool) -> None:
    london.access = msgspec.structs.replace(london.access, seal=SEAL)
    put(london, "projects/f", b"projects/f", ROOTS, seal)
    put(london, "projects/g", b"projects/g", ROOTS, seal)
    put(london, "projects/users", b"projects/users", msgspec.structs.replace(ROOTS, uid=1234, gid=4321), seal)
    f, g, users = (london.tree / name for name in ("f", "g", "users"))
    good(london.do("reverse_stub", Entry(path=bytes(f)), hydrate=hydrate))
    good(london.do("reverse_stub", Entry(path=bytes(g)), hydrate=hydrate, default_uid="7", default_gid="8"))
    good(london.do("reverse_stub", Entry(path=bytes(users)), hydrate=hydrate, default_uid="7", default_gid="8"))
    owners = [(path.stat().st_uid, path.stat().st_gid) for path in (f, g, users)]
    assert owners == [(65534, 65534), (7, 8), (1234, 4321)]
    for path in (f, g, users):
        assert stat.S_IMODE(path.stat().st_mode) == 0o755
        assert path.stat().st_mtime_ns == 10**18
        assert set(os.listxattr(path)) == {"trusted.argosy", "user.note"}


def test_what_a_datastore_sealed_is_believed_under_its_own_path_only(london: Side) -> None:
    london.access = msgspec.structs.replace(london.access, seal=SEAL)
    file = made(london, "f")
    os.chown(file, 0, 0)
    file.chmod(0o4755)
    premigrate(london, file)
    store(london).copy("projects/f", "projects/planted", etag=store(london).head("projects/f").etag)
    file.unlink()
    planted = london.tree / "planted"
    for path in (file, planted):
        good(london.do("reverse_stub", Entry(path=bytes(path))))
    assert (file.stat().st_uid, stat.S_IMODE(file.stat().st_mode)) == (0, 0o4755)
    assert (planted.stat().st_uid, stat.S_IMODE(planted.stat().st_mode)) == (65534, 0o755)


def test_a_sealed_description_that_was_changed_is_not_believed(london: Side) -> None:
    london.access = msgspec.structs.replace(london.access, seal=SEAL)
    put(london, "projects/f", b"projects/f", msgspec.structs.replace(ROOTS, mode=0o755, xattrs=()), SEAL)
    found = store(london).head("projects/f")
    store(london).put("projects/f", Bytes(CONTENT), metadata={**found.metadata, "mode": "4755"})
    good(london.do("reverse_stub", Entry(path=bytes(london.tree / "f"))))
    assert stat.S_IMODE((london.tree / "f").stat().st_mode) == 0o755
    assert (london.tree / "f").stat().st_uid == 65534


def test_a_seal_covers_what_stands_in_a_sidecar(london: Side) -> None:
    london.access = msgspec.structs.replace(london.access, seal=SEAL)
    file = made(london, "f")
    os.setxattr(file, "user.large", b"x" * 3000)
    file.chmod(0o2755)
    premigrate(london, file)
    assert any(found.key.startswith(".argosy/meta/") for found in store(london).list(""))
    file.unlink()
    good(london.do("reverse_stub", Entry(path=bytes(file))))
    assert stat.S_IMODE(file.stat().st_mode) == 0o2755
    assert os.getxattr(file, "user.large") == b"x" * 3000


# A filesystem whose handles go stale.


@dataclass(frozen=True, slots=True, kw_only=True)
class Stale(Posix):
    """A tree that says ESTALE the first times something is made in it."""

    times: list[int] = field(default_factory=lambda: [2])

    def stage(self, beside: bytes) -> StagedFile:
        with translated(beside):
            if self.times[0]:
                self.times[0] -= 1
                raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        return Posix.stage(self, beside)


@pytest.mark.feature("HUB-STEP-020")
@pytest.mark.parametrize(
    ("retry", "hydrate", "succeeds"),
    [(None, False, False), ("stub", False, True), ("stub", True, False), ("all", False, True), ("all", True, True)],
)
def test_stale_handles_are_tried_again_for_stubs_or_for_all(
    london: Side, dublin: Side, *, retry: str | None, hydrate: bool, succeeds: bool
) -> None:
    entries = arriving(london, dublin, made(london, "f"))
    dublin.serve(Stale(root=dublin.place.trees[0].root, key=dublin.place.trees[0].key))
    report = dublin.report("reverse_stub", *entries, retry_stale=retry, hydrate=hydrate)
    assert (dublin.tree / "f").exists() is succeeds
    assert (report.error == "") is succeeds


def test_a_handle_that_stays_stale_is_not_tried_for_ever(london: Side, dublin: Side) -> None:
    entries = arriving(london, dublin, made(london, "f"))
    tree = Stale(root=dublin.place.trees[0].root, key=dublin.place.trees[0].key, times=[9])
    dublin.serve(tree)
    report = dublin.report("reverse_stub", *entries, retry_stale="all")
    assert "Stale file handle" in report.reason
    assert tree.times == [6]
