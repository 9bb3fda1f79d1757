"""Of trees with places that nobody can look into nothing is deleted that is there, whatever else was done to them."""

import os
import random
from pathlib import Path

import pytest

from tests.snapshots.hidden_worlds import Mirror, World
from tests.snapshots.indexes import between

MORE = range(int(os.environ.get("HIDDEN_FROM", "0")), int(os.environ.get("HIDDEN", "16")))
SEEDS = [17, 44, 101, 128, 150, 228, 262, *MORE]
"""Histories in which something was lost once, and some more."""


def lost(seed: int, scratch: Path) -> list[str]:
    """Return what is alive and out of sight, and was deleted from the mirror of a random history."""
    chance = random.Random(seed)
    world = World(chance)
    world.work(chance.randint(3, 30))
    if chance.random() < 0.3:
        world.hide()
    old = world.seen()
    world.work(chance.randint(1, 10))
    if chance.random() < 0.8:
        world.hide()
    world.move_about(chance.randint(0, 3))
    new = world.seen()
    found = between(scratch, old, new)
    mirror = Mirror(old)
    mirror.follow(found, new)
    alive = {row["inode"]: path for path, row in world.true().items()}
    there = {row["inode"] for row in (*new.values(), *mirror.tree.values())}
    return [
        f"{path}, which is {alive[row['inode']]}"
        for path, row in mirror.deleted.items()
        if row["inode"] in alive and row["inode"] not in there
    ]


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_deleted_that_may_be_out_of_sight(seed: int, tmp_path: Path) -> None:
    assert lost(seed, tmp_path) == []
