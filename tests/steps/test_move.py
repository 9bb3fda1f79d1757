"""`move_paths_on_gpfs` and `one_step_move_paths_on_gpfs`."""

import errno
import itertools
import os
import re
import stat
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest

from argosy.agent.housekeeping import clean
from argosy.agent.place import Place
from argosy.core.config import SiteConfig
from argosy.core.entry import Entry, Facts, Kind, Was
from argosy.core.errors import Changed, Corrupt, Invalid
from argosy.core.order import Policy
from argosy.core.outcome import Outcome
from argosy.core.states import FileState
from argosy.filesystems._posix import moving, shelving
from argosy.filesystems.base import Shelf, Stands
from argosy.hsm.file.state import State
from argosy.hsm.tree import move as move_module
from argosy.hsm.tree.across_roots import _Carriage
from argosy.hsm.tree.move import Move
from argosy.linux.rename import exchange
from argosy.steps.base import Work
from argosy.steps.move_paths_on_gpfs import MovePathsOnGpfs
from argosy.steps.one_step_move_paths_on_gpfs import OneStepMovePathsOnGpfs
from tests.loop import LoopMount, loop_mount
from tests.sites import Side
from tests.steps.stubs import CONTENT, HOUR, made, pointer, premigrated, recall, state, stub
from tests.trees import compare, nasty_tree

__all__ = ["loop_mount"]

TWO, ONE = "move_paths_on_gpfs", "one_step_move_paths_on_gpfs"
both = pytest.mark.parametrize("step", [TWO, ONE])


def write(path: Path, content: str = "content") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def entry(source: Path, target: Path, **facts: Any) -> Entry:
    return Entry(path=bytes(target), source=bytes(source), **facts)


def listed(side: Side, source: Path, target: Path) -> Entry:
    """As a look at the source finds it."""
    return msgspec.structs.replace(side.entry(source), path=bytes(target), source=bytes(source))


def moved(side: Side, step: str, *entries: Entry, **options: Any) -> list[Outcome]:
    return side.do(step, *entries, **options)


def one(side: Side, step: str, source: Path, target: Path, **options: Any) -> Outcome:
    (outcome,) = moved(side, step, entry(source, target), **options)
    return outcome


def on_shelf(side: Side, shelf: Shelf) -> list[str]:
    return [os.fsdecode(kept.entry.path) for kept in side.place.tree(bytes(side.tree)).kept(shelf)]


@pytest.mark.feature("HUB-STEP-030")
def test_two_files_are_swapped_and_a_directory_moves_with_what_it_holds(london: Side, tmp_path: Path) -> None:
    a, b = write(london.tree / "a", "1"), write(london.tree / "b", "2")
    source, target = london.tree / "nasty", london.tree / "new/place"
    nasty_tree(source)
    subprocess.run(["cp", "-a", source, tmp_path / "copy"], check=True)
    outcomes = moved(london, TWO, listed(london, a, b), listed(london, b, a), entry(source, target))
    assert [outcome.state for outcome in outcomes] == [FileState.PROCESSED] * 3, outcomes
    assert (a.read_text(), b.read_text()) == ("2", "1")
    assert compare(tmp_path / "copy", target) == []
    assert not source.exists()
    assert on_shelf(london, Shelf.VERSIONS) == []


@pytest.mark.feature("HUB-STEP-034")
def test_in_one_step_each_path_is_moved_directly(london: Side) -> None:
    a, b, c = write(london.tree / "a", "1"), london.tree / "d/b", london.tree / "e"
    (london.tree / "dir/sub").mkdir(parents=True)
    outcomes = moved(london, ONE, entry(a, b), entry(london.tree / "dir", c))
    assert [outcome.state for outcome in outcomes] == [FileState.PROCESSED] * 2
    assert b.read_text() == "1"
    assert (c / "sub").is_dir()
    assert not a.exists()


@both
def test_what_is_at_the_target_goes_to_the_version_store(london: Side, step: str) -> None:
    a, b = write(london.tree / "a", "new"), write(london.tree / "b", "old")
    outcome = one(london, step, a, b)
    assert (outcome.state, outcome.reason) == (
        FileState.PROCESSED,
        f"what was there is kept: see `argosy versions list {b}`",
    )
    assert b.read_text() == "new"
    assert on_shelf(london, Shelf.VERSIONS) == [str(b)]


@both
def test_a_directory_that_holds_something_is_not_replaced(london: Side, step: str) -> None:
    a, b = write(london.tree / "a"), write(london.tree / "b/inside")
    outcome = one(london, step, a, b.parent)
    assert (outcome.state, outcome.error) == (FileState.FAILED, "not_empty")
    assert a.exists()
    assert b.exists()


@pytest.mark.feature("HUB-STEP-035")
@both
def test_relative_and_broken_symlinks_move_as_they_are(london: Side, step: str) -> None:
    write(london.tree / "target")
    for name, to in {"relative": "target", "broken": "no/such", "up": "../.."}.items():
        link = london.tree / name
        link.symlink_to(to)
        assert one(london, step, link, london.tree / f"d/{name}").state is FileState.PROCESSED
        assert os.readlink(london.tree / f"d/{name}") == to
        assert not link.is_symlink()


