"""Definitions of the manual, and steps of other distributions, in a whole Argosy."""

import io
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from argosy.cli.main import run
from argosy.cli.session import keep
from argosy.client import Client
from tests import documented
from tests.argosy_up import PASSWORD, Argosy, argosy
from tests.documented import made_of, plugin
from tests.installed import harbour, telling

STUBS = "unguarded_stubs = true\nmin_stub_size = 4096\n"
BYTES = bytes(range(256)) * 64
OLD = 1_700_000_000_123_456_789


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Argosy]:
    packages = tmp_path_factory.mktemp("packages")
    path = f"{harbour(packages)}:{telling(packages)}"
    with argosy(tmp_path_factory.mktemp("up"), site_options=STUBS, env={"PYTHONPATH": path}) as one:
        yield one


@pytest.fixture
def top(up: Argosy, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A directory of the test's own at london; the workflows that it makes go with it."""
    path = up.tree("london") / re.sub(r"\W+", "-", request.node.name)
    path.mkdir()
    yield path
    for workflow in up.call("GET", "/workflows/", params={"page_size": 0})["results"]:
        if not workflow["shipped"]:
            up.call("DELETE", f"/workflows/{workflow['id']}/")


def written(path: Path, name: str = "a.exr", content: bytes = BYTES) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    (path / name).write_bytes(content)
    os.utime(path / name, ns=(OLD, OLD))  # a file that was just written is not made a stub for a while
    return path / name


def make(up: Argosy, definition: dict[str, Any]) -> str:
    up.call("POST", "/workflows/", json=definition)
    return str(definition["name"])


def submit(up: Argosy, workflow: str, *paths: Any, site: str = "london", **more: Any) -> dict[str, Any]:
    given = [path if isinstance(path, dict) else str(path) for path in paths]
    sent = {"workflow": workflow, "site": site, "paths": given, **more}
    job = up.wait(up.call("POST", "/file/workflow/", json=sent)["job"])
    assert job["state"] == "SUCCESS", (job, up.files(job["id"], "failed"), up.tasks(job["id"]))
    return job


def at(up: Argosy, site: str, path: Path) -> Path:
    """Return where a path of one tree lies at another site."""
    (home,) = [name for name in up.sites if path.is_relative_to(up.tree(name))]
    return up.tree(site) / path.relative_to(up.tree(home))


def seen(top: Path) -> dict[Path, tuple[int, ...]]:
    found = {path: path.lstat() for path in (top, *top.rglob("*"))}
    return {path: (one.st_mode, one.st_size, one.st_blocks, one.st_ctime_ns) for path, one in found.items()}


def is_stub(path: Path) -> bool:
    return path.stat().st_size == len(BYTES) and path.stat().st_blocks * 512 < len(BYTES)


def test_a_rule_that_names_a_site_sends_there(up: Argosy, top: Path) -> None:
    workflow = make(up, made_of("to_london", documented.SEND_TO_LONDON))
    there = at(up, "dublin", written(top))
    written(there.parent, "b.exr")
    submit(up, workflow, there.parent / "b.exr", site="dublin", discovery=None)
    assert is_stub(top / "b.exr")
    assert is_stub(there.parent / "b.exr")


@pytest.mark.parametrize("default", [True, False], ids=["by default", "by value"])
def test_a_field_of_sites_says_where_to_send(up: Argosy, top: Path, default: bool) -> None:
    field = documented.TARGET | ({"default": "dublin"} if default else {})
    workflow = make(up, made_of("to_target", documented.SEND_TO_TARGET, fields=(field,)))
    given = {} if default else {"fields": {"target_site": "dublin"}}
    submit(up, workflow, written(top), discovery=None, **given)
    assert is_stub(at(up, "dublin", top) / "a.exr")


def test_whole_trees_are_sent_by_a_definition_without_a_discovery_where_the_run_names_one(
    up: Argosy, top: Path
) -> None:
    workflow = make(up, documented.SEND_FILE)
    trees = [written(top / "one").parent, written(top / "two", "b.exr").parent]
    fields = {"target_site": "dublin"}
    submit(up, workflow, *trees, discovery="recursive", fields=fields)
    assert all(is_stub(at(up, "dublin", tree) / name) for tree, name in zip(trees, ("a.exr", "b.exr"), strict=True))


@pytest.mark.parametrize(
    ("definition", "policy"),
    [
        (made_of("by_policy", documented.BY_POLICY, fields=(documented.POLICY,)), "newest"),
        (documented.SEND_BY_POLICY, "sourcesite"),
    ],
    ids=["its rule", "whole"],
)
def test_a_choice_is_handed_to_the_step_that_asks_who_wins(
    up: Argosy, top: Path, definition: dict[str, Any], policy: str
) -> None:
    job = submit(up, make(up, definition), written(top), discovery=None, fields={"sync_policy": policy})
    assert "dynamo.tasks.reverse_stub" in {task["tasktype"] for task in up.tasks(job["id"])}
    assert is_stub(top / "a.exr")


@pytest.mark.feature("HUB-WF-030", "HUB-WF-034")
def test_states_that_are_given_with_the_paths_say_which_rule(up: Argosy, top: Path) -> None:
    workflow = make(up, documented.MIGRATE_STATE)
    modified, moved = written(top, "one"), written(top, "two")
    given = [{"path": str(modified), "state": "modified"}, {"path": str(moved), "state": "moved"}]
    submit(up, workflow, *given, discovery=None, fields={})
    assert is_stub(modified)
    assert not moved.exists()


def test_a_rule_for_created_files_leaves_other_states_types_and_temporary_files(up: Argosy, top: Path) -> None:
    workflow = make(up, made_of("created", documented.CREATED_ONLY, fields=(documented.TARGET,)))
    names = {"a.exr": "created", "b.temp": "created", "c.exr": "updated"}
    given = [{"path": str(written(top, name)), "state": state} for name, state in names.items()]
    given.append({"path": str(top), "state": "created"})
    submit(up, workflow, *given, discovery=None, fields={"target_site": "dublin"})
    assert [path.name for path in at(up, "dublin", top).iterdir()] == ["a.exr"]


def test_options_of_the_discovery_are_handed_to_it(up: Argosy, top: Path) -> None:
    rule = documented.all_through({"name": "dynamo.tasks.stat_paths"})
    workflow = make(up, made_of("options", rule, **documented.OPTIONS))
    sent = {"workflow": workflow, "site": "london", "paths": [str(top / "gone")]}
    job = up.wait(up.call("POST", "/file/workflow/", json=sent)["job"])
    assert (job["state"], job["numfailedfiles"]) == ("FAILURE", 1)
    submit(up, workflow, written(top))


def test_files_are_deleted_by_the_definition_for_events_of_a_cloud(up: Argosy, top: Path) -> None:
    path = written(top)
    submit(up, make(up, {"name": "delete_one", "label": "delete_one"} | documented.DELETE_FILE), path)
    assert not path.exists()


def test_what_is_there_is_replaced_by_the_definition_of_the_client(up: Argosy, top: Path) -> None:
    path = written(top)
    submit(up, "premigrate", path)
    there = written(at(up, "dublin", top), content=b"another")
    submit(up, make(up, documented.RECALL_OVERWRITE), path, discovery=None, fields={"destinationsite": "dublin"})
    assert there.stat().st_size == len(BYTES)


@pytest.mark.parametrize("name", ["migrate_notif", "migrate_cloud_script"])
def test_the_definitions_with_plugins_run_without_these(up: Argosy, top: Path, name: str) -> None:
    submit(up, make(up, plugin(name, documented.MIGRATE)), written(top))
    assert is_stub(top / "a.exr")


def test_the_definitions_with_plugins_run_with_steps_that_another_distribution_brings(up: Argosy, top: Path) -> None:
    submit(up, make(up, plugin("migrate_notif", documented.MIGRATE, documented.EMAIL)), written(top))
    told = "argosy@harbour.example to first@harbour.example, second@harbour.example: Project 7 is away"
    assert (top / "a.exr.mail").read_text() == told
    job = submit(up, make(up, plugin("migrate_cloud_script", documented.MIGRATE, documented.SCRIPT)), written(top, "b"))
    assert job["numprocessedfiles"] == 1
    assert is_stub(top / "b")


class Cli:
    """The command line, in this process."""

    def __init__(self, up: Argosy, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capsys, self._patch = capsys, monkeypatch
        monkeypatch.setenv("ARGOSY_URL", up.url)
        monkeypatch.setenv("XDG_CONFIG_HOME", str(up.directory / "home"))
        if not (up.directory / "home").exists():  # a login takes its time, so that guessing does
            with Client(up.url) as client:
                keep(up.url, client.login("admin", PASSWORD))

    def __call__(self, *words: str, code: int = 0, given: str = "") -> str:
        """Run `argosy workflow` with the words; return what it prints, on standard error where it fails."""
        self._patch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(given.encode())))
        self._capsys.readouterr()
        status = run(["workflow", *words])
        printed = self._capsys.readouterr()
        assert status == code, printed
        return str(printed.err if code else printed.out)

    def lists(self, line: str) -> bool:
        """Say whether a line of the list is like this."""
        return re.search(rf"^\d+ +{line}", self("list"), re.MULTILINE) is not None


