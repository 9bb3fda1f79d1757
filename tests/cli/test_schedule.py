"""`argosy schedule`, against a whole Argosy."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from argosy.cli import main
from tests.argosy_up import PASSWORD, Argosy, until

NEVER = ["--minute", "0", "--hour", "0", "--day-of-month", "29", "--month-of-year", "feb"]
STAT = {"name": "dynamo.tasks.stat_paths"}


class WithFileset(Argosy):
    """An Argosy whose site london has a fileset."""

    @property
    def top(self) -> Path:
        return self.tree("london") / "harbour"

    def write_config(self) -> None:
        super().write_config()
        self.top.mkdir(exist_ok=True)
        told = f'[[sites.filesets]]\nname = "harbour"\npath = "{self.top}"\n'
        first, then = self.config.read_text().split("[[sites.links]]", 1)
        self.config.write_text(f"{first}{told}[[sites.links]]{then}")


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WithFileset]:
    one = WithFileset(tmp_path_factory.mktemp("schedule"))
    try:
        one.start()
        yield one
    finally:
        one.kill()


class Command:
    """`argosy schedule` in this process: a new one for each word costs seconds."""

    def __init__(self, up: Argosy, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in (("URL", up.url), ("USER", "admin"), ("PASSWORD", PASSWORD)):
            monkeypatch.setenv(f"ARGOSY_{name}", value)
        self.capfd, self.monkeypatch = capfd, monkeypatch

    def text(self, *words: str, status: int = 0) -> str:
        """Return what it says; of a refusal what it says on standard error."""
        self.capfd.readouterr()
        ended = main.run(["schedule", *words])
        out, err = self.capfd.readouterr()
        assert ended == status, err + out
        return out if status == 0 else err

    def json(self, *words: str) -> Any:
        """Return the lines it says."""
        return [json.loads(line) for line in self.text(*words, "-o", "json").splitlines()]


@pytest.fixture
def command(up: Argosy, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    return Command(up, capfd, monkeypatch)


def test_a_schedule_is_made_subscribed_run_changed_and_removed(up: WithFileset, command: Command) -> None:
    (up.tree("london") / "a").write_bytes(b"a")
    made = command.text("add", "nightly", str(up.tree("london")), "--site", "london", *NEVER)
    assert made.startswith("Schedule nightly (")
    assert "next due 20" in made
    assert "cannot run: no workflow is subscribed" in command.text("run", "nightly", status=1)
    assert command.text("subscribe", "nightly", "stat").startswith("Workflow stat runs with schedule nightly")
    run = command.text("run", "nightly")
    assert "SUCCESS" in run
    (listed,) = command.json("list")
    assert (listed["name"], listed["discovery"], listed["last_run"]["state"]) == ("nightly", "recursive", "SUCCESS")
    assert "0 0 29 feb *" in command.text("list")
    shown = command.text("show", "nightly")
    for line in (
        "workflow           stat (",
        "day_of_month       29",
        "enabled            True",
        "last_run           20",
    ):
        assert line in shown
    assert command.text("change", "nightly", "--minute", "*/5", "--name", "often").startswith("Changed schedule often")
    assert command.text("disable", "often").startswith("Disabled schedule often")
    assert command.text("list").count("disabled") == 1
    assert command.text("enable", "often").startswith("Enabled schedule often")
    assert command.text("disable", "often").startswith("Disabled")
    assert "runs no more with schedule often" in command.text("unsubscribe", "often", "stat")
    assert "is not subscribed" in command.text("unsubscribe", "often", "stat", status=1)
    assert command.text("remove", "often") == "Removed schedule often\n"
    assert command.json("list") == []


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["show", "atlantis"], "there is no schedule 'atlantis': known are none"),
        (["add", "x", "/etc", "--site", "london"], "managed_paths: '/etc' is outside the roots of site london"),
        (["add", "x", "/etc", "--site", "london", "--minute", "61"], "minute: '61' cannot be: give * for any, or 0 to"),
        (["change", "x"], "there is nothing to change: give an option"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(command: Command, words: list[str], reason: str) -> None:
    assert reason in command.text(*words, status=1)


def test_a_run_for_want_of_a_fileset_says_why_it_failed_and_the_schedule_that_it_will(
    up: WithFileset, capfd: pytest.CaptureFixture[str], command: Command
) -> None:
    words = ["schedule", "add", "early", str(up.tree("london")), "--site", "london", "--discovery", "snapdiff"]
    assert main.run([*words, *NEVER]) == 0
    assert "is not the top of a registered fileset of site london: runs fail until" in capfd.readouterr().err
    for workflow in ("stat", "premigrate"):
        command.text("subscribe", "early", workflow)
    said = command.text("run", "early", status=1)
    assert said.count(f"failed: {up.tree('london')}: ") == 3, said
    command.text("remove", "early")


def test_what_changed_in_a_fileset_goes_to_every_workflow_of_the_run(up: WithFileset, command: Command) -> None:
    for name, state in (("created", "created"), ("deleted", "deleted")):
        rule = {"state": state, "type": "file", "action": [STAT]} if state == "created" else {
            "state": state, "type": "all", "action": [{"name": "dynamo.tasks.delete_paths_from_gpfs"}],
        }  # fmt: skip
        up.call("POST", "/workflows/", json={"name": name, "label": name, "fields": [], "filter_rules": [rule]})
    for name in "ab":
        (up.top / name).write_bytes(b"content")
    words = ["add", "changes", str(up.top), "--site", "london", "--discovery", "snapdiff", *NEVER]
    (made,) = command.json(*words, "--discovery-option", "condense_moves=false")
    assert made["discovery_options"] == {"condense_moves": False}
    for name in ("created", "deleted"):
        command.json("subscribe", "changes", name)
    first = command.json("run", "changes")
    assert [(job["jobtype"], job["state"], job["schedule"]) for job in first] == [
        ("snapdiff", "SUCCESS", "changes"), ("created", "SUCCESS", "changes"), ("deleted", "SKIPPED", "changes"),
    ]  # fmt: skip
    assert [job["numprocessedfiles"] for job in first] == [first[0]["numfiles"], 2, 0]
    (up.top / "a").unlink()
    (up.top / "c").write_bytes(b"new")
    second = command.json("run", "changes")
    assert [(job["jobtype"], job["numfiles"]) for job in second][1:] == [("created", 1), ("deleted", 1)]
    third = command.json("run", "changes")
    assert [job["state"] for job in third] == ["SKIPPED"] * 3

    detached = command.json("run", "changes", "--detach")[0]
    up.kill()
    up.start()
    command.monkeypatch.setenv("ARGOSY_URL", up.url)
    states = until(lambda: _ended(up, detached["jobs"]), what="the jobs of a run that was killed end")
    assert states == ["SKIPPED"] * 3
    assert command.json("list")[0]["last_run"]["jobs"] == detached["jobs"]


def _ended(up: Argosy, jobs: list[int]) -> list[str] | None:
    states = [up.call("GET", f"/jobs/{job}/")["state"] for job in jobs]
    return states if {"PENDING", "STARTED"}.isdisjoint(states) else None
