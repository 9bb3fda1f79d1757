"""Syncs of filesets in a whole Argosy."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.argosy_up import Argosy, until
from tests.servers import SeaweedFS

FILESETS = ("first", "refused", "both", "drifting")


class WithFilesets(Argosy):
    """An Argosy of two sites with filesets of the same names."""

    def write_config(self) -> None:
        super().write_config()
        parts = self.config.read_text().split("[[sites]]")
        told = [parts[0]]
        for site, part in zip(self.sites, parts[1:], strict=True):
            first, then = part.split("[[sites.links]]", 1)
            tops = [self.tree(site) / name for name in FILESETS]
            for top in tops:
                top.mkdir(exist_ok=True)
            filesets = "".join(f'[[sites.filesets]]\nname = "{top.name}"\npath = "{top}"\n' for top in tops)
            told.append(f"{first}{filesets}[[sites.links]]{then}")
        self.config.write_text("[[sites]]".join(told))


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory, seaweedfs: SeaweedFS) -> Iterator[Argosy]:
    settings = "".join(f'{name} = "{value}"\n' for name, value in seaweedfs.settings(seaweedfs.bucket()).items())
    one = WithFilesets(
        tmp_path_factory.mktemp("up"),
        datastore=f'type = "S3"\n{settings}',
        site_options="unguarded_stubs = true\nmin_stub_size = 0\n",
    )
    try:
        one.start()
        until(lambda: all(each["state"] == "ok" for each in filesets(one)), what="all filesets are marked")
        yield one
    finally:
        one.kill()


def filesets(up: Argosy) -> list[dict[str, Any]]:
    return list(up.call("GET", "/filesets/")["results"])


def synced(up: Argosy, name: str, **fields: Any) -> dict[str, Any]:
    """Sync london's fileset to dublin; return the job when it has ended."""
    return up.run("site_sync", up.tree("london") / name, destinationsite="dublin", **fields)


def tree(top: Path) -> dict[str, Any]:
    """Return what lies there: contents, targets, modes and times."""
    found: dict[str, Any] = {}
    for path in sorted(top.rglob("*")):
        name = str(path.relative_to(top))
        if name.split("/", maxsplit=1)[0] in {".argosy", ".rotate"}:
            continue
        stat = path.lstat()
        if path.is_symlink():
            found[name] = ("link", os.readlink(path))
        elif path.is_dir():
            found[name] = ("directory", stat.st_mode)
        else:
            found[name] = ("file", stat.st_mode, stat.st_size, stat.st_mtime_ns)
    return found


def saved(path: Path, text: str) -> None:
    """Write a file as editors do, by another that takes its name: what was there may be a stub."""
    path.with_name("being saved").write_text(text)
    path.with_name("being saved").rename(path)


def went_well(up: Argosy, job: dict[str, Any]) -> None:
    """Assert that all of it was done."""
    bad = [file for state in ("failed", "aborted") for file in up.files(job["id"], state)]
    reasons = [task["reason"] for task in up.tasks(job["id"]) if task.get("reason")]
    said = json.dumps([up.call("GET", f"/syncs/{job['id']}/"), reasons, bad])
    assert job["state"] == "SUCCESS", said
    assert not bad, said


