"""Syncs of whole Argosies without end: `make soak [SEED=0] [MINUTES=10]`; one that goes wrong says its number."""

import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

from tests.flows.syncing.story import Story
from tests.flows.syncing.world import POINTS, Kind, world

PAIRS, CYCLES = 5, 5
WORST = 5
"""So many failures are enough to be told."""


def failure(seed: int, hit: Counter[str]) -> str:
    """Return how the story of a number goes wrong, "" if it does not; its Argosy stays to be looked at if it does."""
    scratch = Path(tempfile.mkdtemp(prefix=f"argosy-soak-{seed}-"))
    story: Story | None = None
    try:
        with world(scratch, seed, PAIRS) as up:
            story = Story(up, seed)
            story.tell(CYCLES)
    except Exception:  # noqa: BLE001 - whatever it is, it is told with its number
        return f"seed {seed}, in {scratch}\n{traceback.format_exc(limit=-1)}"
    else:
        shutil.rmtree(scratch)
        return ""
    finally:
        hit.update(story.hit if story else {})


def main(seed: int, minutes: float) -> int:
    """Tell stories for so long, one at least; return 1 if any went wrong."""
    end, told, wrong, hit = time.monotonic() + 60 * minutes, 0, 0, Counter[str]()
    while not told or (time.monotonic() < end and wrong < WORST):
        begun = time.monotonic()
        said = failure(seed + told, hit)
        what = f"{time.monotonic() - begun:.0f} s{', WRONG' if said else ''}"
        print(f"seed {seed + told}: {Kind.of(seed + told)}: {what}\n{said}", flush=True)
        wrong, told = wrong + bool(said), told + 1
    print(f"{told} told from {seed} on, {wrong} wrong; killed at {dict(hit)}, not at {sorted(set(POINTS) - set(hit))}")
    return bool(wrong)


if __name__ == "__main__":
    _, first, lasting = sys.argv
    sys.exit(main(int(first), float(lasting)))
