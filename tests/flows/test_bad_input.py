"""Bad input ends in a clear message on file, task or call; nothing is lost, nothing half done is visible."""

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from argosy.linux.rename import exchange
from tests.argosy_up import Argosy, argosy, until
from tests.loop import LoopMount
from tests.servers import SeaweedFS


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Argosy]:
    with argosy(tmp_path_factory.mktemp("up")) as running:
        yield running


def refused(up: Argosy, **changes: object) -> str:
    """Return why a submission was refused with 400."""
    body = {
        "workflow": "send",
        "site": "london",
        "paths": [str(up.tree("london"))],
        "fields": {"destinationsite": "dublin", "hydrate": True},
    }
    answer = up.call("POST", "/file/workflow/", json=body | changes, ok=False)
    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    return answer.text


def test_a_path_outside_the_roots_is_refused(up: Argosy, tmp_path: Path) -> None:
    reason = refused(up, paths=[str(tmp_path)])
    assert str(tmp_path) in reason
    assert str(up.root("london")) in reason


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"site": "atlantis"}, "atlantis"),
        ({"workflow": "teleport"}, "teleport"),
        ({"fields": {"destinationsite": "atlantis", "hydrate": True}}, "atlantis"),
        ({"fields": {"hydrate": True}}, "destinationsite"),
        ({"fields": {"destinationsite": "dublin", "hydrate": True, "speed": 9}}, "speed"),
        ({"paths": []}, "paths"),
        ({"paths": ["relative"]}, "relative"),
        ({"paths": ["/srv/../etc"]}, "srv"),
        ({"paths": 7}, "paths"),
        ({"discovery": "clairvoyant"}, "clairvoyant"),
    ],
)
def test_a_submission_that_cannot_work_is_refused_by_name(up: Argosy, changes: dict[str, object], named: str) -> None:
    assert named in refused(up, **changes)


def test_the_destination_may_be_spelled_in_three_ways(up: Argosy) -> None:
    (up.tree("london") / "spelled").mkdir(exist_ok=True)
    for spelling in ("destinationsite", "destination", "destination site"):
        body = {"workflow": "send", "site": "london", "paths": [str(up.tree("london") / "spelled")]}
        fields = {spelling: "dublin", "hydrate": True}
        job = up.wait(up.call("POST", "/file/workflow/", json=body | {"fields": fields})["job"])
        assert job["state"] == "SUCCESS"


def test_a_missing_path_fails_its_job_and_says_so(up: Argosy) -> None:
    job = up.wait(up.send(up.tree("london") / "missing"))
    (failed,) = up.files(job["id"], "failed")
    assert (job["state"], failed["path"]) == ("FAILURE", str(up.tree("london") / "missing"))
    assert "no such" in failed["reason"].lower()


