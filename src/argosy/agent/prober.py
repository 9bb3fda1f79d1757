"""Finds out what the datastores of a site can do, whenever the hub has one that nobody has asked."""

import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import msgspec
import structlog

from argosy.agent.hub import Hub
from argosy.core.errors import ArgosyError
from argosy.core.order import StoreAccess
from argosy.core.report import Probed, fingerprint
from argosy.stores.base import Store

log = structlog.get_logger()

PERIOD = 2.0
"""Seconds between questions to the hub."""


class Prober:
    """A thread of its own: a datastore that does not answer keeps it for minutes, and nothing else."""

    def __init__(self, site: str, hub: Hub, store: Callable[[StoreAccess], Store]) -> None:
        self._site = site
        self._hub = hub
        self._store = store
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"{site}-prober", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Ask no more; a probe under way is not waited for."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(PERIOD):
            try:
                with suppress(ArgosyError):  # the hub is away: it is asked again
                    for access in self._hub.unprobed(self._site):
                        self._hub.probed(self._probe(access))
            except Exception:  # whatever it was, the thread goes on: nobody else probes
                log.exception("datastores were not probed", site=self._site)

    def _probe(self, access: StoreAccess) -> Probed:
        told = partial(Probed, datastore=access.name, fingerprint=fingerprint(access))
        try:
            found = self._store(access).probe()
        except ArgosyError as error:
            return told(trouble=error.message)
        except Exception as error:  # a library's, of settings that nobody foresaw: the others are probed all the same
            log.exception("probe failed", datastore=access.name)
            return told(trouble=f"it cannot be asked ({type(error).__name__}: {error}): look at its settings")
        return told(abilities=msgspec.structs.asdict(found))
