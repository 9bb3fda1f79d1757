"""What both sites changed is told to people, who choose a version, by command or with the files themselves."""

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest
from blake3 import blake3

from tests.argosy_up import Argosy, until
from tests.flows.test_site_sync import WithFilesets, bidirectional, filesets, run_now, tree, went_well

NAMES = ("this", "other", "both", "removed", "renamed", "given", "changed", "deep/this")


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Argosy]:
    one = WithFilesets(tmp_path_factory.mktemp("up"))
    try:
        one.start()
        until(lambda: all(each["state"] == "ok" for each in filesets(one)), what="all filesets are marked")
        yield one
    finally:
        one.kill()


def listed(up: Argosy, **asked: Any) -> dict[str, dict[str, Any]]:
    """Return the conflicts by their names."""
    found = up.call("GET", "/conflicts/", params={"page_size": 0, **asked})["results"]
    return {each["path"]: each for each in found}


def keep(up: Argosy, one: dict[str, Any], version: str, *, status: int = 0) -> str:
    said = up.cli("conflicts", "keep", str(one["id"]), version)
    assert said.returncode == status, (said.stdout, said.stderr)
    return said.stdout + said.stderr


def shelf(up: Argosy, site: str, name: str) -> set[str]:
    """Return what texts lie in the trash or the version store of a site."""
    found = (up.root(site) / ".argosy" / name).rglob("*")
    return {path.read_text(errors="replace") for path in found if path.is_file()}


def test_people_choose_which_version_of_a_conflict_has_the_name(up: Argosy) -> None:
    one, two = (up.tree(site) / "both" for site in up.sites)
    (one / "deep").mkdir()
    for name in NAMES:
        (one / name).write_text(f"{name} at first")
    schedule = bidirectional(up, one)
    went_well(up, run_now(up, schedule))
    assert listed(up) == {}
    for name in NAMES:
        (one / name).write_text(f"{name} of london")
        (two / name).write_text(f"{name} of dublin, later")
        os.utime(one / name, ns=(10**18, 10**18))
    met = run_now(up, schedule)
    went_well(up, met)
    found = listed(up, state="OPEN")
    assert set(found) == set(NAMES)
    said = up.cli("conflicts", "list", "--job", str(met["id"]), "--site", "dublin", "-o", "json")
    assert [json.loads(line) for line in said.stdout.splitlines()] == list(found.values())
    _tells_both(up, found["deep/this"], met["id"])

    copies = {name: found[name]["other"]["path"] for name in NAMES}
    keep(up, found["this"], "this")
    assert "of london; the next sync carries that over." in keep(up, found["other"], "other")
    assert f"both stay, both and {copies['both']}" in keep(up, found["both"], "both")
    keep(up, found["deep/this"], "this")
    assert (one / "other").read_text() == "other of london"
    assert not (one / copies["this"]).exists()
    assert "this of london" in shelf(up, "london", "trash")
    assert "other of dublin, later" in shelf(up, "london", "versions")
    assert "is settled: `this` was kept" in keep(up, found["this"], "other", status=1)

    (two / copies["removed"]).unlink()
    (one / copies["renamed"]).rename(one / "kept by hand")
    (two / copies["given"]).rename(two / "given")
    (one / "changed").write_text("changed once more in london")
    said = keep(up, found["changed"], "other", status=1)
    assert f"{one}/changed: changed since it was synced; nothing was done" in said
    assert (one / "changed").read_text() == "changed once more in london"
    assert (one / copies["changed"]).read_text() == "changed of london"

    went_well(up, run_now(up, schedule))
    assert tree(one) == tree(two)
    assert (two / "other").read_text() == "other of london"
    assert (two / "given").read_text() == "given of london"
    assert not (two / copies["this"]).exists()
    told = listed(up)
    assert {name: (each["state"], each["kept"]) for name, each in told.items()} == {
        "this": ("SETTLED", "this"),
        "deep/this": ("SETTLED", "this"),
        "other": ("SETTLED", "other"),
        "both": ("SETTLED", "both"),
        "removed": ("SETTLED", "this"),
        "renamed": ("SETTLED", "both"),
        "given": ("SETTLED", "other"),
        "changed": ("OPEN", None),
    }
    assert told["renamed"]["reason"] == "somebody moved the other version to kept by hand"
    assert (told["this"]["kept_by"], told["removed"]["kept_by"]) == ("admin", "")
    assert "  changed  dublin  london  changed.conflict-london-" in up.cli("conflicts", "list").stdout
    assert "did not keep `other`" in up.cli("conflicts", "show", str(found["changed"]["id"])).stdout

    keep(up, found["changed"], "other")
    went_well(up, run_now(up, schedule))
    assert (two / "changed").read_text() == "changed of london"
    assert run_now(up, schedule)["state"] == "SKIPPED"
    assert listed(up, state="OPEN,SETTLING") == {}


def _tells_both(up: Argosy, one: dict[str, Any], job: int) -> None:
    this, other = one["this"], one["other"]
    assert (one["job"], one["state"], one["dispute"]) == (job, "OPEN", "content")
    assert [each["site"] for each in one["sides"]] == ["london", "dublin"]
    assert (this["site"], this["path"]) == ("dublin", "deep/this")
    assert (other["site"], other["mtime_ns"]) == ("london", 10**18)
    assert other["path"].startswith("deep/this.conflict-london-")
    for version, text in ((this, "deep/this of dublin, later"), (other, "deep/this of london")):
        assert version["hash"] == blake3(text.encode()).hexdigest()
        assert version["size"] == len(text)
    said = up.cli("conflicts", "show", str(one["id"])).stdout
    assert f"of london: {other['path']} (file, {len('deep/this of london')} B" in said


def test_what_is_changed_at_the_other_site_meanwhile_comes_back_and_is_open_again(up: Argosy) -> None:
    one, two = (up.tree(site) / "first" for site in up.sites)
    for top, text in ((one, "of london"), (two, "of dublin")):
        (top / "new").write_text(text)
    schedule = bidirectional(up, one)
    went_well(up, run_now(up, schedule))
    met = listed(up, state="OPEN")["new"]
    assert met["dispute"] == "name"
    copy = met["other"]["path"]
    (two / copy).write_text("worked on in dublin")
    keep(up, met, "this")
    went_well(up, run_now(up, schedule))
    assert tree(one) == tree(two)
    assert (one / copy).read_text() == "worked on in dublin"
    again = listed(up)["new"]
    assert (again["id"], again["state"], again["kept"]) == (met["id"], "OPEN", None)
    assert "was changed meanwhile at the other" in again["reason"]
    keep(up, again, "other")
    (two / "new").write_text("new, worked on in dublin as well")
    went_well(up, run_now(up, schedule))
    assert tree(one) == tree(two)
    (again,) = listed(up, state="OPEN").values()
    copy = again["other"]["path"]
    (one / "new").rename(one / "old")
    (one / copy).rename(one / "new")
    went_well(up, run_now(up, schedule))
    assert tree(one) == tree(two)
    assert listed(up, state="OPEN") == {}