@pytest.mark.feature("HUB-STEP-036")
@both
def test_a_move_that_was_done_before_is_skipped(london: Side, step: str) -> None:
    a, b = write(london.tree / "a"), london.tree / "b"
    known, unknown = listed(london, a, b), entry(a, b)
    assert one(london, step, a, b).state is FileState.PROCESSED
    assert one(london, step, a, b).state is FileState.FAILED  # for all it knows, somebody else made what is there
    london.attempt = 2
    outcomes = moved(london, step, known, unknown)
    assert [(outcome.state, outcome.reason) for outcome in outcomes] == [(FileState.SKIPPED, "is there already")] * 2
    assert outcomes[1].entry.inode == b.stat().st_ino
    write(a, "another")
    assert moved(london, step, known)[0].state is FileState.SKIPPED
    assert (a.read_text(), b.read_text()) == ("another", "content")


@both
def test_a_source_that_is_another_file_by_now_stays(london: Side, step: str) -> None:
    a, b = write(london.tree / "a"), london.tree / "b"
    seen = listed(london, a, b)
    a.rename(london.tree / "elsewhere")
    write(a, "another")
    (outcome,) = moved(london, step, seen)
    assert outcome.state is FileState.ABORTED
    assert a.read_text() == "another"
    assert not b.exists()


@both
def test_without_its_source_a_path_fails_or_aborts(london: Side, step: str) -> None:
    missing, target = london.tree / "missing", london.tree / "target"
    outcome = one(london, step, missing, target)
    assert (outcome.state, outcome.error) == (FileState.FAILED, "not_found")
    assert one(london, step, missing, target, abort_missing=True).state is FileState.ABORTED


@pytest.mark.feature("HUB-STEP-032")
@both
def test_paths_without_a_source_are_handed_to_another_step(london: Side, dublin: Side, step: str) -> None:
    file = made(dublin, "f")
    (sent,) = dublin.do("migrate", dublin.entry(file), premigrate=True)
    target, source = london.tree / "f", london.tree / "missing"
    given = msgspec.structs.replace(sent.entry, path=bytes(target), source=bytes(source), inode=0)
    (outcome,) = moved(
        london, step, given, source_missing_signature={"name": "dynamo.tasks.reverse_stub", "hydrate": True}
    )
    assert outcome.state is FileState.PROCESSED, outcome.reason
    assert target.read_bytes() == CONTENT
    other = entry(source, london.tree / "none")
    signature = {"task": "dynamo.tasks.delete_paths_from_gpfs", "kwargs": {"recursive": True}}
    (outcome,) = moved(london, step, other, source_missing_signature=signature)
    assert (outcome.state, outcome.reason) == (FileState.SKIPPED, "is gone already")


def test_a_signature_of_no_step_is_refused() -> None:
    for signature in ({}, {"name": "dynamo.tasks.explode"}, {"name": "dynamo.tasks.stat_paths", "x": 1}):
        with pytest.raises(Invalid):
            MovePathsOnGpfs(source_missing_signature=signature)


@pytest.mark.feature("HUB-STEP-033")
@both
def test_a_target_that_is_newer_stays_and_the_source_goes(london: Side, step: str) -> None:
    a, b = write(london.tree / "a", "moved"), write(london.tree / "b", "newer")
    then = int(b.stat().st_ctime) - 1
    outcome = one(london, step, a, b, target_max_age=then)
    assert outcome.state is FileState.SKIPPED
    assert "newer" in outcome.reason
    assert b.read_text() == "newer"
    assert not a.exists()
    assert on_shelf(london, Shelf.TRASH) == [str(a)]
    write(a, "moved")
    assert one(london, step, a, b, target_max_age=int(time.time()) + 1).state is FileState.PROCESSED
    assert b.read_text() == "moved"


@pytest.mark.feature("HUB-STEP-031")
@both
def test_what_is_moved_forgets_its_copy_if_asked_but_a_stub_never(london: Side, step: str) -> None:
    a, keeps = premigrated(london, "a"), premigrated(london, "keeps")
    inside = premigrated(london, "d/inside")
    bare = stub(london, "stub")
    targets = {path: london.tree / f"moved/{path.name}" for path in (a, inside.parent, bare)}
    entries = [entry(source, target) for source, target in targets.items()]
    outcomes = moved(london, step, *entries, delete_remote_xattrs=True)
    assert [outcome.state for outcome in outcomes] == [FileState.PROCESSED] * 3
    assert pointer(london, targets[a]) is None
    assert pointer(london, targets[inside.parent] / "inside") is None
    assert state(london, targets[bare]) is State.STUB
    assert one(london, step, keeps, london.tree / "kept").state is FileState.PROCESSED
    assert state(london, london.tree / "kept") is State.PREMIGRATED


@both
def test_an_entry_without_a_source_fails(london: Side, step: str) -> None:
    (outcome,) = moved(london, step, london.entry(write(london.tree / "f")))
    assert (outcome.state, outcome.error) == (FileState.FAILED, "invalid")
    assert "source" in outcome.reason


