"""`argosy sync plan`: what a sync of two trees of this machine would do."""

import json
import os
from pathlib import Path

import pytest

from argosy.cli.main import run
from argosy.sync.planner.trees import Binding, Found, Kind, Known, Metadata, Version
from argosy.sync.preview.trees import Place, scan
from argosy.sync.reduction import base as bases
from argosy.sync.reduction.sides import Scanned
from tests.sync.reduction.rows import rows_of

OLD = 1_600_000_000


@pytest.fixture
def trees(tmp_path):
    """Two trees with the same directory and file, of the same times."""
    for name in ("a", "b"):
        (tmp_path / name / "docs").mkdir(parents=True)
        write(tmp_path / name / "docs" / "same", "same")
    return tmp_path / "a", tmp_path / "b"


def write(path, text, when=OLD):
    path.write_text(text)
    os.utime(path, (when, when))


def picture(top):
    """Return everything that a change would change, times of access aside."""
    found = {}
    for folder, folders, files in os.walk(top):
        for name in [".", *folders, *files]:
            path = Path(folder, name)
            state = path.lstat()
            content = path.read_bytes() if path.is_file() and not path.is_symlink() else None
            xattrs = {
                key: os.getxattr(path, key, follow_symlinks=False) for key in os.listxattr(path, follow_symlinks=False)
            }
            fields = (state.st_ino, state.st_mode, state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_nlink)
            found[str(path)] = (*fields, content, xattrs)
    return found


