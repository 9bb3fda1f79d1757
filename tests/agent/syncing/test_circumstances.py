"""What a side of a sync says of itself."""

import os
import time
import unicodedata
from pathlib import Path

import pytest

from argosy.agent.syncing.circumstances import circumstances
from argosy.core.syncing import Circumstances
from argosy.sync.clocks import clock_off
from argosy.sync.planner.trees import Side
from argosy.sync.probing import Found, looked, probed
from argosy.sync.steps.base import area_of
from tests.agent.syncing.pair import Pair
from tests.sites import NoHub
from tests.sites import Side as Site


class Folding:
    """A directory in memory that takes some names for one."""

    def __init__(
        self, *, case: bool = False, form: str = "", links: bool = True, refused: bytes = b"", text: bool = False
    ) -> None:
        self.case, self.form, self.links, self.refused, self.text = case, form, links, refused, text
        self.names: set[bytes] = set()

    def _kept(self, name: bytes) -> bytes:
        text = name.decode(errors="surrogateescape")
        text = unicodedata.normalize("NFD", text) if self.form else text
        return (text.casefold() if self.case else text).encode(errors="surrogateescape")

    def make(self, name: bytes) -> bool:
        if set(name) & set(self.refused) or (self.text and b"\xff" in name):
            return False
        self.names.add(self._kept(name))
        return True

    def has(self, name: bytes) -> bool:
        return self._kept(name) in self.names

    def link(self, name: bytes, other: bytes) -> bool:
        assert self.has(name)
        if self.links:
            self.make(other)
        return self.links

    def remove(self, name: bytes) -> None:
        self.names.discard(self._kept(name))


class Clocked(NoHub):
    """A hub whose clock is ahead by so many seconds, and which takes its time."""

    def __init__(self, ahead: float) -> None:
        super().__init__()
        self.ahead = ahead

    def clock(self) -> int:
        return time.time_ns() + int(self.ahead * 1e9)


@pytest.mark.parametrize(
    ("directory", "found"),
    [
        (Folding(), (False, False, True, b"", False)),
        (Folding(case=True), (True, False, True, b"", False)),
        (Folding(form="NFD"), (False, True, True, b"", False)),
        (Folding(case=True, form="NFD", links=False, text=True), (True, True, False, b"", True)),
        (Folding(refused=b":*?"), (False, False, True, b"*:?", False)),
    ],
)
def test_it_is_found_out_which_names_a_directory_takes_for_one(
    directory: Folding, found: tuple[bool, bool, bool, bytes, bool]
) -> None:
    assert tuple(probed(directory)) == found
    assert directory.names == set(), "nothing is left"


@pytest.mark.parametrize("ahead", [0.0, 3600.0, -3600.0])
def test_by_how_much_a_clock_may_be_off_is_measured_by_a_round_trip(ahead: float) -> None:
    off = clock_off(Clocked(ahead).clock) / 1e9
    assert abs(ahead) <= off < abs(ahead) + 5


def test_a_usual_filesystem_says_nothing_unusual_and_is_left_as_it_was(tmp_path: Path) -> None:
    site = Site(tmp_path, "one", snapshots="index")
    (fileset,) = site.site().filesets
    with area_of(fileset, site.site()) as area:
        told = circumstances(area, Clocked(0))
    assert told == Circumstances(clock_off_ns=told.clock_off_ns)
    assert told.clock_off_ns < 5e9
    assert not list(site.root.rglob("Probe*"))


def test_a_scan_tells_the_hub(tmp_path: Path) -> None:
    pair = Pair(tmp_path / "pair")
    assert pair.hub.circumstances.clock_off_ns == 0
    pair.scan(Side.ONE, "run")
    assert 0 < pair.hub.circumstances.clock_off_ns < 5e9


def test_by_looking_alone_a_name_in_another_case_is_told_from_a_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "notes").touch()
    (tmp_path / "NOTES").hardlink_to(tmp_path / "notes")
    top = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        assert looked(top) == Found()
    finally:
        os.close(top)