def test_a_batch_that_breaks_puts_everything_back(london: Side) -> None:
    a, b = write(london.tree / "a", "1"), write(london.tree / "b", "2")
    site = london.site()
    step = MovePathsOnGpfs()
    works = [step.prepare(given, site) for given in (entry(a, b), entry(b, a))]
    assert not a.exists()
    assert not b.exists()
    for work in works:
        work.close()
    assert (a.read_text(), b.read_text()) == ("1", "2")


@pytest.mark.parametrize("order", [1, -1])
def test_what_is_not_moved_after_all_keeps_its_name(alone: Side, order: int) -> None:
    a, c, taken = write(alone.tree / "a", "A"), write(alone.tree / "c", "C"), write(alone.tree / "b/inside")
    outcomes = moved(alone, TWO, *[entry(a, taken.parent), entry(c, a)][::order])[::order]
    assert [outcome.state for outcome in outcomes] == [FileState.FAILED, FileState.ABORTED]
    assert (a.read_text(), c.read_text()) == ("A", "C")
    assert on_shelf(alone, Shelf.VERSIONS) == []


def prepared(side: Side, source: Path, target: Path) -> Work:
    work = MovePathsOnGpfs().prepare(entry(source, target), side.site())
    assert isinstance(work, Work)
    return work


def test_what_was_put_back_on_its_name_does_not_give_way(alone: Side) -> None:
    a, c = write(alone.tree / "a", "A"), write(alone.tree / "c", "C")
    coming, going = prepared(alone, c, a), prepared(alone, a, alone.tree / "b")
    going.close()
    with pytest.raises(Changed, match="was put back"):
        coming.commit().settle()
    assert (a.read_text(), c.read_text()) == ("A", "C")


def test_what_has_lost_another_name_gives_way(alone: Side) -> None:
    a, c, other = write(alone.tree / "a", "A"), write(alone.tree / "c", "C"), alone.tree / "other"
    other.hardlink_to(a)
    coming, going = prepared(alone, c, a), prepared(alone, other, alone.tree / "b")
    coming.commit().settle()
    going.commit().settle()
    assert (a.read_text(), (alone.tree / "b").read_text()) == ("C", "A")
    assert on_shelf(alone, Shelf.VERSIONS) == [str(a)]


@pytest.mark.parametrize("order", [1, -1])
def test_a_directory_that_is_not_moved_after_all_is_where_it_was(alone: Side, order: int) -> None:
    inside, x, taken = write(alone.tree / "d/1"), write(alone.tree / "x"), write(alone.tree / "e/inside")
    outcomes = moved(alone, TWO, *[entry(inside.parent, taken.parent), entry(x, inside.parent / "x")][::order])[::order]
    assert [outcome.state for outcome in outcomes] == [FileState.FAILED, FileState.PROCESSED]
    assert sorted(path.name for path in inside.parent.iterdir()) == ["1", "x"]


@pytest.mark.parametrize("order", [1, -1])
def test_what_gives_way_to_a_newer_target_goes_to_the_trash_and_its_name_is_free(alone: Side, order: int) -> None:
    a, c, b = (write(alone.tree / name, name) for name in "acb")
    outcomes = moved(alone, TWO, *[entry(a, b), entry(c, a)][::order], target_max_age=1)[::order]
    assert [outcome.state for outcome in outcomes] == [FileState.SKIPPED, FileState.PROCESSED]
    assert (a.read_text(), b.read_text()) == ("c", "b")
    assert on_shelf(alone, Shelf.TRASH) == [str(a)]


def test_what_finds_both_its_names_taken_is_told_by_its_new_one(alone: Side) -> None:
    a, b = write(alone.tree / "a", "A"), alone.tree / "b"
    site = alone.site()
    prepared = MovePathsOnGpfs().prepare(entry(a, b), site)
    assert isinstance(prepared, Work)
    placing = prepared.commit()
    write(a, "another")
    write(b, "newer")
    conflict = alone.tree / "a.moved-conflict"
    with pytest.raises(Changed, match=re.escape(str(conflict))):
        placing.settle()
    assert (a.read_text(), b.read_text(), conflict.read_text()) == ("another", "newer", "A")


def test_what_is_in_a_directory_and_moved_along_with_it_goes_its_own_way(london: Side) -> None:
    f, g = write(london.tree / "d/f"), write(london.tree / "d/g")
    outcomes = moved(london, TWO, entry(f.parent, london.tree / "e"), entry(f, london.tree / "k"))
    assert [outcome.state for outcome in outcomes] == [FileState.PROCESSED] * 2
    assert sorted(path.name for path in london.tree.rglob("*")) == ["e", g.name, "k"]


# killed


def test_a_swap_that_is_killed_half_way_is_done_after_all(london: Side) -> None:
    """As a swap of which one half was placed: the other goes where it was bound for."""
    a, b = write(london.tree / "a", "1"), write(london.tree / "b", "2")
    step, site = MovePathsOnGpfs(), london.site()
    first, _second = (step.prepare(given, site) for given in (listed(london, a, b), listed(london, b, a)))
    first.commit().settle()
    london.place.tree(bytes(london.tree)).sweep()
    assert (a.read_text(), b.read_text()) == ("2", "1")


