"""What it costs a hub to record: CPU, transactions and bytes of database for each task of a job.

    .venv/bin/python bench/hub_recording.py [TASKS] [FILES_PER_TASK]

A task costs three calls: the batch that found its files, the claim, and the report, with the facts that a premigration
learns. They are made to a real `Delivery` on SQLite in a temporary directory: by one caller, so that every call is a
transaction; and by eight, of whom one finds and seven claim and report, so that calls share some. The callers' own work
is prepared beforehand, but their share of handing over is in the figures.

Not measured: the local connection and its JSON, the API, and the disk, which tasks/s depends on and CPU does not.
"""

import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from queue import SimpleQueue

import msgspec

from argosy.core.config import Config, DatastoreConfig, LinkConfig, SiteConfig
from argosy.core.entry import Attributes, Entry, Stored
from argosy.core.order import Order
from argosy.core.outcome import Outcome
from argosy.core.report import Batch, Report
from argosy.hub.project import boot

ROOT = "/srv/london"
CALLERS = 8


def main() -> None:
    """Measure and print."""
    tasks, files = (int(word) for word in (sys.argv[1:] + ["500", "40"][len(sys.argv) - 1 :])[:2])
    with tempfile.TemporaryDirectory(prefix="argosy-bench-") as directory:
        boot.prepare(Path(directory), config(files), "correct horse")
        print(f"{tasks} tasks of {files} files, {os.cpu_count()} cores")
        print(
            f"{'callers':>8}{'tasks/s':>10}{'ms CPU/task':>13}{'us CPU/file':>13}{'commits/task':>14}{'KiB/task':>10}"
        )
        measure(Hub(), 5, files, callers=1)
        for callers in (1, CALLERS):
            hub, size = Hub(), stored(directory)
            wall, cpu = measure(hub, tasks, files, callers=callers)
            size, commits = stored(directory) - size, hub.commits / tasks
            print(
                f"{callers:8}{tasks / wall:10.0f}{cpu * 1e3 / tasks:13.2f}{cpu * 1e6 / tasks / files:13.0f}"
                f"{commits:14.2f}{size / 1024 / tasks:10.1f}"
            )


def config(files: int) -> Config:
    """Return a site with a link to a store that has a secret."""
    cloud = DatastoreConfig(
        name="cloud", type="S3", bucket="b", endpoint="http://127.0.0.1:1", accesskeyid="k", secretaccesskey="s3cret"
    )
    link = LinkConfig(site_path=ROOT, datastore="cloud", datastore_path="projects/")
    site = SiteConfig(name="london", roots=(ROOT,), links=(link,), file_batch_size=files)
    return Config(datastores=(cloud,), sites=(site,))


class Hub:
    """A delivery, the bells it rang and how often it committed."""

    def __init__(self) -> None:
        from argosy.hub.jobs.delivery import Delivery

        self.commits = 0
        self.rung: SimpleQueue[tuple[str, int]] = SimpleQueue()
        self.delivery = Delivery(self, clock=self.clock)

    def clock(self) -> datetime:
        """Return the time; asked for once in each transaction."""
        from django.utils import timezone

        self.commits += 1
        return timezone.now()

    def ring(self, site: str, task: str, attempt: int, queue: str) -> None:  # noqa: ARG002 - as bells are rung
        """Keep the bell."""
        self.rung.put((task, attempt))

    def claim(self) -> Order:
        """Claim the next task that is rung for."""
        while (order := self.delivery.claim(*self.rung.get(), "node1")) is None:
            pass
        return order


def measure(hub: Hub, tasks: int, files: int, *, callers: int) -> tuple[float, float]:
    """Return the seconds and CPU seconds of a job from its first batch to its last report."""
    batches = [[found(number * files + n) for n in range(files)] for number in range(tasks)]
    outcomes = {entry.path: premigrated(entry) for entries in batches for entry in entries}
    hub.delivery.start()
    job = submitted()
    finding = hub.claim()
    began, used = time.monotonic(), time.process_time()
    if callers == 1:
        for number, entries in enumerate(batches):
            tell(hub, finding, number, entries)
            work(hub, 1, outcomes)
    else:
        together(
            lambda: [tell(hub, finding, number, entries) for number, entries in enumerate(batches)],
            *(lambda share=share: work(hub, share, outcomes) for share in shares(tasks, callers - 1)),
        )
    hub.delivery.report(Report(task=finding.task, attempt=finding.attempt))
    wall, cpu = time.monotonic() - began, time.process_time() - used
    hub.delivery.stop()
    job.refresh_from_db()
    assert (job.state, job.numprocessedfiles) == ("SUCCESS", tasks * files), vars(job)
    return wall, cpu


def submitted():  # noqa: ANN201 - models can be imported once Django is set up
    """Return a new job that premigrates everything."""
    from argosy.hub.jobs.services import Asked, submit

    return submit(Asked(site="london", workflow="premigrate", paths=[Entry(path=ROOT.encode())]), owner=None)


def tell(hub: Hub, finding: Order, number: int, entries: list[Entry]) -> None:
    """Deliver a batch."""
    batch = Batch(task=finding.task, attempt=finding.attempt, sequence=number, entries=tuple(entries))
    assert hub.delivery.batch(batch)


def work(hub: Hub, tasks: int, outcomes: dict[bytes, Outcome]) -> None:
    """Claim tasks and report them done."""
    for _ in range(tasks):
        order = hub.claim()
        done = tuple(outcomes[entry.path] for entry in order.entries)
        hub.delivery.report(Report(task=order.task, attempt=order.attempt, outcomes=done, seconds=1.25))


def shares(tasks: int, workers: int) -> list[int]:
    """Return how many tasks each of the workers does."""
    return [tasks // workers + (worker < tasks % workers) for worker in range(workers)]


def together(*acts: Callable[[], object]) -> None:
    """Do all of it at once, each in a thread."""
    threads = [threading.Thread(target=act) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def found(number: int) -> Entry:
    """Return a file as a recursive discovery finds it."""
    now = time.time_ns()
    path = f"{ROOT}/projects/imaging/run{number // 1000:05}/frame{number:07}.tif".encode()
    return Entry(path=path, size=65536, mtime_ns=now, ctime_ns=now, inode=1_000_000 + number)


def premigrated(entry: Entry) -> Outcome:
    """Return what a premigration reports of the file."""
    key = entry.path.decode().removeprefix(f"{ROOT}/")
    attributes = Attributes(mode=0o644, uid=1000, gid=1000, user="alice", group="users", mtime_ns=entry.mtime_ns)
    unlike = {"uuid": os.urandom(16), "etag": f'"{os.urandom(16).hex()}"', "digest": os.urandom(32)}
    stored = Stored(datastore="cloud", key=f"projects/{key}", size=entry.size, **unlike)
    known = msgspec.structs.replace(entry.facts, attributes=attributes, stored=stored)
    return Outcome.processed(msgspec.structs.replace(entry, facts=known), moved=entry.size)


def stored(directory: str) -> int:
    """Return the bytes of the database, all of it in its own file."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return (Path(directory) / "hub.sqlite3").stat().st_size


if __name__ == "__main__":
    main()
