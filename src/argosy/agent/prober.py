"""Finds out what the datastores of a site can do, where nobody knows, and whether those that are in use answer."""

import threading
from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Final, NamedTuple

import msgspec
import structlog

from argosy.agent.hub import Hub
from argosy.agent.lease import now
from argosy.core.errors import ArgosyError
from argosy.core.order import StoreAccess
from argosy.core.report import Probed, fingerprint
from argosy.stores.base import Store

log = structlog.get_logger()

PERIOD = 2.0
"""Seconds between questions to the hub, and to a datastore that is in use."""
PATIENCE = 4.0
"""Seconds after which a datastore that was asked something small counts as silent, until it answers after all."""
_NOTHING: Final = ".argosy/probe/nothing"
"""The key of no object: that there is none is an answer."""


class Prober:
    """A thread of its own, and one more for each datastore that is asked: a silent one keeps nothing else waiting."""

    def __init__(
        self,
        site: str,
        hub: Hub,
        store: Callable[[StoreAccess], Store],
        *,
        in_use: Callable[[], Collection[StoreAccess]] = tuple,
    ) -> None:
        """`in_use`: datastores that work under way may wait for."""
        self._site = site
        self._hub = hub
        self._store = store
        self._in_use = in_use
        self._probes = _Questions(f"{site}-probe")
        self._looks = _Questions(f"{site}-look")
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"{site}-prober", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Ask no more; what was asked is not waited for."""
        self._stopped.set()

    def silent(self) -> dict[str, str]:
        """Return the datastores in use that do not answer, and since when: work that needs them waits for them."""
        return self._looks.overdue()

    def _run(self) -> None:
        while not self._stopped.wait(PERIOD):
            try:
                for access in self._in_use():
                    self._looks.ask(access, self._look)
                with suppress(ArgosyError):  # the hub is away: it is asked again
                    for access in self._hub.unprobed(self._site):
                        self._find_out(access)
            except Exception:  # whatever it was, the thread goes on: nobody else asks
                log.exception("datastores were not asked", site=self._site)

    def _find_out(self, access: StoreAccess) -> None:
        """Probe the datastore; of one that was and is silent, tell that."""
        if silence := self._probes.overdue().get(access.name):
            self._hub.probed(Probed(datastore=access.name, fingerprint=fingerprint(access), trouble=silence))
        self._probes.ask(access, self._tell)

    def _look(self, access: StoreAccess) -> None:
        with suppress(Exception):  # whatever it was, it is no silence, and who works there meets the same
            self._store(access).head(_NOTHING)

    def _tell(self, access: StoreAccess) -> None:
        found = self._probed(access)
        with suppress(ArgosyError):  # the hub is away: it will want to know again
            self._hub.probed(found)

    def _probed(self, access: StoreAccess) -> Probed:
        told = partial(Probed, datastore=access.name, fingerprint=fingerprint(access))
        try:
            found = self._store(access).probe()
        except ArgosyError as error:
            return told(trouble=error.message)
        except Exception as error:  # a library's, of settings that nobody foresaw
            log.exception("probe failed", datastore=access.name)
            return told(trouble=f"it cannot be asked ({type(error).__name__}: {error}): look at its settings")
        return told(abilities=msgspec.structs.asdict(found))


class _Asked(NamedTuple):
    """A datastore that was asked something: when by the clock that nobody sets, and by that which people read."""

    name: str
    since: float
    shown: str


class _Questions:
    """Questions that datastores have not answered yet, one at a time to each."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._open: dict[str, _Asked] = {}
        self._guard = threading.Lock()

    def ask(self, access: StoreAccess, question: Callable[[StoreAccess], None]) -> None:
        """Ask it in a thread, unless it was asked already and has not answered."""
        key = fingerprint(access)
        with self._guard:
            if key in self._open:
                return
            self._open[key] = _Asked(access.name, now(), f"{datetime.now(UTC):%H:%M:%S}")
        threading.Thread(target=self._await, args=(key, access, question), name=self._name, daemon=True).start()

    def _await(self, key: str, access: StoreAccess, question: Callable[[StoreAccess], None]) -> None:
        try:
            question(access)
        finally:
            with self._guard:
                del self._open[key]

    def overdue(self) -> dict[str, str]:
        """Return the datastores that have not answered for too long, and since when."""
        with self._guard:
            late = [asked for asked in self._open.values() if now() - asked.since > PATIENCE]
        return {asked.name: f"has not answered since {asked.shown} UTC" for asked in late}
