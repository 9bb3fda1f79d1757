"""The main job: a tree leaves one site and arrives, whole, at another."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.argosy_up import Argosy, argosy
from tests.servers import SeaweedFS
from tests.trees import compare, nasty_tree


def s3(server: SeaweedFS) -> str:
    return (
        f'type = "S3"\nbucket = "{server.bucket()}"\nendpoint = "{server.endpoint}"\n'
        f'accesskeyid = "{server.accesskeyid}"\nsecretaccesskey = "{server.secretaccesskey}"\n'
    )


@pytest.fixture(scope="module", params=["directory", "SeaweedFS"])
def up(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Argosy]:
    datastore = s3(request.getfixturevalue("seaweedfs")) if request.param == "SeaweedFS" else ""
    with argosy(tmp_path_factory.mktemp("up"), datastore=datastore) as running:
        yield running


def arrive(up: Argosy, name: str, **fields: object) -> dict[str, object]:
    job = up.wait(up.send(up.tree("london") / name, **fields))
    assert job["state"] == "SUCCESS", up.files(job["id"], "failed")[:3]
    return job


@pytest.mark.feature("HUB-WF-047", "HUB-STEP-001", "HUB-WF-029")
def test_a_tree_of_every_nastiness_arrives_whole_and_is_not_sent_twice(up: Argosy) -> None:
    nasty_tree(up.tree("london") / "nasty")
    job = arrive(up, "nasty")
    assert compare(up.tree("london") / "nasty", up.tree("dublin") / "nasty") == []
    up.leaves_nothing()
    total = sum(job[f"num{state}files"] for state in ("processed", "skipped", "failed", "aborted", "cancelled"))
    assert total == job["numfiles"]
    assert job["moved_data"] > 0

    again = arrive(up, "nasty")
    assert (again["numskippedfiles"], again["numprocessedfiles"], again["moved_data"]) == (again["numfiles"], 0, 0)
    assert compare(up.tree("london") / "nasty", up.tree("dublin") / "nasty") == []


NAMES = st.binary(min_size=1, max_size=8).filter(lambda name: not set(b"/\0") & set(name) and name not in {b".", b".."})
CONTENT = st.binary(max_size=200) | st.integers(0, 300_000).map(lambda size: b"\0" * size + b"end")
NODES = st.recursive(
    CONTENT | st.text(min_size=1, max_size=6, alphabet="abc/.").map(lambda target: ("link", target)),
    lambda inner: st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)


def grow(path: bytes, node: object) -> None:
    if isinstance(node, dict):
        os.mkdir(path)
        for name, inner in node.items():
            grow(path + b"/" + name, inner)
    elif isinstance(node, tuple):
        os.symlink(node[1], path)
    else:
        with open(path, "wb") as file:
            file.write(node)  # type: ignore[arg-type]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=st.dictionaries(NAMES, NODES, max_size=4))
def test_any_tree_arrives_whole(up: Argosy, tree: dict[bytes, object]) -> None:
    number = len(list(up.tree("london").iterdir()))
    grow(os.fsencode(up.tree("london") / f"tree-{number}"), tree)
    arrive(up, f"tree-{number}")
    assert compare(up.tree("london") / f"tree-{number}", up.tree("dublin") / f"tree-{number}") == []


@pytest.mark.feature("HUB-WF-045")
def test_premigrated_files_stay_resident(up: Argosy) -> None:
    folder = up.tree("london") / "premigrated"
    folder.mkdir()
    (folder / "a").write_bytes(b"a" * 100_000)
    before = (folder / "a").stat()
    body = {"workflow": "premigrate", "site": "london", "paths": [str(folder)]}
    job = up.wait(up.call("POST", "/file/workflow/", json=body)["job"])
    after = (folder / "a").stat()
    assert (job["state"], job["numprocessedfiles"], job["moved_data"]) == ("SUCCESS", 2, 100_000)
    assert after.st_blocks >= before.st_blocks
    assert after.st_mtime_ns == before.st_mtime_ns
    assert not (up.tree("dublin") / "premigrated").exists()


def test_a_destination_that_differs_is_left_alone_unless_overwrite_is_set(up: Argosy) -> None:
    ours, theirs = up.tree("london") / "differs", up.tree("dublin") / "differs"
    ours.mkdir()
    theirs.mkdir()
    (ours / "f").write_bytes(b"from london")
    (theirs / "f").write_bytes(b"written in dublin")
    job = up.wait(up.send(ours))
    assert job["state"] == "FAILURE"
    assert "exists and differs; use overwrite" in up.files(job["id"], "failed")[0]["reason"]
    assert (theirs / "f").read_bytes() == b"written in dublin"

    arrive(up, "differs", overwrite=True)
    assert (theirs / "f").read_bytes() == b"from london"
    kept = list((up.root("dublin") / ".argosy" / "versions").rglob("differs/f"))
    assert [file.read_bytes() for file in kept] == [b"written in dublin"]


def test_a_changed_file_is_sent_again_and_the_earlier_object_is_kept(up: Argosy) -> None:
    folder = up.tree("london") / "changed"
    folder.mkdir()
    (folder / "f").write_bytes(b"first")
    arrive(up, "changed")
    (folder / "f").write_bytes(b"second, longer")
    failed = up.wait(up.send(folder))
    assert failed["state"] == "FAILURE"
    assert (up.tree("dublin") / "changed" / "f").read_bytes() == b"first"
    arrive(up, "changed", overwrite=True)
    assert (up.tree("dublin") / "changed" / "f").read_bytes() == b"second, longer"


@pytest.mark.parametrize("size", [0, 1, 4096, (8 << 20) + 1, (64 << 20) - 1, (64 << 20) + 1])
def test_files_of_every_size_arrive(up: Argosy, size: int) -> None:
    folder = up.tree("london") / f"size-{size}"
    folder.mkdir()
    (folder / "f").write_bytes(os.urandom(size))
    arrive(up, folder.name)
    assert compare(folder, up.tree("dublin") / folder.name) == []


def test_a_single_file_arrives_in_directories_like_their_nearest_parent(up: Argosy) -> None:
    deep = up.tree("london") / "single" / "deep"
    deep.mkdir(parents=True)
    (deep / "f").write_text("alone")
    os.chmod(up.tree("dublin"), 0o2750)
    arrive(up, "single/deep/f")
    arrived = up.tree("dublin") / "single" / "deep"
    assert (arrived / "f").read_text() == "alone"
    assert arrived.stat().st_mode & 0o777 == 0o750


def test_the_command_line_sends_and_reports(up: Argosy, tmp_path: Path) -> None:
    folder = up.tree("london") / "by-cli"
    folder.mkdir()
    (folder / "f").write_text("x")
    done = up.cli("send", str(folder), "--site", "london", "--to", "dublin", "--hydrate")
    assert done.returncode == 0, done.stderr
    assert (up.tree("dublin") / "by-cli" / "f").read_text() == "x"
    missing = up.cli("send", str(folder / "none"), "--site", "london", "--to", "dublin", "--hydrate")
    assert missing.returncode == 1
    outside = up.cli("send", str(tmp_path), "--site", "london", "--to", "dublin", "--hydrate")
    assert outside.returncode in {1, 2}
    assert str(tmp_path) in outside.stderr
