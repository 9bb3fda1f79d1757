"""What benchmarks share: files to work on, what a run costs, and rclone as the peer."""

import os
import resource
import statistics
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Run:
    """What one run cost."""

    wall: float
    cpu: float
    memory: int
    """Most resident memory of all processes together, bytes."""


def grow(folder: Path, files: int, kib: int) -> Path:
    """Make files of random bytes, an hour old, warm in the page cache and on the disk."""
    folder.mkdir(parents=True)
    then = time.time() - 3600
    for number in range(files):
        path = folder / f"{number:07}"
        with path.open("wb") as file:
            for _ in range(0, kib, 1024):
                file.write(os.urandom(min(kib, 1024) * 1024))
        os.utime(path, (then, then))
    os.sync()
    return folder


def rclone(settings: dict[str, str], source: str, target: str, transfers: int) -> Run:
    """Copy with rclone; the bucket's side is called `S:`."""
    config = {
        "RCLONE_CONFIG_S_TYPE": "s3",
        "RCLONE_CONFIG_S_PROVIDER": "SeaweedFS",
        "RCLONE_CONFIG_S_ENDPOINT": settings["endpoint"],
        "RCLONE_CONFIG_S_ACCESS_KEY_ID": settings["accesskeyid"],
        "RCLONE_CONFIG_S_SECRET_ACCESS_KEY": settings["secretaccesskey"],
    }
    flags = ["--checksum", "--metadata", "--no-check-dest", "--transfers", str(transfers), "--checkers", str(transfers)]
    command = [str(Path(sys.executable).with_name("rclone")), "copy", *flags, source, target]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    process = subprocess.Popen(command, env=os.environ | config)
    watch = Watch([process.pid])
    assert process.wait() == 0
    wall = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Run(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, watch.end())


def alone(act: Callable[[str], object], top: str) -> Run:
    """Do it in a process of its own, and tell what it returns."""
    began = time.monotonic()
    pid = os.fork()
    if pid == 0:
        try:
            said = act(top)
            if said is not None:
                print(f"  {act.__name__}: {said}", file=sys.stderr, flush=True)
            os._exit(0)
        except BaseException:  # noqa: BLE001 - the parent's work is not this process's to go on with
            traceback.print_exc()
            os._exit(1)
    _, status, used = os.wait4(pid, 0)
    if status:
        sys.exit(f"{act.__name__} failed")
    return Run(time.monotonic() - began, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024)


def show(name: str, run: Run) -> None:
    """Print one line."""
    print(f"{name:20} {run.cpu:7.2f} CPU s  {run.wall:7.2f} s  {run.memory / 2**20:7.1f} MiB", flush=True)


def median(runs: list[Run]) -> Run:
    """Return the medians of wall and CPU, and the most memory of all."""
    wall, cpu = (statistics.median(getattr(run, figure) for run in runs) for figure in ("wall", "cpu"))
    return Run(wall, cpu, max(run.memory for run in runs))


def cpu_of(processes: list[int]) -> float:
    """Return the CPU seconds the processes have used."""
    used = 0
    for process in processes:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        used += int(fields[11]) + int(fields[12])
    return used / TICK


class Watch:
    """Notes the most memory some processes hold together, until it ends."""

    def __init__(self, processes: list[int]) -> None:
        self._processes = processes
        self._most = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def end(self) -> int:
        """Return the most that was seen, bytes."""
        self._over.set()
        self._thread.join()
        return self._most

    def _look(self) -> None:
        while not self._over.wait(0.05):
            self._most = max(self._most, sum(map(resident, self._processes)))


def resident(process: int) -> int:
    """Return the resident memory of a process, bytes; 0 when it has ended."""
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
