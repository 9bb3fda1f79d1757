"""An agent that is not root does what it may, and says what it may not."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from argosy.sync.executor.outcomes import Became
from argosy.sync.planner.plans import Act
from tests.filesystems.nobody import NOBODY, as_nobody
from tests.sync.executor.pair import RealPair
from tests.sync.executor.test_kills import eventful


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A directory that nobody can reach and write to, unlike pytest's own."""
    scratch = Path(tempfile.mkdtemp(prefix="argosy-nobody-"))
    os.chown(scratch, NOBODY, NOBODY)
    yield scratch
    shutil.rmtree(scratch)


def test_everything_is_done_that_needs_no_privileges(reachable: Path) -> None:
    def act() -> None:
        pair, _ = eventful(reachable / "pair")
        assert pair.sync().undone == []
        assert pair.disks[0].tree() == pair.disks[1].tree()
        assert pair.plan().plan.operations == ()

    as_nobody(act)


def test_an_owner_that_may_not_be_given_is_told_as_a_failure(reachable: Path) -> None:
    def begin() -> None:
        pair = RealPair(reachable / "pair")
        pair.disks[0].create(b"f", b"text")
        pair.sync()

    def go_on() -> None:
        pair = RealPair(reachable / "pair")
        made = pair.sync()
        assert [(each.act, each.became, each.code) for each in made.undone] == [
            (Act.METADATA, Became.FAILED, "not_permitted")
        ]
        assert "run the agent as root" in made.undone[0].reason

    as_nobody(begin)
    os.chown(reachable / "pair" / "one" / "f", 4321, 4321)
    as_nobody(go_on)
