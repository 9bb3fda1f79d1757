"""`argosy trash` and `argosy versions`, against a whole Argosy."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from argosy.cli.shelves import days
from argosy.core.errors import Invalid
from argosy.filesystems.posix import Posix
from tests.argosy_up import Argosy, argosy
from tests.contracts.filesystem import replace

NAME = b"odd\x1b[31m \xff name"


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Argosy]:
    with argosy(tmp_path_factory.mktemp("trash"), sites=("london",)) as running:
        yield running


@pytest.fixture
def top(up: Argosy, request: pytest.FixtureRequest) -> Path:
    path = up.tree("london") / request.node.name[:60]
    (path / "inner").mkdir(parents=True)
    (path / "one").write_text("one")
    (path / "inner/two").write_text("two, longer")
    return path


def run(up: Argosy, *words: str | bytes, code: int = 0, **more: Any) -> str:
    done = up.cli(*words, "--site", "london", **more)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout if code == 0 else done.stderr


def delete(up: Argosy, *paths: Path | bytes) -> None:
    body = {
        "workflow": "delete_file",
        "site": "london",
        "paths": [str(path) for path in paths],
        "fields": {"recursive": True},
    }
    job = up.wait(up.call("POST", "/file/workflow/", json=body)["job"])
    assert job["state"] == "SUCCESS", job


def listed(up: Argosy, noun: str, path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run(up, noun, "list", str(path), "-o", "json").splitlines()]


def snapshot(path: Path) -> dict[str, tuple[int, int, str]]:
    return {
        str(at.relative_to(path)): (at.stat().st_mode, at.stat().st_mtime_ns, at.read_text() if at.is_file() else "")
        for at in (path, *path.rglob("*"))
    }


def test_what_was_removed_is_listed_and_restored(up: Argosy, top: Path) -> None:
    os.chmod(top / "inner", 0o2750)
    before = snapshot(top)
    delete(up, top)
    assert not top.exists()
    found = listed(up, "trash", top)
    assert {one["path"]: one["size"] for one in found if Path(one["path"]).name in {"one", "two"}} == {
        str(top / "one"): 3,
        str(top / "inner/two"): 11,
    }
    assert len({one["id"] for one in found}) == 1
    text = run(up, "trash", "list", str(top))
    assert found[0]["id"] in text
    assert "11 B" in text
    run(up, "trash", "restore", str(top))
    assert snapshot(top) == before
    assert listed(up, "trash", top) == []


def test_the_latest_is_restored_unless_an_id_is_named(up: Argosy, top: Path) -> None:
    file = top / "one"
    for content in ("first", "second"):
        file.write_text(content)
        delete(up, file)
    first = listed(up, "trash", file)[0]["id"]
    run(up, "trash", "restore", str(file))
    assert file.read_text() == "second"
    said = run(up, "trash", "restore", f"{file}@{first}", code=1)
    assert "restore to another path" in said
    run(up, "trash", "restore", f"{file}@{first}", "--to", str(top / "again/first"))
    assert (top / "again/first").read_text() == "first"


def test_what_is_not_there_cannot_be_restored(up: Argosy, top: Path) -> None:
    assert "nothing of it is in the trash" in run(up, "trash", "restore", str(top / "never"), code=1)


def test_purging_asks_and_keeps_what_is_young(up: Argosy, top: Path) -> None:
    delete(up, top)
    run(up, "trash", "purge", str(top), input="n\n")
    run(up, "trash", "purge", str(top), "--older-than", "1d", "--yes")
    assert len(listed(up, "trash", top)) == 4
    run(up, "trash", "purge", str(top), input="y\n")
    assert listed(up, "trash", top) == []


def test_purging_with_nobody_to_ask_names_the_option(up: Argosy, top: Path) -> None:
    assert "--yes" in run(up, "trash", "purge", str(top), code=2, input="")


def test_a_version_is_listed_and_restored_beside_the_present_one(up: Argosy, top: Path) -> None:
    tree = Posix(root=os.fsencode(up.root("london")))
    path = os.fsencode(top / "one")
    replace(tree, path, b"new", tree.stat(path))
    (kept,) = listed(up, "versions", top)
    assert (kept["path"], kept["size"]) == (str(top / "one"), 3)
    run(up, "versions", "restore", str(top / "one"), "--to", str(top / "old"))
    assert ((top / "one").read_text(), (top / "old").read_text()) == ("new", "one")


def test_names_are_shown_without_steering_the_terminal(up: Argosy, top: Path) -> None:
    path = os.fsencode(top) + b"/" + NAME
    subprocess.run(["touch", path], check=True)
    tree = Posix(root=os.fsencode(up.root("london")))
    tree.remove(path, tree.stat(path))
    text = run(up, "trash", "list", str(top))
    assert "\x1b" not in text
    assert "odd\\x1b[31m" in text
    run(up, "trash", "restore", path)
    assert os.path.exists(path)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["restore", "/a", "/b", "--to", "/c"], "--to goes with one PATH"),
        (["purge", "/a", "--yes", "--older-than", "soon"], "is no age"),
    ],
)
def test_what_makes_no_sense_is_refused(up: Argosy, words: list[str], said: str) -> None:
    assert said in run(up, "trash", *words, code=1)


def test_a_name_that_ends_as_with_an_id_is_a_name_first(up: Argosy, top: Path) -> None:
    delete(up, top / "one")
    (first,) = listed(up, "trash", top / "one")
    odd = top / f"one@{first['id']}"
    odd.write_text("called so")
    delete(up, odd)
    run(up, "trash", "restore", str(odd))
    assert odd.read_text() == "called so"
    run(up, "trash", "restore", str(odd))
    assert (top / "one").read_text() == "one"


def test_a_path_of_which_nothing_is_there_is_told_so(up: Argosy, top: Path) -> None:
    done = up.cli("trash", "list", str(top / "never"), "--site", "london")
    assert (done.returncode, done.stdout) == (0, "")
    assert "Nothing of it is in the trash" in done.stderr


def test_an_age_has_a_unit() -> None:
    assert (days("30d"), days("4w")) == (30, 28)
    with pytest.raises(Invalid):
        days("d")
