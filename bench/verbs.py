"""The verbs against a real S3 server, `rclone copy` up and down beside those that have the same job.

    .venv/bin/python bench/verbs.py [FILES] [KIB] [ROUNDS]

Argosy's figures are those of all its processes (hub, agents, supervisor) from the submission of a job to its end: hash,
verified put or get, attribute synced in the inode, records in the hub. rclone's are its process's. The server's own
work is in neither. Each round has new files; ours and theirs take turns, with the same number of transfers at once.

premigrate: resident files to the store; rclone up: the same. release: migrate of what is premigrated. migrate:
resident files to stubs. recall: those stubs filled again. stub: stubs of objects at a site that has nothing. hydrate:
whole files of objects there; rclone down: the same.
"""

import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.measure import Run, Watch, cpu_of, grow, median, rclone

from tests.argosy_up import Argosy
from tests.servers import SeaweedFS, running_seaweedfs

THREADS = 10
PEERS = {"premigrate": "rclone up", "recall": "rclone down", "hydrate": "rclone down"}


def main() -> None:
    """Run the rounds and print the table."""
    files, kib, rounds = (int(word) for word in (sys.argv[1:] + ["2000", "64", "3"][len(sys.argv) - 1 :])[:3])
    with tempfile.TemporaryDirectory(prefix="argosy-bench-", dir="/var/tmp") as directory:
        top, server_top = Path(directory, "argosy"), Path(directory, "seaweedfs")
        top.mkdir()
        server_top.mkdir()
        with running_seaweedfs(server_top) as server:
            runs = rounds_of(top, server, files, kib, rounds)
    show(runs, files, kib, rounds)


def show(runs: dict[str, list[Run]], files: int, kib: int, rounds: int) -> None:
    """Print medians, and ratios to the peers round by round."""
    size = files * kib * 1024
    print(f"\n{files} files of {kib} KiB, {rounds} rounds, {THREADS} at once, {os.cpu_count()} cores; medians")
    print(
        f"{'':12}{'wall s':>9}{'files/s':>10}{'MB/s':>9}{'CPU s':>9}{'ms CPU/file':>13}{'CPU s/GiB':>11}{'peak MB':>9}"
    )
    for name, found in runs.items():
        run = median(found)
        print(
            f"{name:12}{run.wall:9.2f}{files / run.wall:10.0f}{size / run.wall / 1e6:9.0f}{run.cpu:9.2f}"
            f"{run.cpu * 1e3 / files:13.2f}{run.cpu / size * 2**30:11.2f}{run.memory / 1e6:9.0f}"
        )
    for verb, peer in PEERS.items():
        for figure in ("wall", "cpu"):
            pairs = zip(runs[verb], runs[peer], strict=True)
            ratios = [getattr(ours, figure) / getattr(theirs, figure) for ours, theirs in pairs]
            print(f"{verb} / {peer}, {figure}: " + ", ".join(f"{ratio:.2f}" for ratio in ratios))


def rounds_of(top: Path, server: SeaweedFS, files: int, kib: int, rounds: int) -> dict[str, list[Run]]:
    """Return the runs of each verb and of its peer, taken in turn."""
    bucket = server.bucket()
    up = Argosy(
        top,
        datastore=f'type = "S3"\nbucket = "{bucket}"\nendpoint = "{server.endpoint}"\n'
        f'accesskeyid = "{server.accesskeyid}"\nsecretaccesskey = "{server.secretaccesskey}"\n',
        site_options=f"threads = {THREADS}\nunguarded_stubs = true\nmin_stub_size = 0\n",
    ).start()
    runs: dict[str, list[Run]] = defaultdict(list)
    try:
        for number in range(rounds):
            load = Load(number, files, kib)
            for verb, run in one_round(up, load, server.settings(bucket)):
                print(f"{verb:12} {run.wall:8.2f} s", flush=True)
                runs[verb].append(run)
    finally:
        up.kill()
    return runs


class Load(NamedTuple):
    """What one round works on."""

    number: int
    files: int
    kib: int

    def grown(self, tree: Path, letter: str) -> Path:
        """Return a new folder of such files."""
        return grow(tree / f"{letter}{self.number}", self.files, self.kib)

    def at(self, tree: Path, letter: str) -> list[Path]:
        """Return the paths such files have, or are to have."""
        return [tree / f"{letter}{self.number}" / f"{name:07}" for name in range(self.files)]


def one_round(up: Argosy, load: Load, settings: dict[str, str]) -> Iterator[tuple[str, Run]]:
    """Yield each verb and what it cost."""
    tree = up.tree("london")
    ours, theirs, fresh = (load.grown(tree, letter) for letter in "abc")
    down, remote = up.directory / f"down{load.number}", f"S:{settings['bucket']}/rclone{load.number}"
    yield "premigrate", argosy(up, "premigrate", "london", [ours])
    yield "rclone up", rclone(settings, str(theirs), remote, THREADS)
    yield "release", argosy(up, "migrate", "london", [ours])
    yield "migrate", argosy(up, "migrate", "london", [fresh])
    yield "recall", argosy(up, "recall", "london", [fresh])
    yield "rclone down", rclone(settings, remote, str(down), THREADS)
    yield "stub", argosy(up, "reverse_stub", "dublin", load.at(up.tree("dublin"), "a"), hydrate=False)
    yield "hydrate", argosy(up, "reverse_stub", "dublin", load.at(up.tree("dublin"), "c"), hydrate=True)


def argosy(up: Argosy, workflow: str, site: str, paths: list[Path], **fields: bool) -> Run:
    """Run a workflow by a job."""
    processes = up.processes()
    before, watch, began = cpu_of(processes), Watch(processes), time.monotonic()
    body = {"workflow": workflow, "site": site, "paths": list(map(str, paths)), "fields": fields}
    job = up.wait(up.call("POST", "/file/workflow/", json=body)["job"], seconds=3600, every=0.2)
    wall = time.monotonic() - began
    assert job["state"] == "SUCCESS", (workflow, job, up.files(job["id"], "failed")[:3])
    assert job["numprocessedfiles"] >= len(paths), (workflow, job)
    return Run(wall, cpu_of(processes) - before, watch.end())


if __name__ == "__main__":
    main()
