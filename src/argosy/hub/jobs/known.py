"""What one transaction has read: tasks and their entries for many acts at once, and each other thing once."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from functools import lru_cache
from uuid import UUID

import msgspec

from argosy.core.order import StoreAccess
from argosy.hub.jobs.blobs import Carried, unpack_carried
from argosy.hub.jobs.models import Submission, Task, TaskEntries
from argosy.hub.sites.links import Linked
from argosy.hub.sites.models import Datastore, Site
from argosy.hub.sites.services import access
from argosy.hub.workflows.rules import Rule


class Known:
    """Reads, and remembers until the transaction ends. Task rows are locked where the database can."""

    def __init__(self) -> None:
        self._tasks: dict[UUID, Task] = {}
        self._entries: defaultdict[int, list[TaskEntries]] = defaultdict(list)
        self._linked: dict[int, Linked] = {}
        self._sites: dict[int, Site] = {}
        self._stores: dict[int, tuple[StoreAccess, ...]] = {}

    def load(self, taskids: Collection[str]) -> None:
        """Read these tasks and their entries."""
        wanted = {key for taskid in taskids if (key := _uuid(taskid))}
        self.hold(Task.objects.select_for_update().filter(taskid__in=wanted))

    def hold(self, tasks: Iterable[Task]) -> None:
        """Remember these tasks, and read their entries."""
        held = {task.taskid: task for task in tasks}
        self._tasks |= held
        for row in TaskEntries.objects.filter(task__in=[task.pk for task in held.values()]):
            self._entries[row.task_id].append(row)

    def task(self, taskid: str) -> Task | None:
        """Return the task, as the acts before this one left it; None where there is none."""
        key = _uuid(taskid)
        if key is not None and key not in self._tasks:
            self.load([taskid])
        return self._tasks.get(key) if key else None

    def row(self, task: Task) -> TaskEntries:
        """Return the row of the entries the task has left."""
        rows = [row for row in self._entries[task.pk] if row.attempt <= task.attempt]
        return max(rows, key=lambda row: row.attempt)

    def entries(self, task: Task) -> list[Carried]:
        """Return the entries the task has left."""
        return unpack_carried(self.row(task).blob)

    def site(self, pk: int) -> Site:
        """Return a site."""
        if pk not in self._sites:
            self._sites[pk] = Site.objects.get(pk=pk)
        return self._sites[pk]

    def linked(self, site: int) -> Linked:
        """Return the links of a site."""
        if site not in self._linked:
            self._linked[site] = Linked.of(self.site(site))
        return self._linked[site]

    def stores(self, site: int) -> tuple[StoreAccess, ...]:
        """Return how to reach the datastores a site is linked to, secrets included."""
        if site not in self._stores:
            rows = Datastore.objects.filter(links__site=site).distinct()
            self._stores[site] = tuple(access(row) for row in rows)
        return self._stores[site]


@lru_cache(maxsize=256)
def rules_of(submission: int) -> list[Rule]:
    """Return the rules of a submission; they never change."""
    return msgspec.convert(Submission.objects.values_list("rules", flat=True).get(pk=submission), list[Rule])


def _uuid(taskid: str) -> UUID | None:
    try:
        return UUID(taskid)
    except ValueError:
        return None
