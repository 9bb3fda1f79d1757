"""`argosy stub`, `argosy adopt` and `argosy verify` as an administrator uses them, against a whole Argosy."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.argosy_up import ARGOSY, Argosy, argosy, until

CONTENT = bytes(range(1, 256)) * 1200
OLD = 1_700_000_000_123_456_789


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Argosy]:
    options = "unguarded_stubs = true\nmin_stub_size = 0\n"
    with argosy(tmp_path_factory.mktemp("stubs"), site_options=options) as running:
        yield running


@pytest.fixture
def tree(up: Argosy, request: pytest.FixtureRequest) -> Path:
    """A directory at london, named after the test."""
    top = up.tree("london") / request.node.name[:60].replace("/", "-")
    top.mkdir()
    return top


def made(path: Path | bytes, content: bytes = CONTENT) -> Path | bytes:
    with open(path, "wb") as file:
        file.write(content)
    os.utime(path, ns=(5, OLD))
    return path


def at(up: Argosy, verb: str, *words: str | bytes | Path) -> "subprocess.CompletedProcess[str]":
    return up.cli(verb, *(word if isinstance(word, bytes) else str(word) for word in words), "--site", "london")


def stub(up: Argosy, path: Path) -> Path:
    made(path)
    run = at(up, "migrate", path)
    assert run.returncode == 0, run
    return path


def show(up: Argosy, *words: str | bytes | Path, **more: Any) -> "subprocess.CompletedProcess[str]":
    """Show without a hub."""
    return subprocess.run(
        [ARGOSY, "stub", "show", "--config", up.config, *words],
        capture_output=True, text=True, timeout=60, check=False, **more,
    )  # fmt: skip


def shown(up: Argosy, path: Path) -> dict[str, Any]:
    run = show(up, path, "--output", "json")
    assert (run.returncode, run.stderr) == (0, "")
    found: dict[str, Any] = json.loads(run.stdout)
    return found


def object_of(up: Argosy, path: Path) -> Path:
    return up.directory / "store" / "projects" / path.relative_to(up.tree("london"))


def test_a_stub_is_told_in_words(up: Argosy, tree: Path) -> None:
    file = stub(up, tree / "f")
    until(lambda: shown(up, file)["object"]["key"], what="the index is written")
    told = show(up, file).stdout
    for line in (
        f"path       {file}",
        "state      stub: its bytes are in the object alone",
        f"size       {len(CONTENT)} bytes, 0 of them on disk",
        "written    2023-11-14 22:13:20.123456789 UTC",
        f"object     projects/{tree.name}/f, datastore cloud",
        "copied     as written 2023-11-14 22:13:20.123456789 UTC: the file is as it was",
    ):
        assert line in told.splitlines(), told
    assert f"binding    inode {file.stat().st_ino} of filesystem " in told
    assert told.rstrip().endswith(": this file")


def test_every_state_is_named(up: Argosy, tree: Path) -> None:
    resident, premigrated, dirty, copied = (tree / name for name in ("resident", "premigrated", "dirty", "copied"))
    for file in (premigrated, dirty):
        made(file)
    assert at(up, "premigrate", tree).returncode == 0
    left = stub(up, tree / "stub")
    made(resident)
    dirty.write_bytes(b"newer")
    for source, target in ((left, tree / "unbound"), (premigrated, copied)):
        subprocess.run(["cp", "-a", "--preserve=xattr", source, target], check=True)
    states = {name: shown(up, tree / name)["state"] for name in sorted(os.listdir(tree))}
    assert states == {
        "copied": "resident", "dirty": "dirty", "premigrated": "premigrated", "resident": "resident",
        "stub": "stub", "unbound": "unbound stub",
    }  # fmt: skip
    assert "says it is another file" in shown(up, copied)["meaning"]
    assert shown(up, tree / "unbound")["binding"]["own"] is False
    assert shown(up, resident)["object"] is None
    assert shown(up, dirty)["unwritten"] is False


def test_nothing_is_changed_by_showing(up: Argosy, tree: Path) -> None:
    files = [stub(up, tree / "f"), tree / "g"]
    made(files[1])
    listed = [up.directory / "data" / "agent" / "london", up.root("london") / ".argosy"]

    def seen() -> tuple[object, ...]:
        return [os.stat(file) for file in (tree, *files)], [sorted(os.listdir(directory)) for directory in listed]

    before = seen()
    assert show(up, *files).returncode == 0
    assert seen() == before


def test_what_cannot_be_told_is_said_to_be_so(up: Argosy, tree: Path) -> None:
    file = made(tree / "f")
    outside = show(up, "/etc/passwd")
    assert (outside.returncode, outside.stdout) == (1, "")
    assert outside.stderr == ("argosy: /etc/passwd: is outside all roots of the configuration: name a file of a site\n")
    partly = show(up, tree / "no", tree, file)
    assert partly.returncode == 3
    assert f"argosy: {tree}/no: no such file or directory\n" in partly.stderr
    assert f"argosy: {tree}: is not a regular file\n" in partly.stderr
    assert f"path       {file}\n" in partly.stdout


def test_names_of_any_bytes_are_shown_and_steer_no_terminal(up: Argosy, tree: Path) -> None:
    file = os.fsencode(tree) + b"/\x1b[31mred\n\xff"
    made(file)
    run = show(up, file)
    assert run.returncode == 0
    assert "\\x1b[31mred\\x0a\ufffd" in run.stdout
    assert "\x1b" not in run.stdout
    missing = show(up, os.fsencode(tree) + b"/\x1b[31mno")
    assert "\x1b" not in missing.stderr
    assert "path_b64" in json.loads(show(up, file, "-o", "json").stdout)


def test_what_an_agent_of_root_wrote_is_not_told_wrongly_to_others(up: Argosy, tree: Path) -> None:
    file = made(tree / "f")
    config = up.directory / "other.toml"
    config.write_text(f'[hub]\ndata_dir = "other"\n[[sites]]\nname = "london"\nroots = ["{up.root("london")}"]\n')
    agent = up.directory / "other" / "agent" / "london"
    agent.mkdir(parents=True)
    os.chown(agent, 12345, 12345)
    run = subprocess.run(
        [ARGOSY, "stub", "show", "--config", config, file], capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 1
    assert "runs as another user" in run.stderr
    shutil.rmtree(up.directory / "other")


def test_a_restored_backup_is_adopted_and_recalled(up: Argosy, tree: Path) -> None:
    file = stub(up, tree / "f")
    archive = up.directory / "backup.tar"
    flags = ["--xattrs", "--xattrs-include=*", "-S", "-C", tree]
    subprocess.run(["tar", "-cf", archive, *flags, "f"], check=True)
    file.unlink()
    subprocess.run(["tar", "-xf", archive, *flags], check=True)
    assert shown(up, file)["state"] == "unbound stub"
    assert at(up, "recall", file).returncode == 1
    run = at(up, "adopt", tree)
    assert run.returncode == 0, run
    assert shown(up, file)["state"] == "stub"
    assert at(up, "recall", file).returncode == 0
    assert file.read_bytes() == CONTENT


def test_a_tree_that_is_well_is_verified(up: Argosy, tree: Path) -> None:
    stub(up, tree / "f")
    run = at(up, "verify", tree, "--content")
    assert (run.returncode, run.stderr) == (0, "")
    assert "SUCCESS: 1 entry processed, 1 skipped; 298.8 KiB moved" in run.stdout


def test_lost_files_are_all_listed(up: Argosy, tree: Path) -> None:
    files = [made(tree / f"{number:02}") for number in range(13)]
    assert at(up, "migrate", tree).returncode == 0
    for file in files[:12]:
        assert isinstance(file, Path)
        object_of(up, file).unlink()
    run = at(up, "verify", tree)
    assert run.returncode == 3
    assert [line.split(":")[1].strip() for line in run.stderr.splitlines()] == [str(file) for file in files[:12]]
    assert all(": lost: the only bytes of " in line for line in run.stderr.splitlines())


def test_runs_with_a_budget_say_what_is_left(up: Argosy, tree: Path) -> None:
    stub(up, tree / "f")
    run = at(up, "verify", tree, "--content", "--budget-gb", "1")
    assert run.returncode == 0
    assert run.stdout.endswith("All content was read\n")


def test_a_copy_with_bytes_of_its_own_is_mended_by_repair(up: Argosy, tree: Path) -> None:
    file = made(tree / "f")
    assert at(up, "premigrate", tree).returncode == 0
    subprocess.run(["cp", "-a", "--preserve=xattr", file, tree / "copy"], check=True)
    assert at(up, "verify", tree).returncode == 0
    assert shown(up, tree / "copy")["object"] is not None
    assert at(up, "verify", tree, "--repair").returncode == 0
    assert shown(up, tree / "copy")["object"] is None
    assert (tree / "copy").read_bytes() == CONTENT