@pytest.mark.feature("HUB-SYNC-029", "HUB-SYNC-033")
def test_a_site_sync_makes_the_other_site_equal_and_a_second_one_has_nothing_to_do(up: Argosy) -> None:
    here, there = (up.tree(site) / "first" for site in up.sites)
    (here / "deep" / "er").mkdir(parents=True)
    (here / "empty").mkdir()
    (here / "deep" / "er" / "file").write_bytes(os.urandom(100_000))
    (here / "small").write_text("small")
    (here / "of 2446").write_text("far")
    os.utime(here / "of 2446", (15_000_000_000, 15_000_000_000))
    (here / "link").symlink_to("deep/er")
    job = synced(up, "first")
    went_well(up, job)
    assert (there / "of 2446").stat().st_mtime_ns == 2**63 - 1
    os.utime(here / "of 2446", ns=(0, 2**63 - 1))  # which is no change: it is told as the same
    assert tree(there) == tree(here)
    steps = {task["tasktype"].rpartition(".")[2] for task in up.tasks(job["id"])}
    assert steps == {"check_sync_state", "snapdiff", "migrate", "reverse_stub", "rotate_snapshot"}
    again = synced(up, "first")
    assert again["state"] == "SKIPPED"
    assert "The other site has all of it already" in up.cli("job", "show", str(again["id"])).stdout
    (here / "deep").rename(here / "shallow")
    (here / "small").write_text("larger than before")
    (here / "link").unlink()
    job = synced(up, "first")
    went_well(up, job)
    done = {(Path(file["path"]).name, file["step"].rpartition(".")[2]) for file in up.files(job["id"], "processed")}
    assert done == {
        ("link", "delete_paths_from_gpfs"),
        ("shallow", "move_paths_on_gpfs"),
        ("small", "reverse_stub"),
    }
    assert tree(there) == tree(here)
    again = synced(up, "first")
    assert again["state"] == "SKIPPED"


def test_what_is_left_to_the_destination_is_told_as_skipped_each_time_and_is_no_work(up: Argosy) -> None:
    here, there = (up.tree(site) / "drifting" for site in up.sites)
    for name in ("theirs", "kept", "alone"):
        (here / name).write_text(name)
    went_well(up, synced(up, "drifting"))
    for time, top in ((10**18, here), (2 * 10**18, there)):
        saved(top / "theirs", f"changed in {top.parent.parent.name}")
        os.utime(top / "theirs", ns=(time, time))
    (here / "kept").unlink()
    saved(there / "kept", "deleted in london, and changed here")
    saved(there / "alone", "changed in dublin alone")
    (there / "own").write_text("made in dublin")
    before = tree(there)
    for _ in range(2):
        job = synced(up, "drifting")
        assert job["state"] == "SKIPPED", json.dumps(
            [
                up.call("GET", f"/syncs/{job['id']}/"),
                *(up.files(job["id"], each) for each in ("processed", "skipped", "aborted")),
            ]
        )
        assert job["numfiles"] == job["numskippedfiles"] == 2
        skipped = {file["path"] for file in up.files(job["id"], "skipped")}
        assert skipped == {str(there / name) for name in ("theirs", "kept")}
        said = up.cli("explain", str(job["id"])).stdout
        assert "had nothing to do: 2 files were left alone" in said
    assert tree(there) == before
    (here / "more").write_text("more")
    assert synced(up, "drifting")["state"] == "SUCCESS"


@pytest.mark.feature("HUB-SYNC-044", "HUB-SYNC-048")
def test_a_bidirectional_sync_makes_both_sites_equal_and_keeps_what_lost(up: Argosy) -> None:
    one, two = (up.tree(site) / "both" for site in up.sites)
    (one / "here").write_text("made in london")
    (two / "there").write_text("made in dublin")
    for top in (one, two):
        (top / "same").write_text("the same at both")
        os.utime(top / "same", ns=(1, 1))
    schedule = bidirectional(up, one)
    job = run_now(up, schedule)
    went_well(up, job)
    arriving = {task["site"] for task in up.tasks(job["id"]) if task["tasktype"] == "dynamo.tasks.reverse_stub"}
    assert arriving == {"london", "dublin"}, "the tasks of both directions are in one job"
    assert tree(one) == tree(two)
    assert run_now(up, schedule)["state"] == "SKIPPED"
    (one / "here").write_text("changed in london")
    (two / "here").write_text("changed in dublin, and later")
    os.utime(one / "here", ns=(10**18, 10**18))
    (two / "there").unlink()
    (one / "same").rename(one / "moved")
    job = run_now(up, schedule)
    went_well(up, job)
    assert tree(one) == tree(two)
    held = [path.read_text() for path in (one / "here", *one.glob("here.conflict-london-*"))]
    assert held == ["changed in dublin, and later", "changed in london"]
    assert not (one / "there").exists()
    alike = run_now(up, schedule)
    assert alike["state"] == "SKIPPED"
    assert "Both sides are alike" in up.cli("explain", str(alike["id"])).stdout
    for path in one.iterdir():
        if path.is_file():
            path.unlink()
    refused = run_now(up, schedule)
    assert refused["state"] == "FAILURE"
    again = up.cli("job", "resubmit", str(refused["id"]))
    assert "refused the sync" in again.stderr, again.stdout
    confirmed = up.cli("sync", "confirm", str(refused["id"]))
    assert confirmed.returncode == 0, confirmed.stderr
    assert tree(two) == {}


