"""What one transaction has read: tasks and their entries for many acts at once, and each other thing once."""

import json
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

import msgspec
from django.db import connection

from argosy.core.order import Link, StoreAccess
from argosy.core.ready import ready
from argosy.hub.jobs.blobs import Carried, unpack_carried
from argosy.hub.jobs.models import Task, TaskEntries
from argosy.hub.jobs.places import Places, numbered
from argosy.hub.jobs.rows import Table
from argosy.hub.sites.links import Linked
from argosy.hub.sites.models import Datastore, Site, SiteLink
from argosy.hub.sites.services import access
from argosy.hub.workflows.rules import Rule

_TASKS = Table(Task)
_ENTRIES = Table(TaskEntries)
_SITES = Table(Site)
_LINKS = Table(SiteLink)
_DATASTORES = Table(Datastore)
_ORDERED = """
SELECT CAST(submission.rules AS text), job.dry_run, job.feeds FROM jobs_submission submission
JOIN jobs_job job ON job.id = submission.job_id WHERE submission.id = %s
"""


class Ordered(NamedTuple):
    """What is to be done for a submission."""

    rules: list[Rule]
    dry_run: bool
    """Whether steps are only to say what they would do."""
    feeds: bool
    """Whether what is found goes to other jobs."""


class Known:
    """Reads, and remembers until the transaction ends. Task rows are locked where the database can."""

    def __init__(self) -> None:
        self._tasks: dict[UUID, Task] = {}
        self._entries: dict[int, list[TaskEntries]] = {}
        self._sites: dict[int, Site] = {}
        self._linked: dict[int, Linked] = {}
        self._stores: dict[int, tuple[StoreAccess, ...]] = {}
        self._places: dict[int, Places] = {}
        self._ordered: dict[int, Ordered] = {}

    def load(self, taskids: Collection[str]) -> None:
        """Read these tasks."""
        self.hold(_TASKS.having("taskid", {key for taskid in taskids if (key := _uuid(taskid))}, lock=True))

    def hold(self, tasks: Iterable[Task]) -> list[Task]:
        """Remember these tasks, and return them: those that are known already as the acts so far left them."""
        return [self._tasks.setdefault(task.taskid, task) for task in tasks]

    def forget(self) -> None:
        """Read tasks anew: a statement changed them in the database. All that acts changed is written there."""
        self._tasks.clear()

    def task(self, taskid: str) -> Task | None:
        """Return the task, as the acts before this one left it; None where there is none."""
        key = _uuid(taskid)
        if key is not None and key not in self._tasks:
            self.load([taskid])
        return self._tasks.get(key) if key else None

    def row(self, task: Task) -> TaskEntries:
        """Return the row of the entries the task has left."""
        if task.pk not in self._entries:
            self._read_entries()
        rows = [row for row in self._entries[task.pk] if row.attempt <= task.attempt]
        return max(rows, key=lambda row: row.attempt)

    def left(self, task: Task, row: TaskEntries) -> None:
        """Remember which entries the task has left from its next attempt on."""
        self.row(task)
        self._entries[task.pk].append(row)

    def _read_entries(self) -> None:
        """Read the entries of all tasks that are remembered: what one act needs, those beside it are likely to."""
        unread = {task.pk: list[TaskEntries]() for task in self._tasks.values() if task.pk not in self._entries}
        self._entries |= unread
        for row in _ENTRIES.having("task", unread):
            unread[row.task_id].append(row)

    def entries(self, task: Task) -> list[Carried]:
        """Return the entries the task has left."""
        return unpack_carried(self.row(task).blob)

    def ordered(self, submission: int) -> Ordered:
        """Return the rules of a submission, and whether its job is a plan.

        Read in every transaction: one that was rolled back, and a restore, give the same number to another.
        """
        if submission not in self._ordered:
            with connection.cursor() as cursor:
                cursor.execute(_ORDERED, [submission])
                rules, dry_run, feeds = cursor.fetchone()
            self._ordered[submission] = Ordered(_decoded(rules), bool(dry_run), bool(feeds))
        return self._ordered[submission]

    def rules(self, submission: int) -> list[Rule]:
        """Return the rules of a submission."""
        return self.ordered(submission).rules

    def site(self, pk: int) -> Site:
        """Return a site."""
        if pk not in self._sites:
            (self._sites[pk],) = _SITES.having("id", [pk])
        return self._sites[pk]

    def linked(self, site: int) -> Linked:
        """Return the links of a site."""
        if site not in self._linked:
            self._read_links(site)
        return self._linked[site]

    def stores(self, site: int) -> tuple[StoreAccess, ...]:
        """Return how to reach the datastores a site is linked to, secrets included."""
        if site not in self._stores:
            self._read_links(site)
        return self._stores[site]

    def places(self, site: int) -> Places:
        """Return the roots and datastores of a site."""
        if site not in self._places:
            self._places[site] = Places(self.site(site).roots, self.linked(site).links)
        return self._places[site]

    def place(self, task: Task, carried: Sequence[Carried]) -> int:
        """Return the number of what a task needs for these entries."""
        options = None if task.chain is None else self.rules(task.submission_id)[task.chain].chain[task.seq].options
        return numbered(self.places(task.site_id).of(carried), options)

    def _read_links(self, site: int) -> None:
        links = _LINKS.having("site", [site])
        stores = {row.pk: row for row in _DATASTORES.having("id", {link.datastore_id for link in links})}
        self._stores[site] = tuple(map(access, stores.values()))
        self._linked[site] = Linked(self.site(site).name, [_link(link, stores[link.datastore_id]) for link in links])


def _link(link: SiteLink, store: Datastore) -> Link:
    return Link(site_path=bytes(link.site_path), datastore=store.name, datastore_path=bytes(link.datastore_path))


@lru_cache(maxsize=256)
def _decoded(rules: str) -> list[Rule]:
    """Return what a text says, which is the same at all times and in all processes."""
    return msgspec.convert(json.loads(rules), ready(list[Rule]))


def _uuid(taskid: str) -> UUID | None:
    try:
        return UUID(taskid)
    except ValueError:
        return None