@pytest.fixture
def cli(up: Argosy, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    return Cli(up, capsys, monkeypatch)


STAMPED = """
name: stamped
label: Stamped
filter_rules:
- state: all
  type: file
  include: ["*.txt"]
  action:
  - name: dynamo.custom.stamp
    words: "*words"
    times: 2
fields:
- {name: words, label: Words, type: list}
discovery: manifest
"""


def test_a_step_and_a_discovery_of_another_distribution_are_shown_imported_and_run(
    up: Argosy, cli: Cli, top: Path
) -> None:
    assert re.search(r"^step +dynamo\.custom\.stamp +Leave a mark beside every file\.$", cli("steps"), re.MULTILINE)
    shown = cli("steps", "dynamo.custom.stamp")
    assert re.search(r"^words +array +required +What to write$", shown, re.MULTILINE)
    assert re.search(r'^ink +black, blue +"black" +The colour$', shown, re.MULTILINE)
    broken = "step dynamo.custom.raises of harbour-steps cannot be used: RuntimeError: no harbour here"
    assert broken in cli("steps")
    assert broken in cli("steps", "dynamo.custom.raises")
    assert "there is no step or discovery 'stamps'" in cli("steps", "stamps", code=1)
    cli("import", "-", given=STAMPED)
    for name in ("a.txt", "b.png", "c.txt"):
        written(top, name)
    (top / "MANIFEST").write_text("a.txt b.png")
    submit(up, "stamped", top, fields={"words": ["one", "two"]})
    assert [path.name for path in top.glob("*.stamp")] == ["a.txt.stamp"]
    assert (top / "a.txt.stamp").read_text() == "one two one two"


@pytest.mark.feature("HUB-WF-001")
def test_the_commands_list_show_import_update_reset_and_delete(cli: Cli, top: Path) -> None:
    assert cli("import", "-", given=STAMPED).startswith("Made workflow stamped (")
    assert cli.lists(r"stamped +manifest +yes +own +Stamped")
    assert cli.lists(r"delete_file +- +hidden +shipped +Delete")
    cli("update", "stamped", "-", given="name: printed\nenabled: false")
    assert cli.lists(r"printed +manifest +disabled +own +Stamped")
    shown = cli("show", "printed")
    assert "label: Stamped\n" in shown
    assert "already" in cli("import", "-", given=shown, code=1)
    cli("update", "printed", "-", given=shown)
    whole = json.loads(cli("show", "printed", "-o", "json"))
    cli("delete", str(whole["id"]))
    file = top / "kept.json"
    file.write_text(json.dumps(whole))
    cli("import", str(file))
    cli("delete", "printed")
    assert "there is no workflow 'printed': known are" in cli("delete", "printed", code=1)
    cli("update", "send", "-", given='{"visible": false}')
    assert cli.lists(r"send +recursive +hidden +shipped, changed")
    cli("reset", "send")
    assert cli.lists(r"send +recursive +yes +shipped ")
    assert "comes with Argosy and cannot be deleted" in cli("delete", "send", code=1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (STAMPED.replace("times: 2", "times: x"), "filter_rules[0].action[0].times: Expected `int`, got `str`"),
        ('{"name": "a"}\n{"name": "b"}\n', "standard input holds 2 definitions: give one at a time"),
        ("- name: a\n- name: b", "holds 2 definitions"),
        ("just text", "standard input holds no definition"),
        ("{", "is neither JSON"),
        ("label: x\nfields: [\nname: {", "nor YAML of one definition (line 4, column 1: "),
        (
            STAMPED.replace("times: 2", "times: 2\n    times: 3"),
            "filter_rules[0].action[0].times: this key is given twice",
        ),
        ('{"name": "a", "name": "b"}', "name: this key is given twice"),
        ("", "holds no definition"),
    ],
)
def test_a_file_that_is_no_definition_is_refused(cli: Cli, text: str, said: str) -> None:
    assert said in cli("import", "-", given=text, code=1)