def test_a_sync_that_would_empty_a_site_waits_until_somebody_confirms_it(up: Argosy) -> None:
    here, there = (up.tree(site) / "refused" for site in up.sites)
    for number in range(12):
        (here / f"file{number}").write_text(f"content {number}")
    assert synced(up, "refused")["state"] == "SUCCESS"
    for path in here.iterdir():
        if path.is_file():
            path.unlink()
    refused = up.cli("sync", "run", str(here), "--site", "london", "--to", "dublin")
    assert refused.returncode == 1
    job = int(refused.stdout.split()[1])
    assert "london: 12 of 12 are gone: nothing was changed" in refused.stderr
    assert f"`argosy sync confirm {job}`" in refused.stderr
    assert len(tree(there)) == 12
    assert "REFUSED" in up.cli("sync", "status", str(job)).stdout
    for command in (("explain",), ("job", "show"), ("job", "watch")):
        shown = up.cli(*command, str(job))
        assert "london: 12 of 12 are gone" in shown.stdout + shown.stderr, command
    confirmed = up.cli("sync", "confirm", str(job))
    assert confirmed.returncode == 0, confirmed.stderr
    assert "12 entries processed" in confirmed.stdout
    assert tree(there) == {}
    again = up.cli("sync", "confirm", str(job))
    assert again.returncode != 0
    assert "confirmed already" in again.stderr


def test_what_is_gone_by_the_time_that_less_was_confirmed_is_asked_about_again(up: Argosy) -> None:
    here, there = (up.tree(site) / "refused" for site in up.sites)
    for number in range(12):
        (here / f"file{number}").write_text(f"content {number}")
    assert synced(up, "refused")["state"] == "SUCCESS"
    for number in range(11):
        (here / f"file{number}").unlink()
    refused = up.cli("sync", "run", str(here), "--site", "london", "--to", "dublin")
    assert "london: 11 of 12 are gone: nothing was changed" in refused.stderr
    (here / "file11").unlink()
    more = up.cli("sync", "confirm", refused.stdout.split()[1])
    assert more.returncode == 1
    assert "nothing is left at the top, of 12 that were there (nobody confirmed that)" in more.stderr
    assert "london: 12 of 12 are gone (11 were confirmed): nothing was changed" in more.stderr
    assert len(tree(there)) == 12
    assert up.cli("sync", "confirm", more.stdout.split()[1]).returncode == 0
    assert tree(there) == {}


def bidirectional(up: Argosy, top: Path) -> int:
    values = {
        "name": f"both ways {top.name}",
        "site": "london",
        "discovery": "bidirectional_snapdiff",
        "managed_paths": [{"path": str(top)}],
        "enabled": False,
    }
    schedule = int(up.call("POST", "/schedules/", json=values)["id"])
    subscription = {
        "site": "london",
        "workflow": "bidirectional_sync",
        "fields": {"destinationsite": "dublin", "hydrate": True},
    }
    up.call("POST", f"/schedules/{schedule}/workflows/", json=subscription)
    return schedule


def run_now(up: Argosy, schedule: int) -> dict[str, Any]:
    begun = up.call("POST", f"/schedules/{schedule}/run/")
    return up.wait(begun["jobs"][0] if "jobs" in begun else begun["id"])
