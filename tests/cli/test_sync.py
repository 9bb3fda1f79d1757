"""`argosy sync plan`: what a sync of two trees of this machine would do."""

import json
import os
import random
from pathlib import Path

import pytest

from argosy.cli.main import run
from argosy.core.errors import Corrupt, Unsupported
from argosy.core.paths import from_json
from argosy.core.pointer import Pointer, StubState
from argosy.filesystems._posix.entry import binding_of
from argosy.filesystems._posix.seal import Seal
from argosy.sync.planner.trees import Binding, Found, Kind, Known, Metadata, Version
from argosy.sync.preview.trees import Place, scan
from argosy.sync.reduction import base as bases
from argosy.sync.reduction.sides import place_of
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


def test_a_conflict_that_may_not_be_read_keeps_nothing_else_from_being_planned(trees, capsys):
    a, b = trees
    write(a / "x", "longer")
    write(b / "x", "short", OLD + 60)
    write(a / "new", "new")
    status, lines = planned(capsys, a, b, "--no-hash")
    assert status == 3
    assert done(lines) == {("site2", "create", "new")}
    read = next(each for each in lines if each["what"] == "read")
    assert (read["site"], read["path"], read["size"]) == ("site1", "x", 6)
    assert [(each["site"], each["path"]) for each in lines if each["what"] == "held"] == [
        ("site1", "x"),
        ("site1", "x"),
    ]
    assert lines[-1]["to_read"] == 1


def test_a_conflict_that_cannot_be_read_is_held_and_the_rest_is_planned(trees, capsys):
    a, b = trees
    write(a / "x", "longer")
    write(b / "x", "short", OLD + 60)
    write(a / "new", "new")
    with (a / "x").open("rb") as file:
        pointer = Pointer(
            state=StubState.STUB, datastore=1, uuid=bytes(16), digest=bytes(32), size=9, mtime_ns=1,
            binding=binding_of(file.fileno()),
        )  # fmt: skip
        Seal().write(file.fileno(), pointer)
    status, lines = planned(capsys, a, b)
    assert status == 3
    assert done(lines) == {("site2", "create", "new")}
    assert any("x: is a stub" in each["reason"] for each in lines if each["what"] == "unread")
    assert "x" in {each["path"] for each in lines if each["what"] == "held"}


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


def agreed(folder, a, b, **more):
    """Write the base of two trees that have the same names; return its file."""
    import pyarrow.parquet as pq

    rows, abouts = [], []
    for name, path in (("one", a), ("two", b)):
        abouts.append(scan(Place(name=name, path=bytes(path), root=bytes(path)), folder / name))
        rows.append(pq.read_table(folder / name).to_pylist())
    places = [place_of(each) for each in abouts]
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
    pair = " ".join(each.fileset for each in abouts)
    told = {"pair": pair, "generation": 1, "sides": (places[0], places[1])} | more
    path = folder / f"base{told.get('chunk', '')}{told['generation']}"
    with bases.BaseWriter(path, bases.About(**told)) as writer:
        writer.add(rows_of(known, parents), sum(each.parent == "" for each in known))
        writer.finish()
    return path