def planned(capsys, *arguments):
    """Return exit status and lines."""
    status = run(["sync", "plan", *map(str, arguments), "-o", "json"])
    return status, [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def done(lines):
    return {(each["site"], each["act"], each["target"]) for each in lines if each["what"] == "operation"}


def test_a_first_sync_says_what_each_side_lacks(trees, capsys):
    a, b = trees
    write(a / "docs" / "new", "new")
    (b / "link").symlink_to("docs")
    status, lines = planned(capsys, a, b)
    assert status == 0
    assert {("site2", "create", "docs/new"), ("site1", "create", "link")} <= done(lines)
    assert not any(each["what"] == "operation" and each["path"] == "docs/same" for each in lines)
    operation = next(each for each in lines if each["what"] == "operation" and each["target"] == "docs/new")
    assert (operation["bytes"], operation["reason"]) == (3, "new on site1")
    assert lines[-1]["what"] == "summary"
    assert lines[-1]["alike"] == 2
    assert lines[-1]["bytes"] == 3


def test_a_plan_changes_neither_tree(trees, capsys, tmp_path):
    a, b = trees
    write(a / "x", "one")
    write(b / "x", "two")
    (a / "gone").mkdir()
    before = picture(tmp_path)
    assert planned(capsys, a, b)[0] == 0
    assert planned(capsys, a, b, "--no-hash")[0] == 3
    assert picture(tmp_path) == before


def test_files_of_one_size_are_read_and_not_judged_by_their_times(trees, capsys):
    a, b = trees
    write(a / "x", "one")
    write(b / "x", "two")
    _, lines = planned(capsys, a, b)
    assert [each["path"] for each in lines if each["what"] == "conflict"] == ["x"]
    assert any(target.startswith("x.conflict-site2-") for _, _, target in done(lines))


def test_without_reading_it_is_said_what_must_be_compared(trees, capsys):
    a, b = trees
    write(a / "x", "one")
    (b / "docs" / "same").chmod(0o600)
    write(a / "new", "new")
    status, lines = planned(capsys, a, b, "--no-hash")
    assert status == 3
    assert {each["path"] for each in lines if each["what"] == "compare"} == {"docs/same"}
    assert lines[-1]["to_compare"] == 1
    assert not any("same" in target for _, _, target in done(lines))


def test_people_are_told_how_much_is_read(trees, capsys):
    assert run(["sync", "plan", *map(str, trees)]) == 0
    told = capsys.readouterr()
    assert "Reading 8 B of 2 files" in told.err
    assert told.out.splitlines()[-1] == "operations: 0, 0 B to carry over; alike: 2"


def test_for_people_every_operation_has_a_line_with_its_reason(trees, capsys):
    a, b = trees
    write(a / "docs" / "new\n", "new")
    assert run(["sync", "plan", str(a), str(b)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any("create" in line and "docs/new\\x0a (new on site1)" in line and "3 B" in line for line in lines)


def test_empty_files_are_alike_without_a_look(trees, capsys):
    for top in trees:
        write(top / "empty", "")
    status, lines = planned(capsys, *trees, "--no-hash")
    assert status == 3
    assert {each["path"] for each in lines if each["what"] == "compare"} == {"docs/same"}
    assert lines[-1]["alike"] == 2


def test_one_way_leaves_the_source_as_it_is(trees, capsys):
    a, b = trees
    write(a / "mine", "mine")
    write(b / "theirs", "theirs")
    _, lines = planned(capsys, a, b, "--one-way")
    assert {each[0] for each in done(lines)} == {"site2"}
    assert not any("theirs" in each[2] for each in done(lines))


@pytest.mark.parametrize(("preference", "loser"), [("newest", "site1"), ("local", "site2"), ("ignore", "site1")])
def test_the_preference_says_who_keeps_the_name(trees, capsys, preference, loser):
    a, b = trees
    write(a / "x", "one", OLD)
    write(b / "x", "two", OLD + 60)
    _, lines = planned(capsys, a, b, "--preference", preference)
    kept = {target.split("-")[1] for _, _, target in done(lines) if ".conflict-" in target}
    assert kept == {loser}


def test_what_cannot_be_synced_is_left_and_named(trees, capsys):
    a, b = trees
    os.mkfifo(b / "pipe")
    status, lines = planned(capsys, a, b)
    assert status == 0
    assert [each["path"] for each in lines if each["what"] == "left"] == ["pipe"]


def agreed(folder, a, b):
    """Write the base of two trees that have the same names; return its file."""
    import pyarrow.parquet as pq

    rows, places = [], []
    for name, path in (("one", a), ("two", b)):
        scan(Place(name=name, path=bytes(path), root=bytes(path)), folder / name)
        rows.append(pq.read_table(folder / name).to_pylist())
        places.append(Scanned(index=folder / name).place)
    ids = {rows[0][0]["inode"]: ""}
    known, parents = [], []
    for number, pair in enumerate(zip(*(each[1:] for each in rows), strict=True)):
        one = pair[0]
        assert one["name"] == pair[1]["name"]
        ids[one["inode"]] = f"{number + 1:032x}"
        content = b"" if one["kind"] == 2 else bytes(32)
        metadata = Metadata(one["mode"], one["uid"], one["gid"])
        on = tuple(
            Found(
                Binding(bytes.fromhex(place.filesystem), place.subvolume, each["inode"], each["born_ns"]),
                Version(each["size"], each["mtime_ns"], each["ctime_ns"]),
            )
            for each, place in zip(pair, places, strict=True)
        )
        known.append(
            Known(ids[one["inode"]], ids[one["parent_inode"]], one["name"], Kind(one["kind"]), content, one["size"],
                  one["mtime_ns"], metadata, on)
        )  # fmt: skip
        parents.append(tuple((each["parent_inode"], each["parent_born_ns"]) for each in pair))
    about = bases.About(pair="one two", generation=1, sides=(places[0], places[1]))
    with bases.BaseWriter(folder / "base", about) as writer:
        writer.add(rows_of(known, parents), sum(each.parent == "" for each in known))
        writer.finish()
    return folder / "base"


def test_with_a_base_it_is_known_what_was_moved_and_what_is_gone(trees, capsys, tmp_path):
    a, b = trees
    for top in trees:
        write(top / "docs" / "old", "old")
    base = agreed(tmp_path, a, b)
    (a / "docs").rename(a / "papers")
    (b / "docs" / "old").unlink()
    status, lines = planned(capsys, a, b, "--base", base)
    assert status == 0
    assert done(lines) == {
        ("site1", "trash", "papers/old"), ("site1", "mtime", "papers"),
        ("site2", "park", "papers"), ("site2", "unpark", "papers"), ("site2", "mtime", "papers"),
    } or {("site2", "unpark", "papers"), ("site1", "trash", "papers/old")} <= done(lines)  # fmt: skip
    assert lines[-1]["bytes"] == 0


def test_a_tree_that_was_emptied_is_refused(trees, capsys, tmp_path):
    a, b = trees
    for top in trees:
        for number in range(3):
            write(top / f"f{number}", "text")
    base = agreed(tmp_path, a, b)
    for path in [a / "docs" / "same", *a.glob("f*")]:
        path.unlink()
    (a / "docs").rmdir()
    status, lines = planned(capsys, a, b, "--base", base)
    assert status == 1
    assert done(lines) == set()
    assert "nothing is left at the top" in next(each["reason"] for each in lines if each["what"] == "refused")


def test_a_base_of_other_trees_is_refused(trees, capsys, tmp_path):
    a, b = trees
    base = agreed(tmp_path, a, b)
    told = bases.about(base)
    with bases.BaseWriter(
        base, bases.About(pair="x", generation=1, sides=(told.sides[0], bases.Place("0" * 32, 9)))
    ) as writer:
        writer.finish()
    assert run(["sync", "plan", str(a), str(b), "--base", str(base)]) == 1
    assert "two other trees" in capsys.readouterr().err


def test_filesets_are_named_by_site_and_name(trees, capsys, tmp_path):
    a, b = trees
    write(a / "new", "new")
    config = tmp_path / "argosy.toml"
    sites = "".join(
        f'[[sites]]\nname = "{site}"\nroots = ["{top}"]\n[[sites.filesets]]\nname = "projects"\npath = "{top}"\n'
        for site, top in (("london", a), ("dublin", b))
    )
    config.write_text(f'[hub]\ndata_dir = "{tmp_path}/data"\n{sites}')
    status, lines = planned(capsys, "london:projects", "dublin:projects", "--config", config)
    assert status == 0
    assert ("dublin", "create", "new") in done(lines)
    assert run(["sync", "plan", "london:other", "dublin:projects", "--config", str(config)]) == 1
    assert "it has projects" in capsys.readouterr().err
    assert run(["sync", "plan", "london:projects", "dublin:projects"]) == 1
    assert "--config" in capsys.readouterr().err


def test_a_tree_in_the_other_is_refused(trees, capsys):
    a, _ = trees
    assert run(["sync", "plan", str(a), str(a / "docs")]) == 1
    assert "lie apart" in capsys.readouterr().err


def test_a_tree_that_is_not_there_is_named(trees, capsys, tmp_path):
    assert run(["sync", "plan", str(trees[0]), str(tmp_path / "missing")]) == 1
    assert "missing" in capsys.readouterr().err
