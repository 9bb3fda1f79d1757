"""What a sync took from names comes back by plan and apply, what the next makes of that; and locks that are left."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.argosy_up import Argosy, until
from tests.flows.test_site_sync import WithFilesets, bidirectional, filesets, run_now, synced, tree
from tests.flows.test_sync_kills import hits


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Argosy]:
    one = WithFilesets(tmp_path_factory.mktemp("up"), site_options="unguarded_stubs = true\nmin_stub_size = 0\n")
    try:
        one.start()
        until(lambda: all(each["state"] == "ok" for each in filesets(one)), what="all filesets are marked")
        yield one
    finally:
        one.kill()


def tops(up: Argosy, name: str) -> tuple[Path, Path]:
    one, two = (up.tree(site) / name for site in up.sites)
    return one, two


def planned(up: Argosy, job: int, *, status: int = 0) -> dict[str, Any]:
    """Return what `argosy undo` says that could be undone."""
    said = up.cli("undo", str(job), "-o", "json")
    assert said.returncode == status, (said.stdout, said.stderr)
    found: dict[str, Any] = json.loads(said.stdout)
    return found


def undone(up: Argosy, job: int) -> None:
    """Undo a sync, all of which can be undone."""
    plan = planned(up, job)["plan"]
    said = up.cli("apply", str(plan))
    assert said.returncode == 0, (said.stdout, said.stderr)


def versions(up: Argosy, site: str, path: Path) -> list[str]:
    """Return what is in the version store of a path."""
    said = up.cli("versions", "list", str(path), "--site", site, "-o", "json")
    return [json.loads(line)["id"] for line in said.stdout.splitlines()]


def test_what_a_one_way_sync_replaced_and_deleted_comes_back_and_the_next_sync_leaves_it(up: Argosy) -> None:
    one, two = tops(up, "first")
    (one / "deep" / "er").mkdir(parents=True)
    (one / "empty").mkdir()
    for name in ("edited", "deleted", "moved", "deep/er/gone"):
        (one / name).write_text(f"{name} at first")
    (one / "link").symlink_to("edited")
    assert synced(up, "first")["state"] == "SUCCESS"
    before = {name: up.tree("dublin").joinpath("first", name).lstat().st_ino for name in ("edited", "deleted")}
    (one / "edited").write_text("edited in london, and longer")
    (one / "deleted").unlink()
    (one / "deep" / "er" / "gone").unlink()
    (one / "deep" / "er").rmdir()
    (one / "empty").rmdir()
    (one / "deep").rename(one / "shallow")
    (one / "link").unlink()
    (one / "link").write_text("a file where a symlink was")
    (one / "moved").rename(one / "elsewhere")
    job = synced(up, "first")
    assert job["state"] == "SUCCESS"
    followed = tree(two)
    said = up.cli("undo", str(job["id"]))
    assert said.returncode == 0, said.stderr
    assert "would come back" in said.stdout
    assert "would take its name again" in said.stdout
    assert tree(two) == followed, "a plan changes nothing"
    undone(up, job["id"])
    assert {name: (two / name).stat().st_ino for name in before} == before
    assert (two / "shallow" / "er" / "gone").is_file()
    assert (two / "empty").is_dir()
    assert os.readlink(two / "link") == "edited"
    assert (two / "elsewhere").is_file()
    assert tree(one) != tree(two)
    again = planned(up, job["id"])
    assert (again["files"], again["unable"]) == (0, 0)
    given_back = tree(two)
    after = synced(up, "first")
    assert after["state"] in {"SUCCESS", "SKIPPED"}
    assert tree(two) == given_back, "what the destination has by itself is left to it"
    recalled = up.run("recall", two / "edited", site="dublin")
    assert recalled["state"] in {"SUCCESS", "SKIPPED"}
    assert (two / "edited").read_text() == "edited at first"
    (one / "edited").write_text("edited once more")
    assert synced(up, "first")["state"] == "SUCCESS"
    assert (two / "edited").stat().st_size == len("edited once more")


def test_what_was_replaced_is_listed_and_restored_by_argosy_versions(up: Argosy) -> None:
    one, two = tops(up, "refused")
    (one / "plan").write_text("first")
    assert synced(up, "refused")["state"] == "SUCCESS"
    (one / "plan").write_text("second, longer")
    assert synced(up, "refused")["state"] == "SUCCESS"
    (version,) = versions(up, "dublin", two / "plan")
    restored = up.cli(
        "versions", "restore", f"{two / 'plan'}@{version}", "--site", "dublin", "--to", str(two / "plan-before")
    )
    assert restored.returncode == 0, restored.stderr
    assert (two / "plan-before").stat().st_size == len("first")
    assert versions(up, "dublin", two / "plan") == []


def test_an_undone_bidirectional_sync_counts_as_a_change_and_is_carried_over(up: Argosy) -> None:
    one, two = tops(up, "both")
    (one / "edited").write_text("edited at first")
    (one / "deleted").write_text("deleted at first")
    (two / "both").write_text("both at first")
    (one / "kept").write_text("kept at first")
    (one / "touched").write_text("touched at first")
    schedule = bidirectional(up, one)
    assert run_now(up, schedule)["state"] == "SUCCESS"
    (one / "edited").write_text("edited in london")
    (one / "deleted").unlink()
    (two / "both").unlink()
    (one / "kept").write_text("kept, edited in london")
    (one / "touched").write_text("touched in london")
    job = run_now(up, schedule)
    assert job["state"] == "SUCCESS"
    (two / "kept").write_text("kept, and edited in dublin since")
    os.chmod(two / "touched", 0o600)
    plan = planned(up, job["id"], status=3)
    assert (plan["files"], plan["unable"]) == (3, 2)
    assert {step["site"] for step in plan["steps"]} >= {"london", "dublin"}
    applied = up.cli("apply", str(plan["plan"]))
    assert applied.returncode == 0, applied.stdout + applied.stderr
    assert (two / "edited").read_text() == "edited at first"
    assert (two / "deleted").read_text() == "deleted at first"
    assert (one / "both").read_text() == "both at first"
    assert (two / "kept").read_text() == "kept, and edited in dublin since"
    assert run_now(up, schedule)["state"] == "SUCCESS"
    assert tree(one) == tree(two)
    assert {path.name: path.read_text() for path in one.iterdir() if path.is_file()} == {
        "edited": "edited at first",
        "deleted": "deleted at first",
        "both": "both at first",
        "kept": "kept, and edited in dublin since",
        "touched": "touched in london",
    }
    assert run_now(up, schedule)["state"] == "SKIPPED"
    assert len(versions(up, "dublin", two / "edited")) == 1, "what an undo replaces is kept as well"


def test_an_undo_that_is_killed_is_done_again_and_skips_what_was_done(up: Argosy) -> None:
    one, two = tops(up, "first")
    for name in "abc":
        (one / name).write_text(f"{name} at first")
    assert synced(up, "first")["state"] == "SUCCESS"
    for name in "abc":
        (one / name).write_text(f"{name} changed in london")
    job = synced(up, "first")
    inodes = {name: (two / name).stat().st_ino for name in "abc"}
    plan = planned(up, job["id"])
    up.kill()
    points = hits(up)
    up.env = {"ARGOSY_FAILPOINTS": "hsm:publish=kill#2", "ARGOSY_FAILPOINTS_DIR": str(points)}
    up.start()
    up.call("POST", f"/jobs/{plan['plan']}/apply/")
    until((points / "hsm:publish.hit").exists, what="it was hit")
    up.kill()
    up.env = {}
    up.start()
    again = planned(up, job["id"])
    assert again["unable"] == 0
    assert again["files"] + again["untouched"] == 3
    if again["files"]:
        assert up.cli("apply", str(again["plan"])).returncode == 0
    assert {(two / name).stat().st_size for name in "abc"} == {len("a at first")}
    for name in "abc":
        (version,) = versions(up, "dublin", two / name)
        kept = up.root("dublin") / ".argosy" / "versions" / version / (two / name).relative_to(up.root("dublin"))
        assert kept.stat().st_ino == inodes[name], "what the sync had brought is kept"


def test_what_went_from_one_of_two_names_comes_back_as_it_was_whatever_was_written_under_the_other(up: Argosy) -> None:
    one, two = tops(up, "drifting")
    for name in ("removed", "saved"):
        (one / name).write_text("original content")
        os.link(one / name, one / f"{name}, too")
    (one / "gone since").write_text("original content")
    schedule = bidirectional(up, one)
    assert run_now(up, schedule)["state"] == "SUCCESS"
    (one / "removed").unlink()
    (one / "saved").unlink()
    (one / "saved").write_text("saved anew in london")
    (one / "gone since").write_text("edited in london")
    job = run_now(up, schedule)
    assert job["state"] == "SUCCESS"
    assert run_now(up, schedule)["state"] == "SKIPPED"
    for name in ("removed", "saved"):
        with (two / f"{name}, too").open("r+b", buffering=0) as file:
            file.write(b"OVERWRIT")
    (two / "gone since").unlink()
    said = up.cli("undo", str(job["id"]))
    assert said.returncode == 3, said.stderr
    assert "1 entry  the file was removed meanwhile" in said.stdout
    plan = planned(up, job["id"], status=3)
    assert (plan["files"], plan["unable"]) == (2, 1)
    applied = up.cli("apply", str(plan["plan"]))
    assert applied.returncode == 0, applied.stdout + applied.stderr
    for name in ("removed", "saved"):
        assert (two / name).read_text() == "original content"
        assert (two / f"{name}, too").read_text() == "OVERWRIT content"
    assert run_now(up, schedule)["state"] == "SUCCESS"
    assert tree(one) == tree(two)


def test_a_lock_that_nobody_holds_any_more_is_released_and_the_sync_goes_on(up: Argosy) -> None:
    one, _ = tops(up, "refused")
    (london,) = [each for each in filesets(up) if each["site"] == "london" and each["name"] == "refused"]
    assert "Nothing is locked" in up.cli("sync", "unlock", "refused").stdout
    lock = up.root("london") / ".rotate" / f"snapdiff.name.refused.id.{london['number']}.lock"
    lock.write_text("0f9619ff-8b86-d011-b42d-00c04fc964ff\n")
    (one / "new").write_text("new")
    failed = synced(up, "refused")
    assert failed["state"] == "FAILURE"
    assert "`argosy sync unlock refused`" in up.call("GET", f"/syncs/{failed['id']}/")["reason"]
    until(lambda: any(each["locked"] for each in filesets(up)), what="the site tells of the lock")
    released = up.cli("sync", "unlock", "refused", "--site", "london")
    assert (released.returncode, released.stdout) == (0, "london:refused is unlocked\n"), released.stderr
    assert not lock.exists()
    assert synced(up, "refused")["state"] == "SUCCESS"


def test_what_was_given_back_of_a_sync_that_was_broken_off_is_said_to_go_again(up: Argosy) -> None:
    one, two = tops(up, "refused")
    (one / "wanted").write_text("wanted")
    assert synced(up, "refused")["state"] == "SUCCESS"
    (one / "wanted").unlink()
    up.kill()
    points = hits(up)
    up.env = {"ARGOSY_FAILPOINTS": "sync:after_apply=pause", "ARGOSY_FAILPOINTS_DIR": str(points)}
    up.start()
    sent = {
        "site": "london", "workflow": "site_sync", "paths": [str(one)], "fields": {"destinationsite": "dublin"},
    }  # fmt: skip
    job = up.call("POST", "/file/workflow/", json=sent)["job"]
    until((points / "sync:after_apply.hit").exists, what="it was applied")
    up.call("POST", f"/jobs/{job}/cancel/")
    up.kill()
    up.env = {}
    up.start()
    until(lambda: up.call("GET", f"/syncs/{job}/")["state"] == "CANCELLED", what="the sync is over")
    until(lambda: up.cli("undo", str(job)).returncode == 0, what="its agents are done with it")
    assert not (two / "wanted").exists()
    said = up.cli("undo", str(job))
    assert "the next sync does the same again" in said.stderr
    undone(up, job)
    assert (two / "wanted").is_file()
    again = synced(up, "refused")
    assert again["state"] == "SUCCESS"
    assert not (two / "wanted").exists()
    undone(up, again["id"])
    assert synced(up, "refused")["state"] in {"SUCCESS", "SKIPPED"}
    assert (two / "wanted").is_file()
