"""Leases: how long a task is ours. Measured on a clock that goes on while the machine sleeps."""

import threading
import time
from collections.abc import Callable

from argosy.agent.hub import Hub
from argosy.core.errors import ArgosyError, LeaseLost

MARGIN = 2.0
"""Seconds before its end at which a lease counts as over: what is under way must be done by then."""


def now() -> float:
    """Return seconds since boot, suspended time included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Lease:
    """One attempt's right to change things, renewed from elsewhere."""

    def __init__(self, task: str, attempt: int, *, asked_at: float, seconds: float) -> None:
        self.task = task
        self.attempt = attempt
        self._ends = asked_at + seconds
        self._revoked = ""

    def check(self) -> None:
        """Return while the task is ours.

        Raises:
            LeaseLost: it is not, or may not be any more.
        """
        if self._revoked:
            raise LeaseLost(self._revoked)
        if now() >= self._ends - MARGIN:
            raise LeaseLost("the lease ran out before the hub renewed it")

    def extend(self, asked_at: float, seconds: float) -> None:
        """Let it run `seconds` from when the renewal was asked for."""
        self._ends = max(self._ends, asked_at + seconds)

    def revoke(self, reason: str) -> None:
        """End it now."""
        self._revoked = reason


class Leases:
    """The leases of an agent, kept alive by one thread."""

    def __init__(self, hub: Hub, *, every: float = 10.0) -> None:
        self._hub = hub
        self._every = every
        self._held: dict[str, Lease] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="leases", daemon=True)

    def start(self) -> None:
        """Begin to renew."""
        self._thread.start()

    def stop(self, reason: str) -> None:
        """Revoke all and renew no more."""
        self._stopped.set()
        for lease in self._all():
            lease.revoke(reason)

    def hold(self, lease: Lease) -> None:
        """Keep it alive from now on."""
        with self._lock:
            self._held[lease.task] = lease

    def drop(self, lease: Lease) -> None:
        """Renew it no more."""
        with self._lock:
            self._held.pop(lease.task, None)

    def _all(self) -> list[Lease]:
        with self._lock:
            return list(self._held.values())

    def _keep(self) -> None:
        while not self._stopped.wait(self._every):
            for lease in self._all():
                self._renew(lease, self._hub.renew)

    def _renew(self, lease: Lease, renew: Callable[[str, int], float | None]) -> None:
        asked_at = now()
        try:
            seconds = renew(lease.task, lease.attempt)
        except ArgosyError:
            return  # the hub is away: what the lease still allows is finished
        if seconds is None:
            lease.revoke("the hub took the task back")
        else:
            lease.extend(asked_at, seconds)
