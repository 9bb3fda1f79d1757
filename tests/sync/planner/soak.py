"""Histories without end: `make soak-planner CASES=1000000`, on every core. Prints each that goes wrong, shortened."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from tests.sync.planner.histories import LINKING, Drift, History, failure, shortened

CHUNK = 500
STORIES = (History, Drift, partial(History, deeds=LINKING))
"""What is told in turn, a chunk each."""
WORST = 10
"""So many failures are enough to be told."""


def wrong(first: int) -> list[int]:
    """Return the numbers of a chunk whose histories go wrong."""
    return [seed for seed in range(first, first + CHUNK) if failure(seed, story=_story(seed))[0]]


def _story(seed: int) -> Callable[..., History]:
    return STORIES[seed // CHUNK % len(STORIES)]


def main(cases: int, start: int) -> int:
    """Tell so many histories; return 1 if any went wrong."""
    began, found = time.monotonic(), 0
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for number, seeds in enumerate(pool.map(wrong, _chunks(cases, start)), 1):
            for seed in seeds[: max(WORST - found, 0)]:
                print(f"{shortened(seed, _story(seed))}\n", flush=True)
            found += len(seeds)
            if number % 100 == 0:
                print(f"{number * CHUNK} told, {found} wrong, {time.monotonic() - began:.0f} s", flush=True)
    print(f"{cases} told from {start} on, {found} wrong, {time.monotonic() - began:.0f} s")
    return bool(found)


def _chunks(cases: int, start: int) -> Iterator[int]:
    return iter(range(start, start + cases, CHUNK))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0))
