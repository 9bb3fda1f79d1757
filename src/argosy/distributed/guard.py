"""What a node may ask for: what is of its own site, and nothing else."""

from collections import OrderedDict
from threading import Lock
from typing import Final
from uuid import UUID

from argosy.core.errors import Denied
from argosy.core.report import Probed
from argosy.hub.jobs.models import Task
from argosy.hub.sites.models import SiteLink

_KNOWN: Final = 100_000
"""Tasks of which it is remembered whose they are: that never changes."""


class Guard:
    """Remembers whose tasks are."""

    def __init__(self) -> None:
        self._sites: OrderedDict[str, str] = OrderedDict()
        self._door = Lock()

    def check(self, site: str, node: str, asked: object) -> None:
        """Return if a node of the site may ask for it.

        Raises:
            Denied: it concerns another.
        """
        named = asked if isinstance(asked, str) else getattr(asked, "site", site)
        if named != site:
            raise Denied(f"a node of site {site} asks for site {named}")
        if (called := getattr(asked, "node", node)) != node:
            raise Denied(f"node {node} calls itself {called}")
        if (owner := self._site_of(getattr(asked, "task", ""))) not in {"", site}:
            raise Denied(f"a node of site {site} asks for a task of site {owner}")
        if isinstance(asked, Probed) and not _is_linked(site, asked.datastore):
            raise Denied(f"a node of site {site} tells of datastore {asked.datastore}, which it is not linked to")

    def _site_of(self, task: str) -> str:
        """Return whose the task is; "" where there is none."""
        with self._door:
            if task in self._sites:
                self._sites.move_to_end(task)
                return self._sites[task]
        site = _looked_up(task)
        if site:
            with self._door:
                self._sites[task] = site
                while len(self._sites) > _KNOWN:
                    self._sites.popitem(last=False)
        return site


def _looked_up(task: str) -> str:
    try:
        number = UUID(task)
    except ValueError:
        return ""
    return Task.objects.filter(taskid=number).values_list("site__name", flat=True).first() or ""


def _is_linked(site: str, datastore: str) -> bool:
    return SiteLink.objects.filter(site__name=site, datastore__name=datastore).exists()
