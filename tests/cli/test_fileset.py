"""`argosy fileset`, against a whole Argosy."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from argosy.cli import checks
from argosy.core.config import FilesetConfig, SiteConfig
from tests.argosy_up import Argosy, argosy
from tests.loop import LoopMount


class Declaring(Argosy):
    """With a fileset of london in the configuration file."""

    def write_config(self) -> None:
        super().write_config()
        top = self.root("london") / "pier"
        top.mkdir(exist_ok=True)
        told = f'[[sites.filesets]]\nname = "pier"\npath = "{top}"\n'
        self.config.write_text(self.config.read_text().replace("[[sites.links]]", told + "[[sites.links]]", 1))


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Argosy]:
    with argosy(tmp_path_factory.mktemp("fileset")) as up:
        yield up


def said(up: Argosy, *words: str, status: int = 0) -> list[dict[str, object]]:
    run = up.cli("fileset", *words, "-o", "json")
    assert run.returncode == status, run.stderr + run.stdout
    return [json.loads(line) for line in run.stdout.splitlines()]


def test_a_fileset_is_added_listed_and_checked_and_adopted_when_somebody_says_so(up: Argosy) -> None:
    top = up.root("london") / "harbour"
    top.mkdir()
    added = up.cli("fileset", "add", "harbour", str(top), "--site", "london")
    assert (added.returncode, added.stdout) == (0, f"Fileset harbour of site london is {top}\n")
    (checked,) = said(up, "check", "harbour")
    assert (checked["state"], checked["path"], checked["site"]) == ("ok", str(top), "london")
    (listed,) = said(up, "list", "--site", "london")
    assert listed["fileset_id"] == checked["fileset_id"]
    assert said(up, "list", "--site", "dublin") == []

    top.rename(top.with_name("old"))
    top.mkdir()
    adopted = said(up, "check", "harbour", "--adopt")
    assert [(one["state"], one["fileset_id"]) for one in adopted] == [("ok", listed["fileset_id"])]


def test_how_much_may_be_gone_before_a_sync_asks_is_set(up: Argosy) -> None:
    top = up.root("london") / "quay"
    top.mkdir()
    assert up.cli("fileset", "add", "quay", str(top), "--site", "london").returncode == 0
    run = up.cli("fileset", "set", "quay", "--mass-change-percent", "80", "--mass-change-count", "1000")
    told = "syncs wait where more than 80 % and 1000 are gone, or all of 2 or more at its top"
    assert (run.returncode, run.stdout) == (0, f"Fileset quay of site london: {told}\n")
    (found,) = said(up, "set", "quay", "--mass-change-top", "5")
    assert [found[f"mass_change_{key}"] for key in ("percent", "count", "top")] == [80, 1000, 5]
    for words in (["set", "quay"], ["set", "nowhere", "--mass-change-top", "5"]):
        assert up.cli("fileset", *words).returncode == 1
    assert up.cli("fileset", "set", "quay", "--mass-change-percent", "101").returncode == 2
    assert "in it is kept 90 days" in up.cli("fileset", "set", "quay", "--trash-days", "90").stdout
    (found,) = said(up, "set", "quay", "--trash-days", "site")
    assert found["trash_days"] is None
    assert "--trash-days: 'long' cannot be" in up.cli("fileset", "set", "quay", "--trash-days", "long").stderr
    assert up.cli("fileset", "remove", "quay").returncode == 0


def test_a_fileset_that_is_not_there_fails_the_check_and_cannot_be_adopted(up: Argosy) -> None:
    top = up.root("dublin") / "none"
    run = up.cli("fileset", "add", "none", str(top), "--site", "dublin", "--snapshots", "index")
    assert (run.returncode, run.stderr) == (0, f"it is not served: {top} is not there: make the directory\n")
    (added,) = said(up, "list", "--site", "dublin")
    assert added["name"] == "none"
    for words in (["check", "none"], ["check", "none", "--site", "dublin", "--adopt"]):
        (found,) = said(up, *words, status=1)
        assert (found["state"], found["reason"]) == ("missing", f"{top} is not there: make the directory")
    listed, checked = said(up, "list"), said(up, "check", status=1)
    assert [each["id"] for each in listed] == [each["id"] for each in checked] == sorted(each["id"] for each in listed)
    run = up.cli("fileset", "check", "--site", "dublin")
    assert (run.returncode, f"dublin:none: {top} is not there: make the directory" in run.stdout) == (1, True)
    assert f"dublin: fileset none: {top} is not there: make the directory" in up.cli("site", "list").stdout
    run = up.cli("fileset", "remove", "none")
    assert (run.returncode, run.stdout) == (0, "Fileset none of site dublin is given up.\n")


def test_snapshots_are_listed_and_removed_and_a_fileset_given_up_says_what_stays(up: Argosy) -> None:
    top = up.root("london") / "dock"
    top.mkdir()
    assert up.cli("fileset", "add", "dock", str(top), "--site", "london").returncode == 0
    assert said(up, "check", "dock")[0]["state"] == "ok"
    none = up.cli("fileset", "snapshots", "dock")
    assert (none.returncode, none.stderr) == (0, "There are no snapshots of it.\n")
    for name in ("one", "two", "three"):
        assert up.cli("fileset", "snapshot", "dock", name).returncode == 0
    listed = said(up, "snapshots", "dock")
    assert [(one["name"], one["rows"], one["last"], one["rotates"]) for one in listed] == [
        (name, 1, False, False) for name in ("one", "two", "three")
    ]
    assert up.cli("fileset", "snapshots", "dock", "--remove", "two").returncode == 0
    assert [one["name"] for one in said(up, "snapshots", "dock")] == ["one", "three"]
    missing = up.cli("fileset", "snapshots", "dock", "--remove", "two")
    assert (missing.returncode, "there is no snapshot two: one, three" in missing.stderr) == (1, True), missing.stderr
    for words in (["--all", "--remove", "one"], ["--last-too"]):
        assert up.cli("fileset", "snapshots", "dock", *words).returncode == 1
    (number,) = [one["number"] for one in said(up, "list") if one["name"] == "dock"]
    last = up.root("london") / f".rotate/ngenea-worker.lastsnap.name.dock.id.{number}"
    last.parent.mkdir(exist_ok=True)
    last.write_text("one")
    kept = up.cli("fileset", "snapshots", "dock", "--remove", "one")
    assert "kept: the last-snap file names it" in kept.stderr
    assert "with --last-too" in kept.stderr
    last.unlink()

    left = up.cli("fileset", "remove", "dock")
    assert left.returncode == 0
    assert "Fileset dock of site london is given up. 2 of its snapshots stay, in .argosy/snapshots/" in left.stdout
    assert "`argosy fileset remove dock --snapshots`" in left.stdout
    assert up.cli("fileset", "add", "dock", str(top), "--site", "london").returncode == 0
    assert said(up, "check", "dock")[0]["state"] == "ok"
    gone = up.cli("fileset", "remove", "dock", "--snapshots")
    assert (gone.returncode, gone.stdout) == (0, "Fileset dock of site london is given up.\n"), gone.stderr
    assert list(up.root("london").glob(".argosy/snapshots/*/*")) == []
    assert "there is no fileset 'dock'" in up.cli("fileset", "remove", "dock").stderr


def test_a_fileset_that_stays_keeps_its_snapshots(tmp_path: Path) -> None:
    up = Declaring(tmp_path)
    up.start()
    try:
        assert up.cli("fileset", "snapshot", "pier", "one").returncode == 0
        refused = up.cli("fileset", "remove", "pier", "--snapshots")
        assert (refused.returncode, refused.stdout) == (1, ""), refused.stderr
        assert f"{up.config} declares fileset pier: remove it there; nothing was done" in refused.stderr
        assert [one["name"] for one in said(up, "snapshots", "pier")] == ["one"]
    finally:
        up.kill()


@pytest.mark.parametrize(
    ("words", "status", "reason"),
    [
        (["check", "atlantis"], 1, "there is no fileset 'atlantis'"),
        (["check", "atlantis", "--site", "london"], 1, "site london has no fileset 'atlantis'"),
        (["check", "--site", "paris", "--adopt"], 1, "one fileset is adopted at a time"),
        (["add", "etc", "/etc", "--site", "london"], 1, "lies below none of the roots"),
        (["add", "etc", "/etc"], 2, "--site"),
        (["add", "etc", "/etc", "--site", "paris"], 1, "unknown site 'paris': known are dublin, london"),
        (["remove", "atlantis"], 1, "there is no fileset 'atlantis'"),
        (["add", "etc", "/etc", "--site", "london", "--snapshots", "zfs"], 2, "zfs"),
    ],
)
def test_what_cannot_be_is_refused(up: Argosy, words: list[str], status: int, reason: str) -> None:
    run = up.cli("fileset", *words)
    assert (run.returncode, reason in run.stderr) == (status, True), run.stderr


def test_doctor_sees_whether_a_fileset_can_be_held_fast(loop_mount: LoopMount) -> None:
    btrfs = loop_mount("btrfs")
    (btrfs / "plain").mkdir()

    def told(path: Path, snapshots: str, root: Path = btrfs) -> str:
        fileset = FilesetConfig(name="f", path=str(path), snapshots=snapshots)  # type: ignore[arg-type]
        site = SiteConfig(name="london", roots=(str(root),), filesets=(fileset,))
        (found,) = (one for one in checks.site(site) if "fileset f" in one.subject)
        return f"{found.level} {found.found}"

    assert told(btrfs, "btrfs") == f"ok {btrfs} is there, on btrfs"
    assert told(btrfs / "plain", "btrfs").startswith("fail")
    assert told(btrfs / "plain", "index").startswith("ok")
    subprocess.run(["btrfs", "-q", "subvolume", "create", btrfs / "below"], check=True)
    in_a_root = "is a filesystem or subvolume of its own in the root"
    assert told(btrfs / "below", "btrfs").startswith(
        f"warn {btrfs / 'below'} {in_a_root} {btrfs}: nothing can be written"
    )
    assert told(btrfs / "below", "btrfs", root=btrfs / "below").startswith("ok")
    assert told(btrfs, "gpfs") == f"fail {btrfs} lies on btrfs, not on GPFS"
    assert told(btrfs / "none", "index") == f"fail {btrfs / 'none'} is not a directory"
