"""`argosy sync plan` of two filesets of a hub says what their sync does then."""

import json
from typing import Any

import pytest

from tests.argosy_up import until
from tests.flows.test_site_sync import WithFilesets, filesets, synced, tree, went_well


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory):
    one = WithFilesets(tmp_path_factory.mktemp("up"), site_options="unguarded_stubs = true\nmin_stub_size = 0\n")
    try:
        one.start()
        until(lambda: all(each["state"] == "ok" for each in filesets(one)), what="all filesets are marked")
        yield one
    finally:
        one.kill()


def planned(up: WithFilesets, name: str, *words: str) -> tuple[int, list[dict[str, Any]]]:
    """Return exit status and lines of the plan of a one-way sync from london to dublin."""
    sides = (f"{site}:{name}" for site in up.sites)
    answer = up.cli("sync", "plan", *sides, "--one-way", "-o", "json", *words)
    return answer.returncode, [json.loads(line) for line in answer.stdout.splitlines()]


def test_the_plan_knows_what_both_agreed_on_and_foretells_the_sync(up: WithFilesets) -> None:
    here, there = (up.tree(site) / "first" for site in up.sites)
    (here / "scans").mkdir()
    for number in range(4):
        (here / "scans" / f"{number}").write_text(f"scan {number}")
    (here / "gone").write_text("gone")
    status, lines = planned(up, "first")
    assert (status, lines[-1]["operations"], lines[-1]["alike"]) == (0, 7, 0), lines
    went_well(up, synced(up, "first"))
    (here / "scans").rename(here / "shots")
    (here / "gone").unlink()
    (here / "new").write_text("new")
    before = tree(there)
    status, lines = planned(up, "first")
    operations = {(each["act"], each["target"]) for each in lines if each["what"] == "operation"}
    assert status == 0, lines
    assert {("unpark", "shots"), ("trash", "gone"), ("create", "new")} <= operations
    assert tree(there) == before
    assert lines[-1]["circumstances"]["london"]["clock_off_ns"] > 0, "the clock was compared with the hub's"
    job = synced(up, "first")
    went_well(up, job)
    counts = up.call("GET", f"/syncs/{job['id']}/")["counts"]
    assert (sum(counts["operations"]), counts["bytes"]) == (lines[-1]["operations"], lines[-1]["bytes"])
    assert planned(up, "first")[1][-1]["operations"] == 0


def test_a_plan_of_which_the_guard_would_refuse_the_sync_says_so_first_as_each_fileset_settles_it(
    up: WithFilesets,
) -> None:
    tops = [up.tree(site) / "guarded" for site in up.sites]
    for site, top in zip(up.sites, tops, strict=True):
        top.mkdir()
        assert up.cli("fileset", "add", "guarded", str(top), "--site", site).returncode == 0
    until(lambda: all(each["state"] == "ok" for each in filesets(up)), what="all filesets are marked")
    for number in range(14):
        (tops[0] / f"{number}").write_text(f"file {number}")
    went_well(up, synced(up, "guarded"))
    for number in range(12):
        (tops[0] / f"{number}").unlink()
    status, lines = planned(up, "guarded")
    assert (status, lines[0]["what"]) == (1, "refused")
    assert "london: 12 of 14 are gone" in lines[0]["reason"]
    said = up.cli("sync", "plan", *(f"{site}:guarded" for site in up.sites), "--one-way")
    assert (said.returncode, said.stdout.splitlines()[0]) == (1, "Refused: london: 12 of 14 are gone")
    job = synced(up, "guarded")
    assert (job["state"], up.call("GET", f"/syncs/{job['id']}/")["state"]) == ("FAILURE", "REFUSED")
    changed = up.cli("fileset", "set", "guarded", "--site", "london", "--mass-change-percent", "90")
    assert changed.returncode == 0, changed.stderr
    status, lines = planned(up, "guarded")
    assert (status, lines[-1]["operations"]) == (0, 12)


def test_a_fileset_that_the_hub_does_not_know_is_named(up: WithFilesets) -> None:
    said = up.cli("sync", "plan", "london:first", "dublin:nowhere")
    assert said.returncode == 1
    assert "the hub knows no fileset dublin:nowhere: see `argosy fileset list`" in said.stderr
