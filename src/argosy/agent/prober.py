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
from argosy.core.faults import StoreDown, StoreStranger
from argosy.core.order import StoreAccess
from argosy.core.report import Probed, fingerprint
from argosy.stores.base import Store

log = structlog.get_logger()

PERIOD = 2.0
"""Seconds between questions to the hub, and to a datastore that is in use."""
PATIENCE = 4.0
"""Seconds after which a datastore that was asked something small counts as silent, until it answers after all."""
_HASTE: Final = 10
"""Seconds after which a question that was not answered is asked anew."""
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
        self._bad: dict[str, _Bad] = {}
        """By fingerprint, the datastores in use that do not answer as they should."""
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"{site}-prober", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Ask no more; what was asked is not waited for."""
        self._stopped.set()

    def unwell(self) -> dict[str, tuple[str, str]]:
        """Return the datastores in use that do not answer, or not as they should: work that needs them waits for them.

        Of each the code of the error that is, and since when or with what.
        """
        bad = [one for one in self._bad.copy().values() if now() - one.since > PATIENCE]
        silent = {name: (StoreDown.code, silence) for name, silence in self._looks.overdue().items()}
        return silent | {one.name: (one.error.code, one.error.message) for one in bad}

    def _run(self) -> None:
        while not self._stopped.wait(PERIOD):
            try:
                used = self._in_use()
                for fallen in self._bad.keys() - set(map(fingerprint, used)):
                    self._bad.pop(fallen, None)
                for access in used:
                    self._looks.ask(access, self._look)
                with suppress(ArgosyError):  # the hub is away: it is asked again
                    for access in self._hub.unprobed(self._site):
                        self._find_out(access)
            except Exception:  # whatever it was, the thread goes on: nobody else asks
                log.exception("datastores were not asked", site=self._site)

    def _find_out(self, access: StoreAccess) -> None:
        """Probe the datastore; of one that was and is silent, tell that."""
        if silence := self._probes.overdue().get(access.name):
            told = partial(Probed, datastore=access.name, fingerprint=fingerprint(access))
            self._hub.probed(told(trouble=silence, code=StoreDown.code))
        self._probes.ask(access, self._tell)

    def _look(self, access: StoreAccess) -> None:
        key, began = fingerprint(access), now()
        error = self._met(access)
        if error is None:
            self._bad.pop(key, None)
        else:
            known = self._bad.get(key)
            self._bad[key] = _Bad(access.name, known.since if known else began, error)

    def _met(self, access: StoreAccess) -> StoreDown | None:
        """Ask the store something small; return how it is down, None where it answers, whatever that is."""
        try:
            found = self._hasty(access).head(_NOTHING)
        except StoreDown as error:
            return error
        except Exception:  # noqa: BLE001 - it is an answer, and who works there meets the same
            return None
        return StoreStranger(f"what answers is no such store: it says that there is {found.key}, which there is not")

    def _hasty(self, access: StoreAccess) -> Store:
        """Return the store, without patience: to be told to come again, again and again, is no silence."""
        store = self._store(access)
        timeout = getattr(store, "timeout", None)
        if timeout is None:
            return store
        hasty = {"tries": 1, "timeout": min(timeout, _HASTE)}
        return self._store(msgspec.structs.replace(access, settings=access.settings | hasty))

    def _tell(self, access: StoreAccess) -> None:
        found = self._probed(access)
        with suppress(ArgosyError):  # the hub is away: it will want to know again
            self._hub.probed(found)

    def _probed(self, access: StoreAccess) -> Probed:
        told = partial(Probed, datastore=access.name, fingerprint=fingerprint(access))
        try:
            found = self._store(access).probe()
        except ArgosyError as error:
            return told(trouble=error.message, code=error.code)
        except Exception as error:  # a library's, of settings that nobody foresaw
            log.exception("probe failed", datastore=access.name)
            return told(trouble=f"it cannot be asked ({type(error).__name__}: {error}): look at its settings")
        return told(abilities=msgspec.structs.asdict(found))


class _Asked(NamedTuple):
    """A datastore that was asked something: when by the clock that nobody sets, and by that which people read."""

    name: str
    since: float
    shown: str


class _Bad(NamedTuple):
    """A datastore that answers, and not as it should, since when by the clock that nobody sets."""

    name: str
    since: float
    error: StoreDown


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
