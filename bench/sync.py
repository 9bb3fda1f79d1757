"""A sync of two filesets of which 1 % changed, phase by phase, beside `rsync -a --delete` and `rclone bisync`.

    .venv/bin/python bench/sync.py [FILES] [GB] [DIRECTORY]

FILES (100,000 unless told) small files in directories of a thousand, and one directory of GB (1 unless told) in files
of 256 MiB, are made once and copied for each of the three, all on the disk of DIRECTORY (the system's directory for
temporary files unless told). The same deeds are done in each first tree: of a hundred files one is written, made,
removed, renamed or gets another mode; afterwards the large directory is renamed. Argosy carries contents through a
datastore that is a directory of the same disk and hashes what it carries; the peers copy from tree to tree. The CPU of
Argosy is that of all its processes: hub, agents, planner.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.measure import Run, Watch, cpu_of, show

from tests.argosy_up import ENDED, Argosy, until

HUGE = 256 * 2**20
FILESET = "big"
AGO = 1_700_000_000


def main() -> None:
    """Make the trees, measure, and print."""
    files, size = int((sys.argv[1:] or ["100000"])[0]), float((sys.argv[2:] or ["1"])[0])
    place = sys.argv[3] if len(sys.argv) > 3 else None
    with tempfile.TemporaryDirectory(prefix="argosy-bench-", dir=place) as directory:
        top = Path(directory)
        up = Two(top / "argosy")
        pairs = {"rsync": (top / "r/one", top / "r/two"), "bisync": (top / "b/one", top / "b/two")}
        ones = [up.top("london"), *(one for one, _ in pairs.values())]
        grow(ones[0], files, int(size * 10**9))
        for copy in (up.top("dublin"), *(each for pair in pairs.values() for each in pair)):
            copy.parent.mkdir(parents=True, exist_ok=True)
            subprocess.run(["cp", "-a", "--reflink=never", ones[0], copy], check=True)
        print(f"{files} files and {size} GB; {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}", flush=True)
        up.start()
        try:
            up.ready()
            for what, deed in (
                ("first, both equal", None), ("1 % changed", changed), ("nothing changed", None), ("renamed", renamed)
            ):  # fmt: skip
                for one in ones if deed else ():
                    deed(one, files)
                os.sync()
                print(f"-- {what}")
                up.measured()
                show("rsync -a --delete", rsync(*pairs["rsync"]))
                show("rclone bisync", bisync(top, *pairs["bisync"], first=what.startswith("first")))
        finally:
            up.kill()


def grow(top: Path, files: int, huge: int) -> None:
    """Make the small files, of 100 to 4,000 bytes, and the large ones."""
    for first in range(0, files, 1000):
        folder = top / f"{first // 100_000:04}" / f"{first // 1000:05}"
        folder.mkdir(parents=True)
        for number in range(first, min(first + 1000, files)):
            write(folder / f"{number:08}.dat", b"%d" % number, 10 + number * 7 % 400)
    folder = top / "large"
    folder.mkdir(parents=True)
    for number in range(0, huge, HUGE):
        write(folder / f"{number // HUGE:03}", os.urandom(2**20), 256)


def write(path: Path, what: bytes, times: int) -> None:
    """Write a file that is old."""
    path.write_bytes(what.ljust(10, b".") * times)
    os.utime(path, (AGO, AGO))


def changed(top: Path, files: int) -> None:
    """Do something to one file of a hundred."""
    for at, number in enumerate(range(50, files, 100)):
        path = top / f"{number // 100_000:04}" / f"{number // 1000:05}" / f"{number:08}.dat"
        if at % 5 == 0:
            path.write_bytes(b"another %d" % number)
        elif at % 5 == 1:
            path.with_suffix(".new").write_bytes(b"new %d" % number)
        elif at % 5 == 2:
            path.unlink()
        elif at % 5 == 3:
            path.rename(path.with_suffix(".moved"))
        else:
            path.chmod(0o600)


def renamed(top: Path, _files: int) -> None:
    """Rename the large directory."""
    (top / "large").rename(top / "renamed")


def rsync(one: Path, two: Path) -> Run:
    """Bring the second tree to where the first is."""
    return timed(["rsync", "-a", "--delete", f"{one}/", f"{two}/"])


def bisync(top: Path, one: Path, two: Path, *, first: bool) -> Run:
    """Sync both trees with rclone; the first time it only lists them and takes them for what was agreed."""
    rclone = str(Path(sys.executable).with_name("rclone"))
    flags = ["--workdir", str(top / "bisync"), "--metadata", "--create-empty-src-dirs", "--quiet"]
    return timed([rclone, "bisync", str(one), str(two), *flags, *(["--resync"] if first else [])])


def timed(command: list[str]) -> Run:
    """Run a command, and return what it and its children cost."""
    began, before = time.monotonic(), os.times()
    process = subprocess.Popen(command)
    watch = Watch([process.pid])
    assert process.wait() == 0, command
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return Run(time.monotonic() - began, used, watch.end())


class Two(Argosy):
    """An Argosy of two sites with a fileset each."""

    def top(self, site: str) -> Path:
        """Return the fileset of a site."""
        return self.tree(site) / FILESET

    def write_config(self) -> None:
        """Write the configuration: one datastore, two sites, a fileset each."""
        super().write_config()
        told = [self.config.read_text().split("[[sites]]")[0]]
        for site in self.sites:
            told.append(f'[[sites]]\nname = "{site}"\nroots = ["{self.root(site)}"]\n')
            told.append(f'[[sites.filesets]]\nname = "{FILESET}"\npath = "{self.top(site)}"\nsnapshots = "index"\n')
            told.append(f'[[sites.links]]\nsite_path = "{self.tree(site)}"\n')
            told.append('datastore = "cloud"\ndatastore_path = "projects/"\n')
        self.config.write_text("".join(told))

    def ready(self) -> None:
        """Return when both filesets are registered."""
        until(
            lambda: {each["state"] for each in self.call("GET", "/filesets/")["results"]} == {"ok"},
            seconds=600, what="the filesets are marked",
        )  # fmt: skip

    def measured(self) -> None:
        """Sync once; print what each phase and all of them cost, and what was done."""
        processes, states = self.processes(), dict[str, list[float]]()
        watch, began, used = Watch(processes), time.monotonic(), self.cpu()
        path = str(self.top("london"))
        fields = {"destinationsite": "dublin", "sync_preference": "newest"}
        body = {"workflow": "site_sync", "site": "london", "paths": [path], "fields": fields}
        job = self.call("POST", "/file/workflow/", json=body)["job"]
        at, state, spent = began, "SCAN", used
        while True:
            found = self.call("GET", f"/syncs/{job}/")
            now, cpu = time.monotonic(), self.cpu()
            walls = states.setdefault(state, [0.0, 0.0])
            walls[0], walls[1] = walls[0] + now - at, walls[1] + cpu - spent
            at, state, spent = now, found["state"], cpu
            if self.call("GET", f"/jobs/{job}/")["state"] in ENDED:
                break
            time.sleep(0.1)
        for name, (wall, cpu) in states.items():
            print(f"  {name.lower():18} {cpu:7.2f} CPU s  {wall:7.2f} s")
        show("Argosy", Run(time.monotonic() - began, self.cpu() - used, watch.end()))
        self.told(job, found)

    def cpu(self) -> float:
        """Return the CPU seconds of all processes, those that ended and were waited for included."""
        total = 0.0
        for process in self.processes():
            total += cpu_of([process]) + waited_for(process)
        return total

    def told(self, job: int, found: dict[str, Any]) -> None:
        """Print what was done, and see that it was."""
        ended = self.call("GET", f"/jobs/{job}/")
        print(f"  {ended['state']}: {ended['numprocessedfiles']} entries, counts {found['counts']}", flush=True)
        assert ended["state"] in {"SUCCESS", "SKIPPED"}, ended
        assert not ended["numfailedfiles"], ended


def waited_for(process: int) -> float:
    """Return the CPU seconds of the children of a process that have ended."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    if shutil.which("rsync") is None:
        sys.exit("bench/sync.py wants rsync: apt-get install rsync")
    main()
