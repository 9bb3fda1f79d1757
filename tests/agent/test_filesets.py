"""The filesets of a site: which directory each is, and what is not taken for one."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from argosy.agent.filesets import Filesets
from argosy.agent.looking import Looking
from argosy.agent.place import Place
from argosy.core.config import FilesetConfig, SiteConfig
from argosy.core.errors import Corrupt
from argosy.core.faults import FilesetRefused, NoFileset, OutsideRoots, RootUnserved
from argosy.core.fileset import Fileset, Registered, Seen
from argosy.core.paths import display
from tests.loop import mounted, unmounted
from tests.sites import Side

TRUSTED = "trusted.argosy.fileset"


class Site:
    """A site with one root and filesets in it, served by an agent that can be started anew."""

    def __init__(self, top: Path, root: Path, **filesets: str) -> None:
        self.top, self.root, self.filesets = top, root, filesets
        self.place: Place | None = None
        self.start()

    def start(self) -> None:
        self.stop()
        filesets = tuple(FilesetConfig(name=name, path=str(self.root / path)) for name, path in self.filesets.items())
        config = SiteConfig(name="london", roots=(str(self.root),), filesets=filesets)
        self.place = Place(config, self.top / "agent")
        self.place.start()

    def stop(self) -> None:
        if self.place is not None:
            self.place.close()
        self.place = None

    @property
    def found(self) -> Filesets:
        assert self.place is not None
        self.place.start()
        return self.place.filesets

    def seen(self, name: str) -> Seen:
        return next(seen for seen in self.found.seen() if seen.name == name)

    def state(self, name: str) -> str:
        return self.seen(name).state

    def ident(self, name: str) -> tuple[str, int]:
        return self.seen(name).id, self.seen(name).number

    def at(self, path: str) -> Fileset:
        assert self.place is not None
        return self.place.fileset(bytes(self.root / path))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A site with the filesets `a` and `b`."""
    for name in "ab":
        (tmp_path / "root" / name).mkdir(parents=True)
    site = Site(tmp_path, tmp_path / "root", a="a", b="b")
    yield site
    site.stop()


def copied(source: Path, target: Path) -> None:
    """Copy a directory as backups do: with all its attributes."""
    target.mkdir()
    os.setxattr(target, TRUSTED, os.getxattr(source, TRUSTED))


def test_a_fileset_gets_an_id_and_a_number_of_its_own_that_stay(site: Site) -> None:
    before = site.ident("a"), site.ident("b")
    assert [number for _, number in before] == [1, 2]
    assert len({ident for ident, _ in before} - {""}) == 2
    site.start()
    assert (site.ident("a"), site.ident("b")) == before
    found = site.at("a")
    assert (found.name, found.path, found.root) == ("a", bytes(site.root / "a"), bytes(site.root))
    assert (found.id, found.number, found.snapshots) == (*before[0], "index")


def test_a_number_that_an_earlier_agent_gave_is_not_given_again(site: Site) -> None:
    before = site.ident("b")
    for record in (site.top / "agent/filesets").iterdir():
        record.unlink()
    os.removexattr(site.root / "a", TRUSTED)
    (site.root / "c").mkdir()
    site.filesets = {"c": "c", "b": "b"}
    site.start()
    assert site.ident("b") == before
    assert site.ident("c")[1] == before[1] + 1


def test_a_record_that_cannot_be_read_is_named(site: Site) -> None:
    record = next((site.top / "agent/filesets").iterdir())
    record.write_bytes(b"{")
    with pytest.raises(Corrupt, match=f"{record} cannot be read: remove it"):
        site.start()


def test_an_agent_that_lost_its_directory_knows_filesets_by_their_markers(site: Site) -> None:
    before = site.ident("a"), site.ident("b")
    for record in (site.top / "agent/filesets").iterdir():
        record.unlink()
    site.start()
    assert (site.ident("a"), site.ident("b")) == before


def test_a_path_that_is_no_top_is_refused_with_the_one_that_is(site: Site) -> None:
    (site.root / "a/deep").mkdir()
    with pytest.raises(NoFileset, match=f"it lies in fileset a: name its top, {site.root}/a"):
        site.at("a/deep")
    with pytest.raises(NoFileset, match=rf"known are a \({site.root}/a\), b"):
        site.at("c")
    with pytest.raises(OutsideRoots):
        site.at("/etc")


