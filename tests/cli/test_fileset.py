"""`argosy fileset`, against a whole Argosy."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from argosy.cli import checks
from argosy.core.config import FilesetConfig, SiteConfig
from tests.argosy_up import Argosy, argosy
from tests.loop import LoopMount


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


def test_a_fileset_that_is_not_there_fails_the_check_and_cannot_be_adopted(up: Argosy) -> None:
    top = up.root("dublin") / "none"
    (added,) = said(up, "add", "none", str(top), "--site", "dublin", "--snapshots", "index")
    assert added["name"] == "none"
    for words in (["check", "none"], ["check", "none", "--site", "dublin", "--adopt"]):
        (found,) = said(up, *words, status=1)
        assert (found["state"], found["reason"]) == ("missing", f"{top} is not there: make the directory")
    run = up.cli("fileset", "check", "--site", "dublin")
    assert (run.returncode, f"dublin:none: {top} is not there: make the directory" in run.stdout) == (1, True)
    assert f"dublin: fileset none: {top} is not there: make the directory" in up.cli("site", "list").stdout
    up.call("DELETE", f"/filesets/{added['id']}/")


@pytest.mark.parametrize(
    ("words", "status", "reason"),
    [
        (["check", "atlantis"], 1, "there is no fileset 'atlantis'"),
        (["check", "atlantis", "--site", "london"], 1, "site london has no fileset 'atlantis'"),
        (["check", "--site", "paris", "--adopt"], 1, "one fileset is adopted at a time"),
        (["add", "etc", "/etc", "--site", "london"], 1, "lies below none of the roots"),
        (["add", "etc", "/etc"], 2, "--site"),
        (["add", "etc", "/etc", "--site", "london", "--snapshots", "zfs"], 2, "zfs"),
    ],
)
def test_what_cannot_be_is_refused(up: Argosy, words: list[str], status: int, reason: str) -> None:
    run = up.cli("fileset", *words)
    assert (run.returncode, reason in run.stderr) == (status, True), run.stderr


def test_doctor_sees_whether_a_fileset_can_be_held_fast(loop_mount: LoopMount, tmp_path: Path) -> None:
    btrfs = loop_mount("btrfs")
    (btrfs / "plain").mkdir()

    def told(path: Path, snapshots: str) -> str:
        fileset = FilesetConfig(name="f", path=str(path), snapshots=snapshots)  # type: ignore[arg-type]
        site = SiteConfig(name="london", roots=(str(tmp_path),), filesets=(fileset,))
        (found,) = (one for one in checks.site(site) if "fileset f" in one.subject)
        return f"{found.level} {found.found}"

    assert told(btrfs, "btrfs") == f"ok {btrfs} is there, on btrfs"
    assert told(btrfs / "plain", "btrfs").startswith("fail")
    assert told(btrfs / "plain", "index").startswith("ok")
    assert told(btrfs, "gpfs") == f"fail {btrfs} lies on btrfs, not on GPFS"
    assert told(btrfs / "none", "index") == f"fail {btrfs / 'none'} is not a directory"
