"""Histories on real trees without end: `make soak-executor SECONDS=600 SEED=0 [DIR=/mnt/disk]`, on every core."""

import os
import shutil
import sys
import tempfile
import time
import traceback
from concurrent.futures import ProcessPoolExecutor
from itertools import count
from pathlib import Path

from tests.sync.executor.histories import History

WORST = 10
"""So many failures are enough to be told."""


def failure(seed: int, directory: str | None) -> str:
    """Return how the history of a number goes wrong, "" if it does not."""
    scratch = Path(tempfile.mkdtemp(prefix="argosy-soak", dir=directory))
    history = History(seed, scratch / "pair")
    try:
        history.run()
    except Exception:  # noqa: BLE001 - whatever it is, it is told with its number
        trace = traceback.format_exc(limit=-3)
        return "\n".join([f"seed {seed}, {history.pair.options.policy.value}", *history.users.log, trace])
    else:
        return ""
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def main(start: int, seconds: float, directory: str | None) -> int:
    """Tell histories for so long; return 1 if any went wrong."""
    end, told, found = time.monotonic() + seconds, 0, 0
    seeds = count(start)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        while time.monotonic() < end and found < WORST:
            some = [next(seeds) for _ in range(4 * (os.cpu_count() or 1))]
            for wrong in pool.map(failure, some, [directory] * len(some)):
                told += 1
                if wrong:
                    found += 1
                    print(f"{wrong}\n", flush=True)
    print(f"{told} told from {start} on, {found} wrong")
    return bool(found)


if __name__ == "__main__":
    _, first, lasting, *where = sys.argv
    sys.exit(main(int(first), float(lasting), where[0] if where else None))