LOST: dict[str, Callable[[Path], object]] = {
    "missing": lambda top: top.rmdir(),
    "unmarked": lambda top: os.removexattr(top, TRUSTED),
    "unreadable": lambda top: os.setxattr(top, TRUSTED, b"?"),
}


@pytest.mark.parametrize("state", LOST)
def test_a_fileset_that_lost_its_marker_is_refused_and_gets_none_by_itself(site: Site, state: str) -> None:
    LOST[state](site.root / "a")
    with pytest.raises(FilesetRefused):
        site.at("a")
    assert site.state("a") == state
    site.start()
    assert site.state("a") == state
    assert site.state("b") == "ok"
    assert [found.name for found in site.found.known()] == ["b"]


def test_an_empty_directory_in_the_place_of_a_fileset_is_not_it(site: Site) -> None:
    (site.root / "a").rename(site.root / "old")
    (site.root / "a").mkdir()
    assert site.state("a") == "unmarked"
    assert os.listxattr(site.root / "a") == []
    (site.root / "a").rmdir()
    (site.root / "old").rename(site.root / "a")
    assert site.state("a") == "ok"


def test_a_copy_of_a_fileset_is_not_taken_for_it(site: Site) -> None:
    (site.root / "a").rename(site.root / "old")
    copied(site.root / "old", site.root / "a")
    assert site.state("a") == "copy"
    with pytest.raises(FilesetRefused, match="is a copy of the directory that had its marker"):
        site.at("a")


def test_a_copy_of_another_fileset_is_no_new_one(site: Site) -> None:
    copied(site.root / "a", site.root / "c")
    site.filesets["c"] = "c"
    site.start()
    assert site.state("c") == "copy"
    site.found.adopt("c")
    assert site.state("c") == "ok"
    assert site.ident("c") not in {site.ident("a"), site.ident("b")}


def test_a_fileset_in_the_place_of_another_is_told_and_cannot_be_adopted(site: Site) -> None:
    (site.root / "a").rename(site.root / "old")
    (site.root / "b").rename(site.root / "a")
    assert site.seen("a").reason.startswith(f"{site.root}/a is the top of fileset b: put the right directory back")
    with pytest.raises(FilesetRefused):
        site.found.adopt("a")
    assert (site.state("a"), site.state("b")) == ("other", "missing")


