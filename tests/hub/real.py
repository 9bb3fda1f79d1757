"""A hub whose orders are run by the agent itself, in this process: real trees, real stores, a clock that is told."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from argosy.agent.lease import Lease, now
from argosy.agent.place import OrderSite, Place
from argosy.agent.runner import run
from argosy.core.config import Config, DatastoreConfig, LinkConfig, SiteConfig
from argosy.core.entry import Entry
from argosy.core.errors import LeaseLost
from argosy.core.order import Order
from argosy.core.report import Present
from argosy.hub.jobs.models import Job
from argosy.hub.jobs.services import Asked, submit
from argosy.hub.sites.services import reconcile
from tests.hub.fake import FakeAgent

NODE = "node1"


class RealAgent(FakeAgent):
    """Serves london and dublin; `projects` of each is linked to `projects/` of the datastore `cloud`."""

    def __init__(
        self,
        top: Path,
        *,
        store: DatastoreConfig | None = None,
        roots: dict[str, Path] | None = None,
        stubs: bool = True,
        hands: Callable[[], None] = lambda: None,
    ) -> None:
        """`hands`: what each thread that works on entries does first."""
        super().__init__()
        self.top = top
        self.shelf = top / "store"
        self.shelf.mkdir(exist_ok=True)
        self.datastore = store or DatastoreConfig(name="cloud", type="POSIX", path=str(self.shelf))
        self.roots = {"london": top / "london", "dublin": top / "dublin"} | (roots or {})
        for root in self.roots.values():
            (root / "projects").mkdir(parents=True, exist_ok=True)
        self._stubs = stubs
        self.declared = self._config()
        reconcile(self.declared)
        self.places: dict[str, Place] = {}
        self.pool = ThreadPoolExecutor(4, initializer=hands)

    def _config(self) -> Config:
        sites = tuple(
            SiteConfig(
                name=name,
                roots=(str(root),),
                unguarded_stubs=self._stubs,
                min_stub_size=0,
                links=(LinkConfig(site_path=str(root / "projects"), datastore="cloud", datastore_path="projects/"),),
            )
            for name, root in self.roots.items()
        )
        return Config(datastores=(self.datastore,), sites=sites)

    def __enter__(self) -> Self:
        super().__enter__()
        for site in self.declared.sites:
            self.serve(site)
        return self

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        self.pool.shutdown(wait=True)
        for place in self.places.values():
            place.close()

    def serve(self, site: SiteConfig) -> None:
        """Begin to serve a site, as an agent does that was just started, and say so."""
        if site.name in self.places:
            self.places[site.name].close()
        place = Place(site, self.top / f"agent-{site.name}", shelves=[str(self.shelf)])
        place.start()
        self.places[site.name] = place
        self.say_present(site.name)

    def say_present(self, site: str) -> None:
        unserved = {root.decode(): reason for root, reason in self.places[site].unserved.items()}
        self.delivery.present(Present(site=site, node=NODE, unserved=unserved))

    def do(self, order: Order) -> None:
        self.orders.append(order)
        lease = Lease(order.task, order.attempt, asked_at=now(), seconds=order.lease)
        site = OrderSite.of(self.places[order.site], order, lease)
        with suppress(LeaseLost):  # of a discovery, whose next phase another attempt begins
            self.delivery.report(run(order, site, self.delivery, self.pool))

    def projects(self, site: str = "london") -> Path:
        return self.roots[site] / "projects"

    def made(self, name: str, content: bytes = b"content" * 1000, site: str = "london") -> Path:
        """A file that was written an hour ago."""
        file = self.projects(site) / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content)
        then = file.stat().st_mtime_ns - 3600 * 10**9
        os.utime(file, ns=(then, then))
        return file

    def start(self, workflow: str, *paths: Path, site: str = "london", **more: Any) -> Job:
        given = [Entry(path=bytes(path)) for path in paths or (self.projects(site),)]
        return submit(Asked(site=site, workflow=workflow, paths=given, **more), owner=None)

    def ran(self, workflow: str, *paths: Path, **more: Any) -> Job:
        """Run a workflow as far as it goes now."""
        job = self.start(workflow, *paths, **more)
        self.run()
        job.refresh_from_db()
        return job