def test_a_path_through_a_symlink_that_leads_outside_is_not_followed(up: Argosy, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hush")
    (up.tree("london") / "out").symlink_to(tmp_path)
    job = up.wait(up.send(up.tree("london") / "out" / "secret"))
    (failed,) = up.files(job["id"], "failed")
    assert job["state"] == "FAILURE"
    assert "symlink" in failed["reason"]
    assert not (up.tree("dublin") / "out").exists()
    assert not any(b"hush" in file.read_bytes() for file in (up.directory / "store").rglob("*") if file.is_file())


def test_a_directory_swapped_for_a_symlink_while_the_job_runs_gives_nothing_away(up: Argosy, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    folder = up.tree("london") / "swapped" / "folder"
    folder.mkdir(parents=True)
    for number in range(200):
        (folder / f"{number:03}").write_text("ours")
        (secret / f"{number:03}").write_text("hush")
    os.symlink(secret, folder.parent / "trap")
    parent = os.open(folder.parent, os.O_RDONLY | os.O_DIRECTORY)
    over = threading.Event()

    def swap() -> None:
        while not over.wait(0.001):
            exchange(parent, b"folder", parent, b"trap")

    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        for _ in range(3):
            up.wait(up.send(folder.parent))
    finally:
        over.set()
        swapper.join()
        os.close(parent)
    stored = [file for file in (up.directory / "store").rglob("*") if file.is_file()]
    arrived = [file for file in (up.tree("dublin") / "swapped").rglob("*") if file.is_file() and not file.is_symlink()]
    assert not any(b"hush" in file.read_bytes() for file in stored)
    assert {file.read_text() for file in arrived if "trap" not in file.parts} <= {"ours"}


def test_a_fifo_is_skipped_and_says_why(up: Argosy) -> None:
    folder = up.tree("london") / "special"
    folder.mkdir()
    os.mkfifo(folder / "fifo")
    job = up.wait(up.send(folder))
    (skipped,) = up.files(job["id"], "skipped")
    assert job["state"] == "SUCCESS"
    assert (skipped["path"], skipped["reason"]) == (str(folder / "fifo"), "not a file, directory or symlink")


def test_a_store_that_does_not_answer_is_named_while_the_job_waits_for_it(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    datastore = (
        f'type = "S3"\nbucket = "bkt"\nendpoint = "http://127.0.0.1:{port}"\naccesskeyid = "a"\nsecretaccesskey = "s"\n'
    )
    with argosy(tmp_path, datastore=datastore) as up:
        (up.tree("london") / "f").write_text("x")
        job = up.send(up.tree("london") / "f")

        def told() -> bool:
            return any(f"127.0.0.1:{port}" in task["reason"] for task in up.tasks(job))

        until(told, what="a task names the endpoint")
        up.call("POST", f"/jobs/{job}/cancel/")
        assert up.wait(job)["state"] == "CANCELLED"
        assert not (up.tree("dublin") / "f").exists()


def test_wrong_credentials_fail_the_job_and_say_so(tmp_path: Path, seaweedfs: SeaweedFS) -> None:
    datastore = (
        f'type = "S3"\nbucket = "{seaweedfs.bucket()}"\nendpoint = "{seaweedfs.endpoint}"\n'
        'accesskeyid = "stranger"\nsecretaccesskey = "guessed-secret"\n'
    )
    with argosy(tmp_path, datastore=datastore) as up:
        (up.tree("london") / "f").write_text("x")
        job = up.wait(up.send(up.tree("london") / "f"), seconds=280)
        (failed,) = up.files(job["id"], "failed")
        assert job["state"] == "FAILURE"
        assert "credentials" in failed["reason"]
        assert "guessed-secret" not in up.log.read_text() + str(up.tasks(job["id"])) + failed["reason"]


def test_a_full_disk_fails_the_files_that_do_not_fit_and_shows_none_of_them_half(
    tmp_path: Path, loop_mount: LoopMount
) -> None:
    (tmp_path / "dublin").symlink_to(loop_mount("ext4", size=16 << 20))
    with argosy(tmp_path) as up:
        for number in range(8):
            (up.tree("london") / f"{number}").write_bytes(os.urandom(3 << 20))
        job = up.wait(up.send(up.tree("london")))
        failed = up.files(job["id"], "failed")
        assert job["state"] == "FAILURE"
        assert failed
        assert {file["error"] for file in failed} == {"disk_full"}
        arrived = sorted(file.name for file in up.tree("dublin").iterdir())
        assert len(arrived) + len(failed) == 8
        for name in arrived:
            assert (up.tree("dublin") / name).read_bytes() == (up.tree("london") / name).read_bytes()
        up.leaves_nothing()


@pytest.mark.parametrize("without", ["london", "dublin"])
def test_a_site_without_a_sitelink_is_named_at_submission(tmp_path: Path, without: str) -> None:
    up = Argosy(tmp_path)
    text = up.config.read_text()
    link = text.index("[[sites.links]]", text.index(f'name = "{without}"'))
    end = text.find("[[sites]]", link)
    up.config.write_text(text[:link] + (text[end:] if end > 0 else ""))
    try:
        up.start()
        reason = refused(up)
        assert without in reason
        assert "sitelink" in reason
    finally:
        up.kill()


def test_a_file_that_changes_while_it_is_sent_is_aborted_and_does_not_fail_the_job(tmp_path: Path) -> None:
    pause = {"ARGOSY_FAILPOINTS": "hsm:put=pause", "ARGOSY_FAILPOINTS_DIR": str(tmp_path / "points")}
    (tmp_path / "points").mkdir()
    with argosy(tmp_path, env=pause) as up:
        file = up.tree("london") / "f"
        file.write_text("first")
        job = up.send(file)
        until((tmp_path / "points" / "hsm:put.hit").exists, what="the file is being sent")
        file.write_text("second, longer")
        (tmp_path / "points" / "hsm:put.go").touch()
        ended = up.wait(job)
        (aborted,) = up.files(job, "aborted")
        assert (ended["state"], ended["numabortedfiles"]) == ("SUCCESS", 1)
        assert "changed" in aborted["reason"]
        assert not (up.tree("dublin") / "f").exists()
        again = up.wait(up.send(file))
        assert again["state"] == "SUCCESS"
        assert (up.tree("dublin") / "f").read_text() == "second, longer"