def test_a_fileset_of_another_agent_is_told(site: Site, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (site.root / "c").mkdir()
    other = Site(tmp_path / "other", site.root, theirs="c")
    other.stop()
    (site.root / "a").rmdir()
    (site.root / "c").rename(site.root / "a")
    assert "is the top of another fileset" in site.seen("a").reason
    site.found.adopt("a")
    assert site.state("a") == "ok"


def test_what_a_person_adopts_is_the_fileset_from_then_on_with_its_id(site: Site) -> None:
    before = site.ident("a")
    (site.root / "a").rename(site.root / "old")
    (site.root / "a").mkdir()
    assert site.state("a") == "unmarked"
    site.found.adopt("a")
    assert (site.state("a"), site.ident("a")) == ("ok", before)
    site.start()
    assert (site.state("a"), site.ident("a")) == ("ok", before)


def test_what_was_a_fileset_before_another_directory_was_adopted_is_not_it_again_by_itself(site: Site) -> None:
    (site.root / "a").rename(site.root / "old")
    copied(site.root / "old", site.root / "a")
    site.found.adopt("a")
    (site.root / "a").rename(site.root / "new")
    (site.root / "old").rename(site.root / "a")
    assert "another directory has been since" in site.seen("a").reason
    assert site.state("a") == "other"


def test_nothing_is_adopted_that_is_not_there(site: Site) -> None:
    (site.root / "a").rmdir()
    with pytest.raises(FilesetRefused, match="is not there: mount its disk"):
        site.found.adopt("a")
    with pytest.raises(NoFileset):
        site.found.adopt("z")


def test_a_fileset_that_was_moved_into_another_is_told_and_is_a_boundary_there(site: Site) -> None:
    bound = site.at("b").binding
    (site.root / "b").rename(site.root / "a/b")
    assert site.state("b") == "missing"
    assert f"it lies at {site.root}/a/b now, in fileset a: move it back" in site.seen("b").reason
    assert site.at("a").others == (bound,)


def test_a_fileset_under_which_another_was_put_is_refused(site: Site) -> None:
    (site.root / "deep").mkdir()
    (site.root / "deep/c").mkdir()
    site.filesets["c"] = "deep/c"
    site.start()
    assert site.state("c") == "ok"
    (site.root / "deep/c").rename(site.root / "a/c")
    (site.root / "deep").rmdir()
    (site.root / "a").rename(site.root / "deep")
    assert site.state("c") == "nested"
    assert f"lies in {site.root}/deep, fileset a: move it out" in site.seen("c").reason
    with pytest.raises(FilesetRefused):
        site.found.adopt("c")


def test_what_was_a_fileset_and_is_none_any_more_may_hold_new_ones(site: Site) -> None:
    (site.root / "a/x").mkdir()
    site.filesets = {"x": "a/x"}
    site.start()
    assert site.state("x") == "ok"


def test_a_fileset_keeps_its_id_under_another_name_and_at_another_path(site: Site) -> None:
    before = site.ident("a")
    (site.root / "a").rename(site.root / "moved")
    site.filesets = {"renamed": "moved", "b": "b"}
    site.start()
    assert site.ident("renamed") == before


def test_a_fileset_of_a_new_name_that_another_had_once_is_told_from_that(site: Site) -> None:
    (site.root / "c").mkdir()
    was = site.ident("b")
    site.filesets = {"a": "a"}
    site.start()
    site.filesets = {"b": "a"}
    site.start()
    assert site.state("b") == "other"
    site.found.adopt("b")
    assert (site.state("b"), site.ident("b")) == ("ok", was)


KILLED = """
import sys
from pathlib import Path
from argosy.agent.place import Place
from argosy.core.config import FilesetConfig, SiteConfig

top, adopted, *filesets = sys.argv[1:]
configured = [FilesetConfig(name=path.rpartition("/")[2], path=path) for path in filesets]
place = Place(SiteConfig(name="london", roots=(top + "/root",), filesets=tuple(configured)), Path(top, "agent"))
place.start()
if adopted:
    place.filesets.adopt(adopted)
"""


def killed(site: Site, point: str, adopted: str = "") -> None:
    """Have another agent serve the site, and be killed at the failpoint."""
    site.stop()
    filesets = [str(site.root / path) for path in site.filesets.values()]
    run = subprocess.run(
        [sys.executable, "-c", KILLED, str(site.top), adopted, *filesets],
        env=os.environ | {"ARGOSY_FAILPOINTS": f"{point}=kill"}, check=False, capture_output=True,
    )  # fmt: skip
    assert run.returncode == -signal.SIGKILL, run.stderr
    site.start()


@pytest.mark.parametrize("point", ["fileset:mark", "fileset:record", "fileset:recorded"])
def test_an_agent_that_is_killed_as_it_gives_a_marker_serves_the_fileset_the_next_time(site: Site, point: str) -> None:
    (site.root / "c").mkdir()
    site.filesets["c"] = "c"
    killed(site, point)
    assert site.state("c") == "ok"
    assert len({site.ident(name) for name in "abc"}) == 3


@pytest.mark.parametrize("point", ["fileset:mark", "fileset:record", "fileset:recorded"])
def test_an_adoption_that_is_cut_short_is_made_or_asked_for_again_and_keeps_the_id(site: Site, point: str) -> None:
    before = site.ident("a")
    (site.root / "a").rename(site.root / "old")
    (site.root / "a").mkdir()
    killed(site, point, adopted="a")
    if site.state("a") != "ok":
        site.found.adopt("a")
    assert (site.state("a"), site.ident("a")) == ("ok", before)


@pytest.mark.parametrize("point", ["fileset:record", "fileset:recorded"])
def test_an_agent_that_is_killed_as_a_fileset_gets_another_name_finishes_that(site: Site, point: str) -> None:
    before = site.ident("a")
    (site.root / "a").rename(site.root / "z")
    site.filesets = {"z": "z", "b": "b"}
    killed(site, point)
    assert (site.state("z"), site.ident("z")) == ("ok", before)


def test_a_fileset_whose_disk_is_not_mounted_is_not_what_lies_beneath(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    disk = mounted("ext4", root)
    try:
        site = Site(tmp_path, root, disk="ext4")
        before = site.ident("disk")
        unmounted(disk)
        assert site.state("disk") == "unmounted"
        assert "lies on another filesystem than before: mount its disk" in site.seen("disk").reason
        assert os.listxattr(disk) == []
        subprocess.run(["mount", "-o", "loop", root / "ext4.img", disk], check=True)
        assert (site.state("disk"), site.ident("disk")) == ("ok", before)
        site.stop()
    finally:
        unmounted(disk)


def test_a_fileset_whose_root_is_not_served_says_so_and_may_be_tried_again(site: Site) -> None:
    site.root.rename(site.top / "elsewhere")
    site.root.mkdir()
    with pytest.raises(RootUnserved):
        site.at("a")
    assert site.state("a") == "unmounted"
    site.root.rmdir()
    (site.top / "elsewhere").rename(site.root)
    assert site.at("a").name == "a"


def test_a_snapshot_of_a_subvolume_is_not_the_fileset(tmp_path: Path) -> None:
    disk = mounted("btrfs", tmp_path)
    try:
        root = disk / "root"
        root.mkdir()
        subprocess.run(["btrfs", "-q", "subvolume", "create", root / "a"], check=True)
        site = Site(tmp_path, root, a="a")
        assert site.state("a") == "ok"
        subprocess.run(["btrfs", "-q", "subvolume", "snapshot", root / "a", root / "of-a"], check=True)
        (root / "a").rename(root / "old")
        (root / "of-a").rename(root / "a")
        assert site.state("a") == "copy"
        with pytest.raises(FilesetRefused):
            site.at("a")
        site.stop()
    finally:
        unmounted(disk)


def test_filesets_of_the_hub_come_beside_those_of_the_configuration(site: Site) -> None:
    (site.root / "c").mkdir()
    (site.root / "a/x").mkdir()
    site.found.register(
        [
            Registered(name="c", path=bytes(site.root / "c")),
            Registered(name="x", path=bytes(site.root / "a/x")),
            Registered(name="a", path=b"/elsewhere"),
            Registered(name="out", path=b"/etc"),
        ]
    )
    assert [(name, site.state(name)) for name in ("a", "b", "c", "x", "out")] == [
        ("a", "ok"), ("b", "ok"), ("c", "ok"), ("x", "nested"), ("out", "unreadable"),
    ]  # fmt: skip
    assert display(site.seen("a").path) == f"{site.root}/a"
    site.found.register([])
    assert [seen.name for seen in site.found.seen()] == ["a", "b"]
    assert [found.name for found in site.found.known()] == ["a", "b"]


def test_a_fileset_that_cannot_be_held_still_as_registered_says_so_before_a_run(site: Site) -> None:
    (site.root / "c").mkdir()
    site.found.register([Registered(name="c", path=bytes(site.root / "c"), snapshots="btrfs")])
    assert site.state("c") == "unfit"
    with pytest.raises(FilesetRefused, match="is no subvolume of btrfs: make it one"):
        site.at("c")
    site.found.register([Registered(name="c", path=bytes(site.root / "c"))])
    assert site.state("c") == "ok"


def test_an_adoption_that_the_hub_asks_for_is_made_once(site: Site) -> None:
    os.removexattr(site.root / "a", TRUSTED)
    assert site.state("a") == "unmarked"
    site.found.register([Registered(name="a", path=bytes(site.root / "a"), adopt=True)])
    assert site.state("a") == "ok"


def test_steps_and_plans_see_the_filesets_of_their_site(tmp_path: Path) -> None:
    side = Side(tmp_path, "london")
    side.place.filesets.register([Registered(name="projects", path=bytes(side.tree))])
    for site in (side.site(), Looking(side.site())):
        assert site.fileset(bytes(side.tree)).name == "projects"
        assert [found.name for found in site.filesets] == ["projects"]
    side.close()


def test_a_fileset_that_cannot_be_looked_at_keeps_no_other_from_being_served(site: Site) -> None:
    """Whoever registers it: a hub of before did not refuse such a name."""
    names = {"far": bytes(site.root) + b"/" + b"x" * 5000, "odd": bytes(site.root) + b"/x\0y"}
    (site.root / "c").mkdir()
    told = [Registered(name=name, path=path) for name, path in names.items()]
    site.found.register([*told, Registered(name="c", path=bytes(site.root / "c"))])
    found = {seen.name: seen.state for seen in site.found.seen()}
    assert found == {"far": "unreadable", "odd": "unreadable", "a": "ok", "b": "ok", "c": "ok"}
    assert "a name in it is longer than the filesystem allows" in site.seen("far").reason
