"""Hub processes beside others.

`python -m tests.hub.claimer begin DATA_DIR URL COUNT` begins a job of so many tasks and prints their ids.

`python -m tests.hub.claimer claim DATA_DIR TASKS`, where TASKS is a file with the id of a task on each line, says
`ready`, and at the first line on standard input claims all of them, reports those that it was given, and prints them.
"""

import logging
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from argosy.core.config import Config, HubConfig
from argosy.embedded.logs import log_to_stderr
from argosy.hub.project import boot

THREADS = 8


def begin(data_dir: str, url: str, count: str) -> None:
    boot.prepare(Path(data_dir), Config(hub=HubConfig(database=url)), "correct horse")
    from argosy.hub.jobs.models import Task
    from argosy.hub.sites.models import Site
    from tests.hub.fake import FakeAgent, file, sites, start

    sites()
    Site.objects.update(file_batch_size=1)
    with FakeAgent() as agent:
        agent.tree = [file(f"/srv/london/projects/{number:04}") for number in range(int(count))]
        start("premigrate")
        agent.do(agent.claim())
    for taskid in Task.objects.filter(state="PENDING").values_list("taskid", flat=True):
        sys.stdout.write(f"{taskid}\n")


def claim(data_dir: str, tasks: str) -> None:
    boot.attach(Path(data_dir))
    from tests.hub.fake import FakeAgent

    given = Path(tasks).read_text().split()
    with FakeAgent() as agent, ThreadPoolExecutor(THREADS) as threads:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.readline()
        orders = [order for order in threads.map(lambda task: agent.delivery.claim(task, 1, "node1"), given) if order]
        list(threads.map(agent.do, orders))
    for order in orders:
        sys.stdout.write(f"{order.task}\n")


if __name__ == "__main__":
    log_to_stderr("claimer", logging.ERROR)
    {"begin": begin, "claim": claim}[sys.argv[1]](*sys.argv[2:])
