"""Hydrating where the disk has less room for users, keeps coarser times, or loses its power."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from argosy.core.entry import Entry
from argosy.core.states import FileState
from argosy.hsm.file.state import State
from tests.loop import mounted, unmounted
from tests.sites import Side, carried
from tests.steps.stubs import good, made, state
from tests.steps.test_premigrate import premigrate
from tests.trees import MiB
from tests.verbs import scenarios
from tests.verbs.agents import Location, Server, call
from tests.verbs.conftest import agents, disk
from tests.verbs.disks import Disk

__all__ = ["agents", "disk"]

COARSE = ["-I", "128", "-m", "40"]
"""Inodes with whole seconds, and room that is root's alone."""


@pytest.fixture
def dublin(tmp_path: Path, london: Side) -> Iterator[Side]:
    point = mounted("ext4", tmp_path, 64 * MiB, make=COARSE)
    side = Side(point, "dublin", store=london.store)
    yield side
    side.place.close()
    unmounted(point)


def sent(london: Side, dublin: Side, *files: Path) -> list[Entry]:
    return carried(premigrate(london, *files), london, dublin)


@pytest.mark.parametrize("hydrate", [True, False])
def test_where_times_are_coarse_what_arrived_is_clean_and_there_already(
    london: Side, dublin: Side, *, hydrate: bool
) -> None:
    file, there = made(london, "f"), dublin.tree / "f"
    os.utime(file, ns=(10**18, 10**18 + 123_456_789))
    entries = sent(london, dublin, file)
    good(dublin.do("reverse_stub", *entries, hydrate=hydrate))
    assert there.stat().st_mtime_ns == 10**18
    expected = State.PREMIGRATED if hydrate else State.STUB
    assert state(dublin, there) is expected
    (again,) = dublin.do("reverse_stub", *entries, hydrate=hydrate, overwrite=True)
    assert again.state is FileState.SKIPPED
    there.chmod(0o600)
    good(dublin.do("reverse_stub", *entries, hydrate=hydrate, overwrite=True))
    assert state(dublin, there) is expected


def test_where_times_are_coarse_a_directory_is_there_already(london: Side, dublin: Side) -> None:
    top = london.tree / "d"
    top.mkdir()
    os.utime(top, ns=(10**18, 10**18 + 123_456_789))
    entries = sent(london, dublin, top)
    good(dublin.do("reverse_stub", *entries))
    assert dublin.do("reverse_stub", *entries, overwrite=True)[0].state is FileState.SKIPPED


def test_what_is_hydrated_for_a_user_leaves_roots_room_alone(london: Side, dublin: Side) -> None:
    file = made(london, "f", os.urandom(44 * MiB))
    for owner, expected in ((1001, "disk_full"), (0, "")):
        os.chown(file, owner, owner)
        (outcome,) = dublin.do("reverse_stub", *sent(london, dublin, file), hydrate=True)
        assert outcome.error == expected
        assert (dublin.tree / "f").exists() is not bool(expected)
        file = file.rename(london.tree / "f")


def test_a_symlink_that_is_reported_outlives_a_power_cut(
    agents: Server, disk: Callable[[str], Disk], tmp_path: Path
) -> None:
    on = disk("ext4")
    room = on.room("one")
    london, dublin = (Location(agents, tmp_path, room, name) for name in ("london", "dublin"))
    (london.tree / "link").symlink_to("target")
    entries = list(scenarios.carried(london.do(call("migrate", london.tree / "link", premigrate=True)), london, dublin))
    dublin.do(call("stat_paths"))
    on.settle()
    dublin.run(call("reverse_stub", *entries, hydrate=True), failpoints="done:0=cut")
    on.start_again()
    assert (dublin.tree / "link").is_symlink()