def test_a_file_that_is_not_there_is_named(cli: Cli) -> None:
    assert "/nowhere.json cannot be read: No such file" in cli("import", "/nowhere.json", code=1)


TRIED = """
name: tried
label: Tried
discovery: recursive
filter_rules:
- {state: all, type: file, include: ["*.exr"], action: [{name: dynamo.tasks.migrate, premigrate: "*keep"}]}
- state: all
  type: directory
  action: [{name: dynamo.tasks.stat_paths}, {name: dynamo.tasks.stat_paths, site: dublin}]
fields:
- {name: keep, label: Keep, type: bool, default: false}
"""


def test_rules_are_tried_on_real_paths_and_no_file_is_touched(cli: Cli, top: Path) -> None:
    file = top / "tried.yaml"
    file.write_text(TRIED)
    written(top / "inner", "b.exr")
    (top / "link").symlink_to("nowhere")
    before = seen(top)
    told = cli("test", str(file), str(top), "--site", "london", "--field", "keep=true").splitlines()
    assert told[:2] == [
        "rule 0: dynamo.tasks.migrate premigrate=true at london",
        "rule 1: dynamo.tasks.stat_paths at london, then dynamo.tasks.stat_paths at dublin",
    ]
    assert [line.split() for line in told[2:]] == [
        ["rule", "1", "directory", str(top)],
        ["rule", "1", "directory", str(top / "inner")],
        ["rule", "0", "file", str(top / "inner/b.exr")],
        ["none", "symlink", str(top / "link")],
        ["none", "file", str(file)],
    ]
    assert seen(top) == before
    assert "tried" not in cli("list")
    (line,) = cli("test", "recall", str(file), "--site", "london", "-o", "json").splitlines()
    told = json.loads(line)
    assert (told["type"], told["rules"][0]["steps"][0]["name"]) == ("file", "dynamo.tasks.recall")