# between roots


@pytest.fixture
def alone(london: Side) -> Side:
    """A site with one hand, which takes the paths of a batch in their order."""
    london.pool = ThreadPoolExecutor(1)
    return london


@pytest.fixture
def two_roots(tmp_path: Path) -> Side:
    return with_two_roots(tmp_path)


def with_two_roots(top: Path) -> Side:
    side = Side(top, "london")
    (top / "other").mkdir()
    config = SiteConfig(name="london", roots=(str(side.root), str(top / "other")))
    side.place.close()
    side.place = Place(config, top / "agent", shelves=[str(side.store)])
    side.place.start()
    return side


@pytest.mark.feature("HUB-STEP-035")
@both
def test_files_trees_and_symlinks_move_to_another_fileset(two_roots: Side, tmp_path: Path, step: str) -> None:
    file, link = write(two_roots.tree / "f", "content"), two_roots.tree / "link"
    link.symlink_to("no/such")
    nasty_tree(two_roots.tree / "nasty")
    subprocess.run(["cp", "-a", "--no-preserve=links", two_roots.tree, tmp_path / "copy"], check=True)
    other = tmp_path / "other/d"
    entries = [entry(path, other / path.name) for path in (file, link, two_roots.tree / "nasty")]
    outcomes = moved(two_roots, step, *entries)
    assert [outcome.state for outcome in outcomes] == [FileState.PROCESSED] * 3, outcomes
    assert [line for line in compare(tmp_path / "copy", other, top=False) if "links" not in line] == []
    assert list(two_roots.tree.iterdir()) == []
    assert str(file) in on_shelf(two_roots, Shelf.TRASH)


@both
def test_what_is_replaced_in_another_fileset_is_kept_there(two_roots: Side, tmp_path: Path, step: str) -> None:
    file, target = write(two_roots.tree / "f", "new"), write(tmp_path / "other/f", "old")
    assert one(two_roots, step, file, target).state is FileState.PROCESSED
    assert target.read_text() == "new"
    (kept,) = two_roots.place.tree(bytes(target)).kept(Shelf.VERSIONS)
    assert kept.entry.path == bytes(target)


@both
def test_what_somebody_writes_to_is_not_carried_away(two_roots: Side, tmp_path: Path, step: str) -> None:
    file, target = write(two_roots.tree / "d/f"), tmp_path / "other/f"
    with file.open("a") as writer:
        assert one(two_roots, step, file, target).state is FileState.ABORTED
        assert one(two_roots, step, file.parent, target.parent / "d").state is FileState.ABORTED
        writer.write(" and more")
    assert not target.exists()
    assert not (target.parent / "d").exists()
    assert one(two_roots, step, file, target).state is FileState.PROCESSED
    assert target.read_text() == "content and more"


def test_what_has_capabilities_is_not_carried(two_roots: Side, tmp_path: Path) -> None:
    file = write(two_roots.tree / "f")
    os.setxattr(file, "security.capability", bytes.fromhex("0100000200200000000000000000000000000000"))
    outcome = one(two_roots, TWO, file, tmp_path / "other/f")
    assert (outcome.state, outcome.error) == (FileState.FAILED, "unsupported")
    assert "setcap" in outcome.reason
    assert file.exists()


def test_a_directory_that_cannot_be_carried_whole_is_not_begun(two_roots: Side, tmp_path: Path) -> None:
    top, target = write(two_roots.tree / "d/a").parent, tmp_path / "other/d"
    os.mkfifo(top / "pipe")
    assert one(two_roots, TWO, top, target).error == "unsupported"
    assert not target.exists()
    (top / "pipe").unlink()
    assert one(two_roots, TWO, top, target).state is FileState.PROCESSED


@pytest.mark.parametrize("killed", ["copying", "removing"])
def test_a_directory_that_was_carried_half_way_is_carried_on(
    two_roots: Side, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed: str
) -> None:
    top, target = write(two_roots.tree / "d/a", "a").parent, tmp_path / "other/d"
    write(top / "b", "b")
    write(top / "sub/c", "c")
    (top / "link").symlink_to("a")
    with monkeypatch.context() as patch:
        verb = "_copy_once" if killed == "copying" else "_leave_one"
        patch.setattr(_Carriage, verb, fourth_time_killed(getattr(_Carriage, verb)))
        with pytest.raises(KeyboardInterrupt):
            OneStepMovePathsOnGpfs().apply(entry(top, target), two_roots.site())
    assert top.exists()
    assert target.exists()
    assert one(two_roots, TWO, top, target).state is FileState.PROCESSED
    found = {str(path.relative_to(target)): path.read_text() for path in target.rglob("*") if path.is_file()}
    assert found == {"a": "a", "b": "b", "link": "a", "sub/c": "c"}
    assert not top.exists()


def fourth_time_killed(verb: Any) -> Any:
    calls = itertools.count(1)

    def dying(*arguments: Any) -> Any:
        if next(calls) == 4:
            raise KeyboardInterrupt
        return verb(*arguments)

    return dying


