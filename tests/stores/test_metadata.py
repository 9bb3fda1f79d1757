import re
import subprocess
import sys
import uuid
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from argosy.core.entry import Attributes, Kind
from argosy.core.errors import Corrupt, Unsupported
from argosy.stores import metadata
from argosy.stores.metadata import Described
from argosy.stores.s3 import S3Store
from tests.contracts.store import Bytes
from tests.servers import SeaweedFS

attributes = st.builds(
    Attributes,
    mode=st.integers(0, 0o177777),
    uid=st.integers(0, 2**32 - 1),
    gid=st.integers(0, 2**32 - 1),
    user=st.text(max_size=20),
    group=st.text(max_size=20),
    mtime_ns=st.integers(-(2**63), 2**63 - 1),
    xattrs=st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=600)), max_size=5).map(tuple),
)
digests = st.binary(min_size=32, max_size=32)
common = {
    "uuid": st.binary(min_size=16, max_size=16),
    "path": st.binary(min_size=1, max_size=1200),
    "attributes": attributes,
    "links": st.integers(1, 2**31),
    "target": st.none() | st.binary(max_size=300),
}
files = st.builds(Described, kind=st.just(Kind.FILE), digest=digests, **common)
others = st.builds(
    Described, kind=st.sampled_from([Kind.DIRECTORY, Kind.SYMLINK]), digest=digests | st.just(b""), **common
)
things = files | others
PLAIN = Described(
    uuid=uuid.UUID(int=7).bytes,
    digest=bytes(range(32)),
    path=b"projects/a \xff\n",
    kind=Kind.FILE,
    attributes=Attributes(mode=0o100640, uid=1000, gid=100, user="ada", mtime_ns=1_700_000_000_123_456_789),
)


def written(thing: Described):
    return metadata.describe(**msgspec.structs.asdict(thing))


@given(things)
def test_an_entry_comes_back_from_its_metadata(thing: Described) -> None:
    assert metadata.described(*written(thing)) == thing


@given(things)
def test_metadata_fits_any_store(thing: Described) -> None:
    described, _ = written(thing)
    assert sum(len(name) + len(value) for name, value in described.items()) < 2048
    assert all(re.fullmatch("[a-z0-9]+", name) for name in described)
    assert all(value.isascii() and value.isprintable() for value in described.values())


@given(things)
def test_a_sidecar_is_announced_where_there_is_one(thing: Described) -> None:
    described, sidecar = written(thing)
    assert metadata.sidecar_of(described) == (thing.uuid if sidecar else None)
    assert metadata.uuid_of(described) == thing.uuid


def test_a_plain_file_needs_no_sidecar() -> None:
    assert written(PLAIN)[1] is None


@given(files, st.data())
def test_metadata_that_lost_a_part_is_refused(thing: Described, data: st.DataObject) -> None:
    described, sidecar = written(thing)
    lost = data.draw(st.sampled_from(sorted(set(described) - {"argosyv"})))
    rest = {name: value for name, value in described.items() if name != lost}
    if "argosysidecar" in described and lost != "argosysidecar":
        return  # the document has all of it once more
    with pytest.raises(Corrupt):
        metadata.described(rest, sidecar)


@given(files, st.data())
def test_metadata_that_was_cut_is_refused(thing: Described, data: st.DataObject) -> None:
    described, sidecar = written(thing)
    name = data.draw(st.sampled_from(["argosyuuid", "argosyhash", "argosykind", "argosymore", "argosysidecar"]))
    value = described.get(name, "")
    cut = {**described, name: value[: data.draw(st.integers(0, max(0, len(value) - 1)))]}
    if cut == described:
        return
    if "argosysidecar" in described and name != "argosysidecar":
        return
    with pytest.raises(Corrupt):
        metadata.described(cut, sidecar)


@given(st.binary(max_size=200))
def test_a_sidecar_that_is_another_is_refused(other: bytes) -> None:
    described, sidecar = written(msgspec.structs.replace(PLAIN, target=b"t" * 4000))
    assert sidecar is not None
    for wrong in (other, sidecar[:-1], None):
        with pytest.raises(Corrupt, match="sidecar"):
            metadata.described(described, wrong)


@given(st.dictionaries(st.sampled_from(["argosyuuid", "mtime", "mode", "other"]), st.text(max_size=20)))
def test_foreign_metadata_says_nothing(foreign: dict[str, str]) -> None:
    assert metadata.described(foreign, None) is None


@given(st.dictionaries(st.sampled_from(sorted(written(PLAIN)[0])), st.text(max_size=20)))
def test_broken_metadata_is_never_taken_for_an_entry(broken: dict[str, str]) -> None:
    mixed = {**written(PLAIN)[0], **broken, "argosymore": "!"}
    with pytest.raises((Corrupt, Unsupported)):
        metadata.described(mixed, None)


def test_metadata_of_a_newer_argosy_is_refused() -> None:
    with pytest.raises(Unsupported, match="version 2"):
        metadata.described({**written(PLAIN)[0], "argosyv": "2"}, None)


def test_rclone_restores_the_modification_time(seaweedfs: SeaweedFS, tmp_path: Path) -> None:
    bucket = seaweedfs.bucket()
    described, _ = written(PLAIN)
    S3Store(**seaweedfs.settings(bucket)).put("a", Bytes(b"x"), metadata=described)
    remote = (
        f":s3,provider=SeaweedFS,endpoint='{seaweedfs.endpoint}',access_key_id={seaweedfs.accesskeyid},"
        f"secret_access_key={seaweedfs.secretaccesskey}:{bucket}"
    )
    rclone = Path(sys.executable).parent / "rclone"
    subprocess.run([rclone, "--config", "", "copy", "--metadata", remote, tmp_path], check=True, capture_output=True)
    found = (tmp_path / "a").stat()
    assert found.st_mtime_ns == PLAIN.attributes.mtime_ns
    assert (found.st_mode & 0o7777, found.st_uid, found.st_gid) == (0o640, 1000, 100)


SEAL = b"a secret of the datastore's"


@given(things)
def test_what_was_described_under_a_secret_is_told_by_it_and_by_no_other(thing: Described) -> None:
    described, sidecar = metadata.describe(**msgspec.structs.asdict(thing), seal=SEAL)
    read = metadata.described(described, sidecar)
    assert read == thing
    assert metadata.is_sealed(described, read, SEAL)
    assert not metadata.is_sealed(described, read, b"another")
    assert not metadata.is_sealed(described, read, b"")
    assert not metadata.is_sealed(written(thing)[0], read, SEAL)
    assert sum(11 + len(name) + len(value) for name, value in described.items()) <= metadata.LIMIT


@pytest.mark.parametrize(
    "other",
    [
        {"uuid": bytes(16)},
        {"digest": bytes(32)},
        {"path": b"elsewhere"},
        {"kind": Kind.SYMLINK},
        {"links": 2},
        {"target": b"there"},
        *(
            {"attributes": msgspec.structs.replace(PLAIN.attributes, **field)}
            for field in (
                {"mode": 0o104755},
                {"uid": 0},
                {"gid": 0},
                {"user": "root"},
                {"group": "root"},
                {"mtime_ns": 0},
                {"xattrs": ((b"user.a", b"b"),)},
            )
        ),
    ],
)
def test_a_seal_covers_all_that_is_described(other: dict[str, object]) -> None:
    described, _ = metadata.describe(**msgspec.structs.asdict(PLAIN), seal=SEAL)
    assert not metadata.is_sealed(described, msgspec.structs.replace(PLAIN, **other), SEAL)
