"""Killed at each named point of the two verbs, Argosy ends where it would have ended: nothing lost, nothing left."""

import os
from pathlib import Path

import pytest

from tests.argosy_up import Argosy, until
from tests.servers import SeaweedFS
from tests.trees import compare

PREMIGRATE = ["hash", "sidecar", "put", "verify", "recheck", "xattr"]
HYDRATE = ["stage", "partial_write", "fetch", "hash_check", "unmark", "publish"]
OVERWRITE = ["preserve", "trash"]


def killed_at(up: Argosy, point: str, points: Path) -> None:
    """Wait until the agents died at the point, then end everything and switch the point off."""
    until((points / f"hsm:{point}.hit").exists, what=f"hsm:{point} was hit")
    up.kill()
    up.env = {}
    up.start()


def grow(up: Argosy, version: bytes) -> Path:
    folder = up.tree("london") / "folder"
    folder.mkdir(exist_ok=True)
    for name in ("one", "two", "three"):
        (folder / name).write_bytes(name.encode() + version * 1000)
        os.setxattr(folder / name, "user.large", b"x" * 2500)
    if not (folder / "twin").exists():
        os.link(folder / "one", folder / "twin")
    return folder


@pytest.mark.parametrize("point", PREMIGRATE + HYDRATE + OVERWRITE)
def test_a_send_killed_at_a_point_arrives_whole(tmp_path: Path, point: str) -> None:
    points = tmp_path / "points"
    points.mkdir()
    up = Argosy(tmp_path)
    try:
        if point in OVERWRITE:
            up.start()
            assert up.wait(up.send(grow(up, b"old")))["state"] == "SUCCESS"
            up.kill()
        up.env = {"ARGOSY_FAILPOINTS": f"hsm:{point}=kill#1", "ARGOSY_FAILPOINTS_DIR": str(points)}
        up.start()
        folder = grow(up, b"new")
        job = up.send(folder, overwrite=point in OVERWRITE)
        killed_at(up, point, points)
        ended = up.wait(job)
        assert ended["state"] == "SUCCESS", up.files(job, "failed")
        assert ended["numprocessedfiles"] + ended["numskippedfiles"] == ended["numfiles"] == 5
        assert compare(folder, up.tree("dublin") / "folder") == []
        up.leaves_nothing()
        if point in OVERWRITE:
            versions = up.root("dublin") / ".argosy" / "versions"
            kept = {file.read_bytes() for file in versions.rglob("*") if file.is_file()}
            assert {name + b"old" * 1000 for name in (b"one", b"two", b"three")} <= kept
    finally:
        up.kill()


def test_an_upload_in_parts_killed_between_two_arrives_whole(tmp_path: Path, seaweedfs: SeaweedFS) -> None:
    points = tmp_path / "points"
    points.mkdir()
    bucket = seaweedfs.bucket()
    settings = "".join(f'{name} = "{value}"\n' for name, value in seaweedfs.settings(bucket).items())
    up = Argosy(tmp_path, datastore=f'type = "S3"\n{settings}')
    up.env = {"ARGOSY_FAILPOINTS": "hsm:part=kill#2", "ARGOSY_FAILPOINTS_DIR": str(points)}
    try:
        up.start()
        file = up.tree("london") / "large"
        file.write_bytes(os.urandom(1 << 20) * 80)
        job = up.send(file)
        killed_at(up, "part", points)
        assert up.wait(job)["state"] == "SUCCESS"
        assert (up.tree("dublin") / "large").read_bytes() == file.read_bytes()
    finally:
        up.kill()
