"""Scans of a warm tree (FILES: 1,000,000 unless told) below a directory beside `find -printf`.

Usage: bench/scan.py [FILES] [DIRECTORY] [PER_DIRECTORY]   A B A B, each in a process of its own; the tree is made
below DIRECTORY (the system's directory for temporary files unless told), PER_DIRECTORY files (100) in a directory, and
removed in the end. `entries`: one by one, as discoveries have them; `index`: as an index file; `again`: the next one.
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.measure import alone, show

PER_DIRECTORY = int(sys.argv[3]) if len(sys.argv) > 3 else 100
FORMAT = r"%p\0%y\0%s\0%T@\0%C@\0%i\0%n\0"


def main() -> None:
    """Make the tree, measure, and print."""
    files = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    home = tempfile.mkdtemp(prefix="argosy-scan-", dir=sys.argv[2] if len(sys.argv) > 2 else None)
    top = f"{home}/tree"
    try:
        make(top, files)
        alone(find, top)  # warms the caches
        runs = [{act: alone(act, top) for act in (entries, index, again, find)} for _ in range(3)]
    finally:
        shutil.rmtree(home)
    print(f"{files} files, {PER_DIRECTORY} in a directory; find -printf '{FORMAT}'")
    for run in runs:
        for act, cost in run.items():
            show(act.__name__, cost)
    least = {act: min(run[act].cpu for run in runs) for act in runs[0]}
    print("CPU beside find's, best of each:", *(f"{act.__name__} {least[act] / least[find]:.2f}" for act in least))


def make(top: str, files: int) -> None:
    """Make empty files, PER_DIRECTORY in a directory, as many directories in one above."""
    for first in range(0, files, PER_DIRECTORY):
        directory = f"{top}/{first // PER_DIRECTORY // PER_DIRECTORY:04}/{first // PER_DIRECTORY:06}"
        os.makedirs(directory)
        at = os.open(directory, os.O_RDONLY)
        for number in range(first, min(first + PER_DIRECTORY, files)):
            os.close(os.open(f"file-{number:08}.dat", os.O_CREAT | os.O_WRONLY, dir_fd=at))
        os.close(at)


def entries(top: str) -> None:
    """Walk, entry by entry, and count."""
    from argosy.filesystems.posix import Posix

    root = os.fsencode(top)
    found = sum(1 for _ in Posix(root=root).scan(root, on_error=lambda path, error: sys.exit(f"{path!r}: {error}")))
    print(f"{found} entries", file=sys.stderr)


def index(top: str) -> None:
    """Write an index file, knowing nothing of an earlier scan."""
    written(top, "first")


def again(top: str) -> None:
    """Write an index file of a tree that has not changed since the earlier scan."""
    written(top, "second", earlier="first")


def written(top: str, name: str, earlier: str = "") -> None:
    """Write an index file beside the tree."""
    from argosy.snapshots.index import IndexFile
    from argosy.snapshots.scan import Scan
    from argosy.snapshots.schema import About

    about = About(fileset="", name="", snapshot="", filesystem="", subvolume=0, host="", began_ns=0)
    known = IndexFile(os.fsencode(f"{top}.{earlier}")) if earlier else None
    found = Scan(about=about, earlier=known).write(os.open(top, os.O_RDONLY), os.fsencode(f"{top}.{name}"))
    size = os.stat(f"{top}.{name}").st_size / 2**20
    print(f"{found.rows} rows, {size:.1f} MiB, complete: {found.complete}", file=sys.stderr)


def find(top: str) -> None:
    """Walk with find, its output thrown away."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.execvp("find", ["find", top, "-printf", FORMAT])


if __name__ == "__main__":
    main()
