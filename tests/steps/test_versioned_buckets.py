"""Objects that a bucket with versions keeps behind what was put there, or deleted, later."""

import os
from pathlib import Path

import pytest

from argosy.hsm.file.state import State
from argosy.stores.s3 import S3Store
from tests.servers import SeaweedFS
from tests.sites import Side, carried
from tests.steps.stubs import CONTENT, copy, good, made, recall, state, stub
from tests.steps.test_premigrate import use


@pytest.fixture
def bucket(seaweedfs: SeaweedFS) -> S3Store:
    name = seaweedfs.bucket()
    seaweedfs.client().put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return S3Store(**seaweedfs.settings(name))


@pytest.fixture
def london(tmp_path: Path, bucket: S3Store) -> Side:
    side = Side(tmp_path, "london")
    use(side, bucket)
    return side


def test_what_was_deleted_by_others_is_where_the_bucket_keeps_it(london: Side, tmp_path: Path, bucket: S3Store) -> None:
    file = stub(london, "f")
    twin = copy(stub(london, "g"), london.tree / "twin", "--sparse=always")
    told = london.do("migrate", london.entry(file))
    for key in ("projects/f", "projects/g"):
        bucket.delete(key)
    good(london.do("verify", london.entry(file)))
    dublin = Side(tmp_path, "dublin")
    use(dublin, bucket)
    good(dublin.do("reverse_stub", *carried(told, london, dublin)))
    assert recall(dublin, dublin.tree / "f") == CONTENT
    good(london.do("recall", london.entry(file), fail_on_mismatch=True))
    good(london.do("adopt", london.entry(twin)))
    assert (state(london, twin), recall(london, twin)) == (State.STUB, CONTENT)


def test_what_others_put_there_later_says_nothing_of_what_was_there_before(london: Side) -> None:
    file = stub(london, "a")
    renamed = file.rename(london.tree / "b")
    later = made(london, "a", CONTENT[::-1])
    os.chmod(later, 0o604)
    good(london.do("migrate", london.entry(later), overwrite=True))
    before = renamed.stat()
    (outcome,) = london.do("ngenea_sync_metadata", london.entry(renamed), skip_hash=True)
    assert outcome.state.goes_on
    assert (renamed.stat().st_mode, renamed.stat().st_mtime_ns) == (before.st_mode, before.st_mtime_ns)
    good(london.do("recall", london.entry(renamed), fail_on_mismatch=True))
    assert renamed.read_bytes() == CONTENT