def test_what_a_site_leaves_out_is_tried_where_that_is_ignored(up: Argosy, cli: Cli, top: Path) -> None:
    written(top, "shot2.exr")
    number = next(one["id"] for one in up.call("GET", "/sites/")["results"] if one["name"] == "london")
    up.call("PATCH", f"/sites/{number}/", json={"exclude": ["*/shot2*"]})
    try:
        said = ("test", "premigrate", str(top), "--site", "london")
        assert re.search(r"none +file .*/shot2.exr", cli(*said))
        assert re.search(r"rule 0 +file .*/shot2.exr", cli(*said, "--ignore-site-excludes"))
    finally:
        up.call("PATCH", f"/sites/{number}/", json={"exclude": []})


def test_a_workflow_of_ones_own_is_run_and_planned_with_all_that_a_run_can_be_told(
    up: Argosy, cli: Cli, top: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = TRIED.replace("state: all, type: file", "state: moved, type: file")
    cli("import", "-", given=given)
    files = [str(written(top, name)) for name in ("a.exr", "b.exr", "c.dpx")]
    here = (*files, "--site", "london")
    said = (
        *here,
        "--discovery",
        "none",
        "--state",
        "moved",
        "--field",
        "keep=true",
        "--include",
        "*.[de]*",
        "--include",
        "none",
        "--exclude",
        "*/b*",
    )
    assert run(["plan", "tried", *said]) == 0
    assert re.search(r" 2 entries +would copy it to datastore cloud ", capsys.readouterr().out)
    told = cli("run", "tried", *said, "--ignore-site-includes")
    assert re.fullmatch(r"Job (\d+)\nJob \1 SUCCESS: 2 entries processed; .* moved in .*\n", told)
    job = up.call("GET", f"/jobs/{told.split()[1]}/")
    assert (job["discovery"], job["fields"]) == (None, {"keep": True})
    stored = {path.name for path in (up.directory / "store/projects" / top.name).iterdir()}
    assert stored == {"a.exr", "c.dpx"}
    assert "unknown field 'speed'" in cli("run", "tried", *here, "--field", "speed=1", code=1)


def test_what_cannot_be_tried_is_said(cli: Cli, top: Path) -> None:
    here = ("--site", "london")
    assert "gone: " in cli("test", "recall", str(top / "gone"), *here, code=1)
    assert "recursive finds others: leave it out" in cli("test", "recall", str(top), *here, "--state", "moved", code=1)
    lenient = TRIED.replace("discovery: recursive", "discovery: recursive\ndiscovery_options: {skip_missing: true}")
    (top / "lenient.yaml").write_text(lenient)
    assert "none " in cli("test", str(top / "lenient.yaml"), str(top / "gone"), *here)
    manifest = TRIED.replace("discovery: recursive", "discovery: manifest\ndiscovery_options: {name: list.txt}")
    (top / "manifest.yaml").write_text(manifest)
    told = cli("test", str(top / "manifest.yaml"), str(top / "gone"), *here, code=1)
    assert "discovery manifest is not run here: the paths are tried as they are given" in told
    assert "rule 0" in cli("test", "delete_file", str(top / "gone"), *here)
    assert "unknown field 'speed'" in cli("test", "recall", str(top), *here, "--field", "speed=1", code=1)
    assert "give NAME=VALUE" in cli("test", "recall", str(top), *here, "--field", "speed", code=1)
    assert "there is no workflow 'recal'" in cli("test", "recal", str(top), *here, code=1)
    assert "outside the roots" in cli("test", "recall", "/etc", *here, code=1)
