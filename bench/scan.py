"""Scan of a warm tree (first argument: files, 1,000,000 unless told) below a directory (second), beside `find -printf`.

Usage: bench/scan.py [FILES] [DIRECTORY]   A B A B, each in a process of its own; the tree is made below DIRECTORY
(the system's directory for temporary files unless told) and removed in the end.
"""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from typing import NamedTuple

PER_DIRECTORY = 100
FORMAT = r"%p\0%y\0%s\0%T@\0%C@\0%i\0%n\0"


class Cost(NamedTuple):
    """What one run took."""

    cpu: float
    wall: float
    memory: float


def main() -> None:
    """Make the tree, measure, and print."""
    files = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    top = tempfile.mkdtemp(prefix="argosy-scan-", dir=sys.argv[2] if len(sys.argv) > 2 else None)
    try:
        make(top, files)
        measured(find, top)  # warms the caches
        runs = [(measured(scan, top), measured(find, top)) for _ in range(2)]
    finally:
        shutil.rmtree(top)
    print(f"{files} files in directories of {PER_DIRECTORY}; find -printf '{FORMAT}'")
    for ours, theirs in runs:
        show("argosy scan", ours)
        show("find -printf", theirs)
    ratio = min(ours.cpu for ours, _ in runs) / min(theirs.cpu for _, theirs in runs)
    print(f"ratio of CPU, best of each: {ratio:.2f}")


def make(top: str, files: int) -> None:
    """Make empty files, PER_DIRECTORY in a directory, as many directories in one above."""
    for first in range(0, files, PER_DIRECTORY):
        directory = f"{top}/{first // PER_DIRECTORY // PER_DIRECTORY:04}/{first // PER_DIRECTORY:06}"
        os.makedirs(directory)
        at = os.open(directory, os.O_RDONLY)
        for number in range(first, min(first + PER_DIRECTORY, files)):
            os.close(os.open(f"file-{number:08}.dat", os.O_CREAT | os.O_WRONLY, dir_fd=at))
        os.close(at)


def scan(top: str) -> None:
    """Walk with Argosy and count."""
    from argosy.filesystems.posix import Posix

    root = os.fsencode(top)
    found = sum(1 for _ in Posix(root=root).scan(root, on_error=lambda path, error: sys.exit(f"{path!r}: {error}")))
    print(f"{found} entries", file=sys.stderr)


def find(top: str) -> None:
    """Walk with find, its output thrown away."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.execvp("find", ["find", top, "-printf", FORMAT])


def measured(act: Callable[[str], None], top: str) -> Cost:
    """Return what it takes in a child of its own."""
    began = time.perf_counter()
    pid = os.fork()
    if pid == 0:
        act(top)
        os._exit(0)
    _, status, used = os.wait4(pid, 0)
    if status:
        sys.exit(f"{act} failed")
    return Cost(used.ru_utime + used.ru_stime, time.perf_counter() - began, used.ru_maxrss / 1024)


def show(name: str, cost: Cost) -> None:
    """Print one line."""
    print(f"{name:14} {cost.cpu:7.2f} CPU s  {cost.wall:7.2f} s  {cost.memory:7.1f} MiB")


if __name__ == "__main__":
    main()
