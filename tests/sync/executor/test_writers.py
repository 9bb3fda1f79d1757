"""While somebody goes on changing both sides, runs lose nothing; when he stops, one more makes both equal."""

import random
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from argosy.core.errors import ArgosyError
from argosy.sync.planner.options import Options
from tests.sync.executor.histories import NAMES, Users
from tests.sync.executor.pair import RealPair
from tests.sync.executor.trees import RealDisk
from tests.sync.planner.disks import UNASKED

RUNS = 4
PATIENCE = 60
"""Seconds in which one of the runs does something: what was to be hashed may always be another by then."""
PACE = 0.05
"""Seconds between two changes: faster, and no scan is of a tree that is still there when it is hashed."""


def writer(disk: RealDisk, seed: int, stop: threading.Event) -> threading.Thread:
    """Return a thread that changes a side until it is told to stop."""
    users = Users(random.Random(seed))
    users.names = [*NAMES, *(b"%d" % number for number in range(6))]

    def write() -> None:
        while not stop.wait(PACE):
            with suppress(OSError, IndexError):
                users.act(disk, 1)  # type: ignore[arg-type]

    return threading.Thread(target=write)


@pytest.mark.parametrize("seed", [1])
def test_writers_that_never_stop_lose_nothing(tmp_path: Path, seed: int) -> None:
    pair = RealPair(tmp_path / "pair", Options(guards=UNASKED), scans=True)
    stop = threading.Event()
    writers = [writer(disk, 10 * seed + side, stop) for side, disk in enumerate(pair.disks)]
    for each in writers:
        each.start()
    runs = done = 0
    deadline = time.monotonic() + PATIENCE
    try:
        while runs < RUNS or (not done and time.monotonic() < deadline):
            runs += 1
            with suppress(ArgosyError, LookupError, StopIteration):  # what was to be hashed is another by now
                made = pair.sync()
                done += sum(len(told) for told in made.outcomes) - len(made.undone)
    finally:
        stop.set()
        for each in writers:
            each.join()
    assert done > 0
    pair.restart()
    live = [disk.contents() for disk in pair.disks]
    made = pair.sync()
    assert made.undone == []
    assert pair.disks[0].tree() == pair.disks[1].tree()
    now, saved = pair.disks[0].contents(), pair.sides[0].saved() | pair.sides[1].saved()
    assert live[0] | live[1] <= now | saved
    assert pair.plan().plan.operations == ()
    assert [side.temporaries() for side in pair.sides] == [[], []]
