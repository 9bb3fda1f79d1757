"""Premigrate against a real S3 server, `rclone copy --checksum` beside it: wall, CPU seconds, memory, ratio.

    .venv/bin/python bench/premigrate.py [FILES] [KIB] [ROUNDS]

Argosy's figures are those of all its processes (hub, agents, supervisor) from the submission of the job to its end:
hash, verified put, attribute synced in the inode, records in the hub. rclone's are its process's. The server's own
work is in neither. Both send new files each round, A B A B, with the same number of transfers at once.
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.argosy_up import Argosy
from tests.servers import SeaweedFS, running_seaweedfs

THREADS = 10
TICK = os.sysconf("SC_CLK_TCK")


@dataclass
class Run:
    """What one run cost."""

    wall: float
    cpu: float
    memory: int
    """Most resident memory of all processes together, bytes."""


def main() -> None:
    """Run the rounds and print the table."""
    files, kib, rounds = (int(word) for word in (sys.argv[1:] + ["2000", "64", "3"][len(sys.argv) - 1 :])[:3])
    with tempfile.TemporaryDirectory(prefix="argosy-bench-") as directory:
        top, server_top = Path(directory, "argosy"), Path(directory, "seaweedfs")
        top.mkdir()
        server_top.mkdir()
        with running_seaweedfs(server_top) as server:
            ours, theirs = compare(top, server, files, kib, rounds)
    size = files * kib * 1024
    print(f"\n{files} files of {kib} KiB, {rounds} rounds, {THREADS} at once, {os.cpu_count()} cores; medians")
    print(
        f"{'':8}{'wall s':>9}{'files/s':>10}{'MB/s':>9}{'CPU s':>9}{'ms CPU/file':>13}{'CPU s/GiB':>11}{'peak MB':>9}"
    )
    for name, runs in (("argosy", ours), ("rclone", theirs)):
        wall, cpu = (statistics.median(getattr(run, figure) for run in runs) for figure in ("wall", "cpu"))
        print(
            f"{name:8}{wall:9.2f}{files / wall:10.0f}{size / wall / 1e6:9.0f}{cpu:9.2f}{cpu * 1e3 / files:13.2f}"
            f"{cpu / size * 2**30:11.2f}{max(run.memory for run in runs) / 1e6:9.0f}"
        )
    for figure in ("wall", "cpu"):
        ratios = [getattr(a, figure) / getattr(b, figure) for a, b in zip(ours, theirs, strict=True)]
        print(f"argosy/rclone {figure}: " + ", ".join(f"{ratio:.2f}" for ratio in ratios))


def compare(top: Path, server: SeaweedFS, files: int, kib: int, rounds: int) -> tuple[list[Run], list[Run]]:
    """Return the runs of Argosy and of rclone, taken in turn."""
    bucket = server.bucket()
    up = Argosy(
        top,
        sites=["london"],
        datastore=f'type = "S3"\nbucket = "{bucket}"\nendpoint = "{server.endpoint}"\n'
        f'accesskeyid = "{server.accesskeyid}"\nsecretaccesskey = "{server.secretaccesskey}"\n',
        site_options=f"threads = {THREADS}\n",
    ).start()
    try:
        ours, theirs = [], []
        for number in range(rounds):
            ours.append(argosy(up, grow(up.tree("london") / f"a{number}", files, kib)))
            theirs.append(
                rclone(server, grow(up.tree("london") / f"b{number}", files, kib), f"{bucket}/rclone{number}")
            )
        return ours, theirs
    finally:
        up.kill()


def grow(folder: Path, files: int, kib: int) -> Path:
    """Make files of random bytes, warm in the page cache, on the disk."""
    folder.mkdir(parents=True)
    for number in range(files):
        with (folder / f"{number:07}").open("wb") as file:
            for _ in range(0, kib, 1024):
                file.write(os.urandom(min(kib, 1024) * 1024))
    os.sync()
    return folder


def argosy(up: Argosy, folder: Path) -> Run:
    """Premigrate the folder by a job."""
    processes = up.processes()
    before, watch, began = cpu_of(processes), Watch(processes), time.monotonic()
    body = {"workflow": "premigrate", "site": "london", "paths": [str(folder)]}
    job = up.wait(up.call("POST", "/file/workflow/", json=body)["job"], seconds=3600, every=0.2)
    wall = time.monotonic() - began
    assert job["state"] == "SUCCESS", job
    print("argosy: job premigrate, site threads", THREADS, f"{wall:.2f} s", flush=True)
    return Run(wall, cpu_of(processes) - before, watch.end())


def rclone(server: SeaweedFS, folder: Path, target: str) -> Run:
    """Copy the folder with rclone."""
    config = {
        "RCLONE_CONFIG_S_TYPE": "s3",
        "RCLONE_CONFIG_S_PROVIDER": "SeaweedFS",
        "RCLONE_CONFIG_S_ENDPOINT": server.endpoint,
        "RCLONE_CONFIG_S_ACCESS_KEY_ID": server.accesskeyid,
        "RCLONE_CONFIG_S_SECRET_ACCESS_KEY": server.secretaccesskey,
    }
    flags = ["--checksum", "--metadata", "--no-check-dest", "--transfers", str(THREADS), "--checkers", str(THREADS)]
    command = [str(Path(sys.executable).with_name("rclone")), "copy", *flags, str(folder), f"S:{target}"]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    process = subprocess.Popen(command, env=os.environ | config)
    watch = Watch([process.pid])
    assert process.wait() == 0
    wall = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    print("rclone copy", *flags, f"{wall:.2f} s", flush=True)
    return Run(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, watch.end())


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


if __name__ == "__main__":
    main()