def test_an_empty_directory_gives_way_to_one_that_is_carried_and_is_kept(two_roots: Side, tmp_path: Path) -> None:
    """Somebody who made it before would own what is carried into it."""
    top, target = write(two_roots.tree / "private/f").parent, tmp_path / "other/private"
    target.parent.chmod(0o1777)
    target.mkdir()
    os.chown(target, 4001, 4001)
    bobs(top, 0o700)
    outcome = one(two_roots, ONE, top, target)
    assert outcome.state is FileState.PROCESSED
    assert (target.stat().st_uid, stat.S_IMODE(target.stat().st_mode)) == (4002, 0o700)
    assert os.listdir(target) == ["f"]
    assert "versions list" in outcome.reason
    (kept,) = two_roots.place.tree(bytes(target)).kept(Shelf.VERSIONS)
    assert (kept.entry.path, kept.entry.kind) == (bytes(target), Kind.DIRECTORY)
    assert os.listdir(tmp_path / "other/.argosy/staging") == []


def bobs(path: Path, mode: int) -> None:
    os.chown(path, 4002, 4002)
    path.chmod(mode)


@pytest.mark.parametrize("what", ["the directory", "one in it"])
def test_nothing_is_carried_into_what_somebody_put_there_meanwhile(
    two_roots: Side, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    top, target = write(two_roots.tree / "d/sub/f").parent.parent, tmp_path / "other/d"
    others = target if what == "the directory" else target / "sub"

    def intrude(carriage: Any, seen: Entry, path: bytes) -> Any:
        if path == bytes(target / "sub/f" if what == "the directory" else others):
            if others.exists():
                others.rename(tmp_path / "away")
            (target / "sub").mkdir(parents=True)
        return real(carriage, seen, path)

    real = _Carriage._copy_once
    monkeypatch.setattr(_Carriage, "_copy_once", intrude)
    outcome = one(two_roots, ONE, top, target)
    assert outcome.error == "changed"
    assert os.listdir(target / "sub") == []
    assert (top / "sub/f").read_text() == "content"


def test_what_changes_between_the_copy_and_the_removal_is_carried_too(
    two_roots: Side, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    top, target = write(two_roots.tree / "d/sub/f").parent.parent, tmp_path / "other/d"

    def dress(carriage: Any, seen: Entry, path: bytes, together: str) -> Any:
        if seen.path == bytes(top / "sub/f"):
            (top / "sub").chmod(0o700)
            (top / "sub/f").chmod(0o600)
            os.setxattr(top / "sub/f", "user.checked", b"yes")
        return real(carriage, seen, path, together)

    real = _Carriage._leave_one
    monkeypatch.setattr(_Carriage, "_leave_one", dress)
    assert one(two_roots, ONE, top, target).state is FileState.PROCESSED
    assert not top.exists()
    file = target / "sub/f"
    assert [stat.S_IMODE(path.stat().st_mode) for path in (file, file.parent)] == [0o600, 0o700]
    assert os.getxattr(file, "user.checked") == b"yes"
    assert file.read_text() == "content"


def test_a_symlink_that_leads_elsewhere_is_no_copy(
    two_roots: Side, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    top, target = two_roots.tree / "d", tmp_path / "other/d"
    top.mkdir()
    (top / "link").symlink_to("here")

    def turn(carriage: Any, seen: Entry, path: bytes, together: str) -> Any:
        (target / "link").unlink(missing_ok=True)
        (target / "link").symlink_to("elsewhere")
        return real(carriage, seen, path, together)

    real = _Carriage._leave_one
    monkeypatch.setattr(_Carriage, "_leave_one", turn)
    assert one(two_roots, ONE, top, target).error == "corrupt"
    assert os.readlink(top / "link") == "here"


@pytest.mark.feature("HUB-STEP-036")
def test_a_directory_that_was_carried_before_its_report_was_lost_is_skipped(two_roots: Side, tmp_path: Path) -> None:
    top, target = write(two_roots.tree / "d/f").parent, tmp_path / "other/d"
    known = listed(two_roots, top, target)
    assert moved(two_roots, ONE, known)[0].state is FileState.PROCESSED
    write(target / "new")
    two_roots.attempt = 2
    assert moved(two_roots, ONE, known)[0].state is FileState.SKIPPED
    other = msgspec.structs.replace(known, inode=known.inode + 1)
    assert moved(two_roots, ONE, other)[0].error == "not_found"


@pytest.mark.parametrize("other", ["content", "more on either side"])
def test_a_directory_is_not_mixed_with_another(two_roots: Side, tmp_path: Path, other: str) -> None:
    top, target = write(two_roots.tree / "d/a", "a").parent, tmp_path / "other/d"
    if other == "content":
        write(target / "a", "another")
    else:
        subprocess.run(["cp", "-a", top, target], check=True)
        write(target / "theirs")
        write(top / "ours")
    outcome = one(two_roots, TWO, top, target)
    assert (outcome.state, outcome.error) == (FileState.FAILED, "not_empty")
    assert (top / "a").read_text() == "a"


def test_what_was_carried_before_is_skipped(two_roots: Side, tmp_path: Path) -> None:
    file, target = write(two_roots.tree / "f"), tmp_path / "other/f"
    known = listed(two_roots, file, target)
    outcomes = [moved(two_roots, TWO, known)[0] for _ in range(2)]
    assert [outcome.state for outcome in outcomes] == [FileState.PROCESSED, FileState.SKIPPED]


def test_what_two_subvolumes_are_apart_by_is_copied(
    loop_mount: LoopMount, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    top = loop_mount("btrfs") / tmp_path.name
    top.mkdir()
    side = Side(top, "site", store=tmp_path)
    subvolumes = [top / "one", top / "two"]
    for path in subvolumes:
        subprocess.run(["btrfs", "-q", "subvolume", "create", path], check=True)
        request.addfinalizer(lambda path=path: subprocess.run(["btrfs", "-q", "subvolume", "delete", path], check=True))
    side.place.close()
    side.place = Place(SiteConfig(name="site", roots=tuple(map(str, subvolumes))), tmp_path / "agent")
    side.place.start()
    file, target = write(top / "one/d/f", "content"), top / "two/d/f"
    with pytest.raises(OSError, match="cross-device"):
        file.rename(top / "two/f")
    assert one(side, TWO, file.parent, target.parent).state is FileState.PROCESSED
    assert target.read_text() == "content"
    assert not file.parent.exists()
    side.place.close()


def test_a_stub_is_a_stub_in_another_fileset_and_can_be_recalled(two_roots: Side, tmp_path: Path) -> None:
    file, target = stub(two_roots, "f"), tmp_path / "other/f"
    assert one(two_roots, TWO, file, target).state is FileState.PROCESSED
    assert state(two_roots, target) is State.STUB
    (outcome,) = two_roots.do("recall", Entry(path=bytes(target)))
    assert outcome.state is FileState.PROCESSED, outcome.reason
    assert target.read_bytes() == CONTENT


def test_a_stub_whose_attributes_have_as_many_blocks_as_it_has_bytes_is_carried_without_data(
    loop_mount: LoopMount, tmp_path: Path
) -> None:
    top = loop_mount("ext4") / tmp_path.name
    top.mkdir()
    side = with_two_roots(top)
    file, target = stub(side, "f", CONTENT[:500]), top / "other/f"
    os.setxattr(file, "user.large", b"x" * 600)
    assert file.stat().st_blocks * 512 >= 500
    assert one(side, ONE, file, target).state is FileState.PROCESSED
    assert state(side, target) is State.STUB
    assert recall(side, target) == CONTENT[:500]


# disks that are full


def cannot_make(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the disk be full for all that is new: what only changes its name goes on."""

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "mkdir", full)


@both
def test_where_there_is_no_room_for_what_it_replaces_nothing_is_moved(
    london: Side, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    a, b = write(london.tree / "a", "new"), write(london.tree / "b", "old")
    one(london, step, write(london.tree / "x"), london.tree / "y")
    cannot_make(monkeypatch)
    outcome = one(london, step, a, b)
    assert (outcome.state, outcome.error) == (FileState.FAILED, "disk_full")
    assert (a.read_text(), b.read_text()) == ("new", "old")
    assert os.listdir(london.root / ".argosy/moving") == []


@both
def test_a_disk_that_runs_full_between_both_names_halves_no_move(
    london: Side, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    a, b = write(london.tree / "a", "new"), write(london.tree / "b", "old")
    real = moving.exchange

    def filling(*names: Any) -> None:
        real(*names)
        cannot_make(monkeypatch)

    monkeypatch.setattr(moving, "exchange", filling)
    assert one(london, step, a, b).state is FileState.PROCESSED
    assert (a.exists(), b.read_text()) == (False, "new")
    assert on_shelf(london, Shelf.VERSIONS) == [str(b)]


@both
def test_what_cannot_be_shelved_after_all_gets_its_name_back(
    london: Side, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    a, b = write(london.tree / "a", "new"), write(london.tree / "b", "old")
    real = shelving.noreplace

    def failing(*names: Any) -> None:
        monkeypatch.setattr(shelving, "noreplace", real)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shelving, "noreplace", failing)
    assert one(london, step, a, b).error == "disk_full"
    assert (a.read_text(), b.read_text()) == ("new", "old")
    assert on_shelf(london, Shelf.VERSIONS) == []


def test_a_root_is_served_though_there_is_no_room_for_what_a_killed_move_left(
    london: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = write(london.tree / "a", "new"), write(london.tree / "b", "old")
    tree = london.place.tree(bytes(london.tree))
    parked = tree.park(bytes(a), tree.stat(bytes(a)), bound_for=bytes(b))
    (name,) = (path for path in (london.root / ".argosy/moving").iterdir() if path.suffix != ".note")
    with monkeypatch.context() as patch:
        exchange_names(name, b)  # and there the agent is killed
        cannot_make(patch)
        tree.sweep()
        assert b.read_text() == "new"
        assert name.read_text() == "old"
    tree.sweep()
    assert on_shelf(london, Shelf.VERSIONS) == [str(b)]
    assert os.listdir(london.root / ".argosy/moving") == []
    parked.put_back()


def exchange_names(one: Path, other: Path) -> None:
    directories = [os.open(path.parent, os.O_RDONLY) for path in (one, other)]
    exchange(directories[0], os.fsencode(one.name), directories[1], os.fsencode(other.name))
    for directory in directories:
        os.close(directory)


def test_what_others_put_in_the_place_of_what_is_parked_is_no_version_that_expires(
    london: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    london.policy = Policy(trash_days=0)
    file = write(london.tree / "d/f", "the only copy")
    real = Move.check

    def late(self: Move, parked: Any) -> Any:
        file.parent.rmdir()
        file.parent.write_text("a file now")
        write(london.tree / "g/x")
        return real(self, parked)

    monkeypatch.setattr(Move, "check", late)
    outcome = one(london, TWO, file, london.tree / "g")
    assert "in the version store" in outcome.reason
    assert clean(london.place.tree(bytes(london.tree)), trash_days=0, now=time.time_ns()) == 0
    assert on_shelf(london, Shelf.VERSIONS) == [str(file)]


# what was reported wrongly


@pytest.mark.parametrize("ahead", [0, HOUR])
@both
def test_a_source_that_is_another_by_now_under_the_same_number_stays(
    loop_mount: LoopMount, tmp_path: Path, step: str, ahead: int
) -> None:
    """`ahead`: by how much the clock was set back between the two."""
    side = Side(loop_mount("ext4") / tmp_path.name, "london", store=tmp_path)
    old = write(side.tree / "f", "old")
    given = listed(side, old, side.tree / "g")
    given = msgspec.structs.replace(given, ctime_ns=given.ctime_ns + ahead)
    old.unlink()
    assert write(old, "new").stat().st_ino == given.inode
    assert moved(side, step, given)[0].state is FileState.ABORTED
    assert old.read_text() == "new"


def test_a_directory_from_which_something_is_moved_along_can_be_replaced(london: Side) -> None:
    file, other = write(london.tree / "t/f"), write(london.tree / "s/x")
    goes = listed(london, file, london.tree / "g"), listed(london, other.parent, file.parent)
    assert [outcome.state for outcome in moved(london, TWO, *goes)] == [FileState.PROCESSED] * 2
    assert (london.tree / "t/x").exists()


@both
def test_a_directory_gives_way_to_a_newer_target_with_all_it_holds(london: Side, step: str) -> None:
    held, target = write(london.tree / "d/f"), london.tree / "e"
    target.mkdir()
    assert one(london, step, held.parent, target, target_max_age=5).state is FileState.SKIPPED
    assert not held.parent.exists()
    assert str(held) in on_shelf(london, Shelf.TRASH)


@both
def test_a_second_attempt_does_not_take_an_old_file_for_what_was_to_be_moved(london: Side, step: str) -> None:
    target = write(london.tree / "there", "something else")
    ago = time.time() - 3600
    london.began, london.attempt = time.time() + 120, 2
    assert one(london, step, london.tree / "never", target).error == "not_found"
    london.began = ago
    assert one(london, step, london.tree / "never", target).state is FileState.SKIPPED


@both
def test_a_second_attempt_does_not_move_what_has_the_name_since_the_first(london: Side, step: str) -> None:
    source, target = write(london.tree / "a", "moved"), london.tree / "b"
    assert one(london, step, source, target).state is FileState.PROCESSED
    write(source, "made anew")
    london.attempt = 2
    assert one(london, step, source, target).state is FileState.ABORTED
    assert (source.read_text(), target.read_text()) == ("made anew", "moved")


@both
def test_a_move_is_done_though_something_in_it_keeps_its_location(
    london: Side, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    gone, good = premigrated(london, "d/gone"), premigrated(london, "d/z")
    premigrated(london, "d/bad")
    real = move_module._forget_location

    def late(path: bytes, *more: Any) -> None:
        (london.tree / "e/gone").unlink(missing_ok=True)
        if path.endswith(b"bad"):
            raise Corrupt("cannot be read")
        real(path, *more)

    monkeypatch.setattr(move_module, "_forget_location", late)
    outcome = one(london, step, gone.parent, london.tree / "e", delete_remote_xattrs=True)
    assert outcome.state is FileState.PROCESSED
    assert "1 may have their locations still" in outcome.reason
    assert pointer(london, london.tree / "e" / good.name) is None


@both
def test_without_retention_nobody_is_sent_to_the_version_store(london: Side, step: str) -> None:
    london.policy = Policy(trash_days=0)
    outcome = one(london, step, write(london.tree / "a"), write(london.tree / "b"))
    assert outcome.state is FileState.PROCESSED
    assert "versions list" not in outcome.reason


def was(path: Path, *, object_: bytes = b"1", since_ns: int = 1, mtime_ns: int | None = None) -> dict[str, Any]:
    """What another site knows of what moved there, which is like what is at the path here."""
    found = path.lstat()
    kind = Kind.SYMLINK if path.is_symlink() else Kind.DIRECTORY if path.is_dir() else Kind.FILE
    before = Was(size=found.st_size, mtime_ns=found.st_mtime_ns, object=object_, since_ns=since_ns)
    mtime_ns = found.st_mtime_ns if mtime_ns is None else mtime_ns
    return {"kind": kind, "size": found.st_size, "mtime_ns": mtime_ns, "facts": Facts(was=before)}


@both
def test_what_is_not_what_moved_at_the_other_site_is_left_as_it_is(london: Side, step: str) -> None:
    meant, other, link = write(london.tree / "a"), write(london.tree / "other", "more of it"), london.tree / "link"
    link.symlink_to("a")
    for kind in (other, link, london.tree):
        (outcome,) = moved(london, step, entry(meant, london.tree / "b", **was(kind)))
        assert (outcome.state, outcome.error) == (FileState.ABORTED, "changed"), outcome
        assert "is not what is to be moved to" in outcome.reason
    assert (meant.read_text(), (london.tree / "b").exists()) == ("content", False)


@both
def test_what_was_written_to_since_it_was_found_is_known_by_what_it_was(london: Side, step: str) -> None:
    source = write(london.tree / "a")
    (outcome,) = moved(london, step, entry(source, london.tree / "b", **was(source, mtime_ns=1)))
    assert outcome.state is FileState.PROCESSED, outcome


def test_a_swap_that_was_done_is_not_done_again(london: Side) -> None:
    a, b = write(london.tree / "a", "one"), write(london.tree / "b", "three")
    d, e = write(london.tree / "d/in", "in d").parent, write(london.tree / "e/in", "in e").parent
    (london.tree / "l").symlink_to("one")
    (london.tree / "m").symlink_to("other")
    names = [(a, b), (d, e), (london.tree / "l", london.tree / "m")]
    pairs = [pair for both_ways in names for pair in (both_ways, both_ways[::-1])]
    entries = [entry(x, y, **was(x, object_=bytes(x))) for x, y in pairs]
    for _ in range(3):
        outcomes = moved(london, TWO, *entries)
        assert (a.read_text(), b.read_text()) == ("three", "one")
        assert ((d / "in").read_text(), (e / "in").read_text()) == ("in e", "in d")
        assert (os.readlink(london.tree / "l"), os.readlink(london.tree / "m")) == ("other", "one")
    assert {outcome.state for outcome in outcomes} == {FileState.SKIPPED}, outcomes


@both
def test_a_directory_that_took_the_name_since_does_not_go_the_way_of_the_one_before(london: Side, step: str) -> None:
    first, then = write(london.tree / "d/in", "first").parent, write(london.tree / "e/in", "then").parent
    as_first, as_then = was(first, object_=b"1"), was(then, object_=b"2")
    moved(london, step, entry(first, london.tree / "f", **as_first))
    moved(london, step, entry(then, first, **as_then))
    (outcome,) = moved(london, step, entry(first, london.tree / "g", **as_first))
    assert outcome.state is FileState.ABORTED, outcome
    assert (first / "in").read_text() == "then"
    later = was(first, object_=b"3", since_ns=2)  # another of the name, which nobody told, since it was made anew
    (outcome,) = moved(london, step, entry(first, london.tree / "g", **later))
    assert outcome.state is FileState.PROCESSED, outcome


def test_a_copy_of_a_directory_stands_for_nothing(london: Side) -> None:
    first = write(london.tree / "d/in").parent
    moved(london, TWO, entry(first, london.tree / "e", **was(first)))
    subprocess.run(["cp", "-a", "--preserve=all", london.tree / "e", london.tree / "f"], check=True)
    tree = london.place.tree(bytes(london.tree))
    assert tree.stands_for(bytes(london.tree / "e")) == Stands(object=b"1", since_ns=1)
    assert tree.stands_for(bytes(london.tree / "f")) is None


def test_what_came_along_with_its_directory_gives_way(london: Side) -> None:
    d, e = london.tree / "d", london.tree / "e"
    for name in ("x", "y"):
        write(d / name, name)
    (d / "sub").mkdir()
    write(d / "other/in", "in")
    names = [(d, e), (d / "x", e / "y"), (d / "other", e / "sub")]
    outcomes = moved(london, TWO, *(entry(x, y) for x, y in names))
    assert [outcome.state for outcome in outcomes] == [FileState.PROCESSED] * 3, outcomes
    assert sorted(path.name for path in e.iterdir()) == ["sub", "y"]
    assert ((e / "y").read_text(), (e / "sub/in").read_text(), d.exists()) == ("x", "in", False)
    assert str(e / "y") in on_shelf(london, Shelf.VERSIONS)


def test_what_appears_in_a_directory_that_is_moved_stays(london: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    d, e = write(london.tree / "d/x", "x").parent, london.tree / "e"
    real, moved_ns = moving.ParkedEntry.place, 0

    def hurried(parked: moving.ParkedEntry, path: bytes, **more: Any) -> None:
        nonlocal moved_ns
        real(parked, path, **more)
        if path == bytes(e):
            moved_ns = e.stat().st_ctime_ns
            while write(e / "y", "of somebody").stat().st_ctime_ns <= moved_ns:
                (e / "y").unlink()

    monkeypatch.setattr(moving.ParkedEntry, "place", hurried)
    outcomes = moved(london, TWO, entry(d, e), entry(d / "x", e / "y"))
    assert [outcome.state for outcome in outcomes] == [FileState.PROCESSED, FileState.ABORTED], outcomes
    assert (e / "y").read_text() == "of somebody"