def refused(capsys, *arguments):
    """Return what is said why there is no plan."""
    assert run(["sync", "plan", *map(str, arguments)]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    return told.err


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
    (tmp_path / "c").mkdir()
    told = refused(capsys, a, tmp_path / "c", "--base", base)
    assert f"{base}: is the base of two other trees" in told
    b.rename(tmp_path / "old")
    b.mkdir()
    assert "put in the place of another" in refused(capsys, a, b, "--base", base)


def test_a_base_of_these_trees_in_the_other_order_is_refused(trees, capsys, tmp_path):
    a, b = trees
    base = agreed(tmp_path, a, b)
    assert f"{base}: is the base of these two trees in the other order" in refused(capsys, b, a, "--base", base)


def test_chunks_that_are_no_whole_base_are_refused(trees, capsys, tmp_path):
    a, b = trees
    old, new = agreed(tmp_path, a, b), agreed(tmp_path, a, b, generation=7)
    told = refused(capsys, a, b, "--base", old, "--base", new)
    assert f"{new}: is of generation 7 of the base, {old} of 1: name the chunks of one generation" in told
    copy = tmp_path / "copy"
    copy.write_bytes(old.read_bytes())
    for twice in (old, copy):
        told = refused(capsys, a, b, "--base", old, "--base", twice)
        assert f"{twice}: is the same chunk as {old}: name each chunk once" in told
    part = agreed(tmp_path, a, b, chunk=1, chunks=3)
    told = refused(capsys, a, b, "--base", part)
    assert f"{part}: is one of 3 chunks, and number 1, 3 is not named: name them all" in told


def test_every_flipped_bit_of_a_base_is_found(trees, capsys, tmp_path):
    base = agreed(tmp_path, *trees)
    whole = base.read_bytes()
    rng = random.Random(1)
    for place in (*range(0, len(whole), 7), *range(len(whole) - 40, len(whole))):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << rng.randrange(8)
        base.write_bytes(flipped)
        with pytest.raises((Corrupt, Unsupported)):
            bases.Base.open([base])
    base.write_bytes(whole[:-100])
    assert f"{base}: is no base, or not a whole one" in refused(capsys, *trees, "--base", base)


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
    said = capsys.readouterr().err
    assert "declares no fileset 'other' of site london, but projects" in said
    assert "name the top directory" in said
    assert run(["sync", "plan", "london:projects", "dublin:projects"]) == 1
    assert "--config" in capsys.readouterr().err


def test_a_tree_in_the_other_is_refused(trees, capsys):
    a, _ = trees
    assert run(["sync", "plan", str(a), str(a / "docs")]) == 1
    assert "lie apart" in capsys.readouterr().err


def test_a_value_that_is_none_of_those_there_are_is_refused_in_words_of_ours(capsys):
    assert run(["sync", "run", "/x", "--site", "a", "--to", "b", "--preference", "zfs"]) == 2
    assert "'--preference': 'zfs' is not one of 'newest'" in capsys.readouterr().err


def test_a_tree_that_is_not_there_is_named(trees, capsys, tmp_path):
    assert run(["sync", "plan", str(trees[0]), str(tmp_path / "missing")]) == 1
    assert "missing" in capsys.readouterr().err


def test_a_file_is_no_tree(trees, capsys, tmp_path):
    write(tmp_path / "file", "text")
    assert f"{tmp_path}/file: is not a directory: name two directories" in refused(capsys, tmp_path / "file", trees[1])


def bytes_of(said, key="path"):
    return from_json(said[key], said.get(f"{key}_b64"))


class Hands:
    """Does what was printed, by that alone."""

    def __init__(self, tops, lines):
        self.tops = {site: os.fsencode(top) for site, top in zip(("site1", "site2"), tops, strict=True)}
        self.operations = [each for each in lines if each["what"] == "operation"]
        self.staged = {}
        for each in self.operations:
            if each["act"] in ("create", "replace") and each["kind"] == "file":
                source = self.at(each["source"]["site"], bytes_of(each["source"]))
                self.staged[each["number"]] = Path(os.fsdecode(source)).read_bytes()
                assert os.lstat(source).st_mtime_ns == each["source"]["mtime_ns"]
                assert len(self.staged[each["number"]]) == each["size"]

    def at(self, site, path):
        return os.path.join(self.tops[site], path)

    def work(self):
        for each in sorted(self.operations, key=lambda each: each["number"]):
            getattr(self, each["act"])(each, self.at(each["site"], bytes_of(each)), self.target(each))

    def target(self, each):
        return self.at(each["site"], bytes_of(each, "target"))

    def parked(self, each):
        site = self.tops[each["site"]]
        return site + b".parked-" + next(
            b"%d" % other["number"] for other in self.operations
            if (other["act"], other["site"], other["path"], other["target"])
            == ("park", each["site"], each["path"], each["target"])
        )  # fmt: skip

    def park(self, each, path, _target):
        os.rename(path, self.parked(each))

    def unpark(self, each, _path, target):
        assert not os.path.lexists(target)
        os.rename(self.parked(each), target)

    def trash(self, each, path, _target):
        (os.rmdir if each["kind"] == "directory" else os.unlink)(path)

    def create(self, each, _path, target):
        assert not os.path.lexists(target)
        if "linked" in each:
            os.link(self.at(each["site"], bytes_of(each, "linked")), target)
        elif each["kind"] == "directory":
            os.mkdir(target)
        elif each["kind"] == "symlink":
            os.symlink(bytes_of(each, "content"), target)
        else:
            Path(os.fsdecode(target)).write_bytes(self.staged[each["number"]])
        self.metadata(each, target, target)

    def replace(self, each, _path, target):
        os.unlink(target)
        self.create(each, target, target)

    def metadata(self, each, _path, target):
        os.lchown(target, each["uid"], each["gid"])
        if each["kind"] != "symlink":
            os.chmod(target, int(each["mode"], 8))
        self.mtime(each, target, target)

    def mtime(self, each, _path, target):
        if "mtime_ns" in each:
            os.utime(target, ns=(each["mtime_ns"], each["mtime_ns"]), follow_symlinks=False)


def test_what_is_printed_is_enough_to_do_it(trees, capsys):
    a, b = trees
    odd = os.fsdecode(b"odd \xff\n")
    write(a / "docs" / odd, "odd", OLD + 5)
    (b / "sub").mkdir(mode=0o750)
    write(b / "sub" / "x", "deep")
    os.link(b / "sub" / "x", b / "sub" / "y")
    (a / "link").symlink_to(odd)
    write(a / "both", "the older", OLD)
    write(b / "both", "newer", OLD + 60)
    os.chown(b / "docs" / "same", 12, 34)
    (a / "docs" / "same").chmod(0o640)
    _, lines = planned(capsys, a, b)
    Hands(trees, lines).work()
    status, lines = planned(capsys, a, b)
    assert (status, done(lines)) == (0, set())
    assert sorted(each.read_text() for each in a.glob("both*")) == ["newer", "the older"]
    assert (b / "docs" / odd).stat().st_mtime == OLD + 5


def test_people_are_told_what_to_do_it_with(trees, capsys):
    a, b = trees
    write(a / "both", "the older", OLD)
    write(b / "both", "newer", OLD + 60)
    (a / "docs" / "same").chmod(0o600)
    write(b / "docs" / "same", "same", OLD + 90)
    assert run(["sync", "plan", str(a), str(b)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any("create" in line and "both.conflict" in line and "from both on site1" in line for line in lines)
    assert any("metadata" in line and "mode 0644" in line for line in lines)
    assert any("metadata" in line and "time 2020-09-13T12:28:10.000000000Z" in line for line in lines)
