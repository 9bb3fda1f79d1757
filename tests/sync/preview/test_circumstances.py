"""What a plan knows of names and clocks of its two trees."""

import os

from argosy.core.syncing import Circumstances
from argosy.filesystems.posix import Posix
from argosy.sync.planner.options import Options
from argosy.sync.planner.plans import Act
from argosy.sync.preview.circumstances import circumstances
from argosy.sync.preview.previewing import Previewing
from argosy.sync.preview.trees import Place, opened


def place(tmp_path, name):
    (tmp_path / name).mkdir(exist_ok=True)
    path = bytes(tmp_path / name)
    return Place(name=name, path=path, root=path)


def preview(tmp_path, *told):
    """Return the plan for two trees of which that is so."""
    (tmp_path / "work").mkdir(exist_ok=True)
    places = place(tmp_path, "one"), place(tmp_path, "two")
    said = dict(zip(places, told, strict=True))
    previewing = Previewing(places, tmp_path / "work", Options(sites=("one", "two")), ask=lambda at, _top: said[at])
    return previewing.preview()


def test_names_that_one_side_takes_for_one_do_not_both_come_there(tmp_path):
    place(tmp_path, "one")
    for name in ("notes", "Notes"):
        (tmp_path / "one" / name).write_text(name)
    found = preview(tmp_path, Circumstances(), Circumstances(case_insensitive=True))
    made = {each.target for each in found.plan.operations if each.act is Act.CREATE}
    assert len({each.lower() for each in made}) == 2
    assert any(b".conflict-" in each for each in made)


def test_names_that_one_side_cannot_have_are_held(tmp_path):
    place(tmp_path, "one")
    for name in ("fine", "what?", "n" * 150):
        (tmp_path / "one" / name).write_text(name)
    found = preview(tmp_path, Circumstances(), Circumstances(forbidden=b"?", longest_name=143))
    assert {each.target for each in found.plan.operations} == {b"fine"}
    assert {each.path for each in found.plan.held} == {b"what?", b"n" * 150}


def test_a_clock_that_is_off_by_more_than_two_times_differ_leaves_the_name_to_the_first(tmp_path):
    for number, name in enumerate(("one", "two")):
        place(tmp_path, name)
        (tmp_path / name / "x").write_text(name)
        os.utime(tmp_path / name / "x", (1_600_000_000 + 60 * number,) * 2)
    assert preview(tmp_path, Circumstances(), Circumstances()).plan.conflicts[0].winner == 1
    off = Circumstances(clock_off_ns=61 * 10**9)
    assert preview(tmp_path, off, off).plan.conflicts[0].winner == 0


def test_a_tree_without_anything_of_ours_is_only_looked_at(tmp_path):
    at = place(tmp_path, "one")
    (tmp_path / "one" / "Nam\u00e9").touch()
    before = (tmp_path / "one").stat()
    with opened(at) as top:
        assert circumstances(at, top, clock_off_ns=5) == Circumstances(clock_off_ns=5)
    assert (tmp_path / "one").stat() == before


def test_where_something_of_ours_is_names_are_tried_out_there_and_nothing_is_left(tmp_path):
    at = place(tmp_path, "one")
    os.close(Posix(root=str(tmp_path / "one")).beneath.home())
    before = (tmp_path / "one").stat()
    own = sorted(os.listdir(tmp_path / "one" / ".argosy"))
    with opened(at) as top:
        assert circumstances(at, top) == Circumstances()
    assert (tmp_path / "one").stat() == before
    assert sorted(os.listdir(tmp_path / "one" / ".argosy")) == own
