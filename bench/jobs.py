"""A job of many files whose step does nothing: what following them costs, and how the API answers meanwhile and after.

    .venv/bin/python bench/jobs.py [FILES]

The files are empty, in directories of a thousand; the step, `dynamo.custom.noop`, is installed for the run as any
distribution installs one. Figures of CPU are those of all processes of one `argosy up`, from the submission to the
end of the job; memory is the most that the hub and the agents held resident, in each quarter of the job by files.
The API is asked all the time by one client, over HTTP: the job, the list of jobs, its tasks, its files.
"""

import os
import statistics
import sys
import tempfile
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import Any, Self

import httpx

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.measure import cpu_of, resident

from tests.argosy_up import ENDED, PASSWORD, Argosy, until

STEP = '''"""A step that does nothing."""
from dataclasses import dataclass

from argosy.core.outcome import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Noop:
    """Do nothing."""

    def apply(self, entry, site):
        """Say that it is done."""
        return Outcome.processed(entry)
'''
RULES = [{"state": "all", "type": "file", "action": [{"name": "dynamo.custom.noop"}]}]
AFTERWARDS = 50
"""How often each question is asked when the job has ended."""


def main() -> None:
    """Run the job and print what it cost."""
    files = int((sys.argv[1:] or ["100000"])[0])
    with tempfile.TemporaryDirectory(prefix="argosy-bench-", dir="/var/tmp") as directory:
        top = Path(directory)
        (top / "argosy").mkdir()
        up = Argosy(top / "argosy", sites=("london",))
        up.env["PYTHONPATH"] = installed(top / "plugin")
        grow(up.tree("london"), files)
        up.start()
        try:
            measured(up, files)
        finally:
            up.kill()


def installed(folder: Path) -> str:
    """Make a distribution with the step, and return where it is."""
    about = folder / "argosy_bench-1.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: argosy-bench\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[argosy.steps]\nnoop = argosy_bench_noop:Noop\n")
    (folder / "argosy_bench_noop.py").write_text(STEP)
    folder.chmod(0o755)
    return str(folder)


def grow(top: Path, files: int) -> None:
    """Make empty files."""
    for first in range(0, files, 1000):
        folder = top / f"{first // 1000:05}"
        folder.mkdir()
        for number in range(first, min(first + 1000, files)):
            os.close(os.open(folder / f"{number:08}.dat", os.O_CREAT | os.O_WRONLY))


def measured(up: Argosy, files: int) -> None:
    """Run the job, asking all the time, and ask on when it has ended."""
    definition = {"name": "noop", "label": "Noop", "fields": [], "filter_rules": RULES, "discovery": "recursive"}
    up.call("POST", "/workflows/", json=definition)
    hub, agents = (until(lambda name=name: child(up, name), what=f"the {name} run") for name in ("hub", "agents"))
    processes = up.processes()
    memory: list[dict[str, int]] = [{"hub": 0, "agents": 0} for _ in range(4)]
    used, began = cpu_of(processes), time.monotonic()
    body = {"workflow": "noop", "site": "london", "paths": [str(up.tree("london"))]}
    job = up.call("POST", "/file/workflow/", json=body)["job"]
    with Asker(up, job) as asker:
        while (told := up.call("GET", f"/jobs/{job}/"))["state"] not in ENDED:
            most = memory[min(3, told["numprocessedfiles"] * 4 // files)]
            for name, pid in (("hub", hub), ("agents", agents)):
                most[name] = max(most[name], resident(pid))
            time.sleep(0.2)
    wall, cpu = time.monotonic() - began, cpu_of(processes) - used
    assert (told["state"], told["numprocessedfiles"]) == ("SUCCESS", files), told
    print(f"{files} files, {os.cpu_count()} cores: {wall:.1f} s, {files / wall:.0f} files/s", end="")
    print(f", {cpu * 1e6 / files:.0f} us CPU a file, all processes")
    for name in ("hub", "agents"):
        print(
            f"most memory of the {name}, by quarters: "
            + ", ".join(f"{most[name] / 1e6:.0f}" for most in memory)
            + " MB"
        )
    show("while it runs", asker.took)
    show("afterwards", afterwards(up, job, files))
    print(f"most memory of the hub, downloads included: {most_ever(hub) / 1e6:.0f} MB")
    print(
        f"database: {sum(file.stat().st_size for file in (up.directory / 'data').rglob('hub.sqlite3*')) / 1e6:.0f} MB"
    )


def child(up: Argosy, name: str) -> int | None:
    """Return the process that is the hub, or the agents, of an Argosy."""
    for pid in up.processes():
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if b"argosy.embedded" in words and name.encode() in words:
            return pid
    return None


def most_ever(pid: int) -> int:
    """Return the most memory that the process ever held resident, bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))


class Asker:
    """A client that asks the API one thing after the other, and notes how long each answer took."""

    def __init__(self, up: Argosy, job: int) -> None:
        self.took: defaultdict[str, list[float]] = defaultdict(list)
        self._up, self._job = up, job
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    def _ask(self) -> None:
        with client(self._up) as http:
            while not self._over.wait(0.02):
                for what, (path, query) in questions(self._job).items():
                    self.took[what].append(asked(http, path, query))


def client(up: Argosy) -> httpx.Client:
    """Return a client that is logged in and keeps its connection."""
    login = httpx.post(f"{up.url}/api/auth/token/", json={"username": "admin", "password": PASSWORD})
    headers = {"Authorization": f"Bearer {login.json()['access']}"}
    return httpx.Client(base_url=f"{up.url}/api/", headers=headers, timeout=60)


def questions(job: int) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return what is asked."""
    return {
        "the job": (f"jobs/{job}/", {}),
        "list of jobs": ("jobs/", {}),
        "its tasks": ("tasks/", {"job_id": job}),
        "its processed files": (f"jobs/{job}/files/", {"category": "processed", "page_size": 100}),
    }


def asked(http: httpx.Client, path: str, query: dict[str, Any]) -> float:
    """Return the seconds an answer took."""
    began = time.monotonic()
    http.get(path, params=query).raise_for_status()
    return time.monotonic() - began


def afterwards(up: Argosy, job: int, files: int) -> dict[str, list[float]]:
    """Ask when nothing else goes on: also for the last page and the middle one, and for all of it."""
    listing, last = f"jobs/{job}/files/", -(-files // 100)
    pages = {
        f"{name} page of {category or 'all'} files": (
            listing, {"page": page, "page_size": 100} | ({"category": category} if category else {})
        )
        for name, page in (("first", 1), ("middle", max(1, last // 2)), ("last", last))
        for category in ("processed", "")
    }  # fmt: skip
    took: dict[str, list[float]] = {}
    with client(up) as http:
        for what, (path, query) in (questions(job) | pages).items():
            took[what] = [asked(http, path, query) for _ in range(AFTERWARDS)]
        for kind in ("json", "csv"):
            took[f"download of all as {kind}"] = [asked(http, f"{listing}download/", {"file_format": kind})]
    return took


def show(when: str, took: dict[str, list[float]]) -> None:
    """Print how long answers took."""
    print(f"\nAPI {when}, ms{'median':>26}{'p95':>10}{'most':>10}{'asked':>8}")
    for what, seconds in took.items():
        ms = sorted(second * 1e3 for second in seconds)
        p95 = ms[min(len(ms) - 1, round(len(ms) * 0.95))]
        print(f"    {what:32}{statistics.median(ms):10.1f}{p95:10.1f}{ms[-1]:10.1f}{len(ms):8}")


if __name__ == "__main__":
    main()
