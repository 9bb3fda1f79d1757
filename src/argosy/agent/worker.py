"""The agent: hears bells, claims orders, runs them, delivers what became of them."""

import sqlite3
import threading
from collections.abc import Collection
from contextlib import suppress
from functools import partial
from pathlib import Path

import structlog

from argosy.agent.clock import Clock
from argosy.agent.housekeeping import Housekeeper
from argosy.agent.hub import Hub
from argosy.agent.lease import Lease, Leases, now
from argosy.agent.place import OrderSite, Place
from argosy.agent.prober import Prober
from argosy.agent.runner import broken, run
from argosy.agent.slots import Slot, Slots
from argosy.agent.spool import Spool
from argosy.core.config import Config, SiteConfig
from argosy.core.errors import ArgosyError, Invalid, LeaseLost, Unavailable, Unsupported
from argosy.core.order import Order, StoreAccess
from argosy.core.paths import display
from argosy.core.report import Present, Report

log = structlog.get_logger()

REDELIVERY = 2.0
"""Seconds between attempts to deliver what the hub did not take."""
PRESENCE = 10.0
"""Seconds between two words to the hub that the site is served, as long as nothing of that changes."""

LEARNING = 4.0
"""Seconds between two questions to the hub for filesets, as long as all are well."""


class Worker:
    """The sites of one configuration, served by this process."""

    def __init__(self, config: Config, data_dir: Path, hub: Hub, node: str) -> None:
        self._hub = hub
        self._node = node
        self._top = data_dir / "agent"
        self._leases = Leases(hub)
        self._shelves = {store.path for store in config.datastores if store.type == "POSIX"}
        self._sites: dict[str, SiteWorker] = {}
        self._closed = {site.name: site for site in config.sites}
        """Sites that could not be opened yet: what is wrong with one is nothing to the others."""
        self._told: dict[str, str] = {}
        self._stopped = threading.Event()
        self._opener = threading.Thread(target=self._open_rest, name="opener", daemon=True)

    def start(self) -> None:
        """Clear what a killed agent left, deliver what it spooled, and take orders from now on."""
        self._leases.start()
        self._open_sites()
        if self._closed:
            self._opener.start()

    def _open_rest(self) -> None:
        """Open sites as soon as they can be."""
        while self._closed and not self._stopped.wait(REDELIVERY):
            self._open_sites()

    def _open_sites(self) -> None:
        for config in list(self._closed.values()):
            try:
                site = SiteWorker(
                    config, self._top / config.name, self._hub, self._leases, node=self._node, shelves=self._shelves
                )
            except (ArgosyError, OSError, sqlite3.Error) as error:
                self._tell(config, error.message if isinstance(error, ArgosyError) else str(error))
            else:
                del self._closed[config.name]
                self._sites[config.name] = site
                site.start()

    def _tell(self, config: SiteConfig, reason: str) -> None:
        """Log why a site is not served, once, and have the hub know it."""
        if self._told.get(config.name) != reason:
            log.error("site is not served", site=config.name, reason=reason)
        self._told[config.name] = reason
        with suppress(ArgosyError):  # the hub is away: it is told with the next try
            self._hub.present(Present(site=config.name, node=self._node, unserved=dict.fromkeys(config.roots, reason)))

    def ring(self, site: str, task: str, attempt: int, queue: str) -> None:
        """Have the task claimed and run as soon as a slot is free. Bells for unknown sites are ignored."""
        if site in self._sites:
            self._sites[site].ring(task, attempt, queue)

    def ready(self, site: str, queue: str, timeout: float) -> bool:
        """Say whether, within the time, a task of the kind would begin at once if the bell rang for it."""
        if site not in self._sites:
            self._stopped.wait(timeout)
            return False
        return self._sites[site].ready(queue, timeout)

    def stop(self, timeout: float) -> bool:
        """Stop between entries, wait `timeout` seconds at most for what is under way, and say whether all of it ended.

        What was taken back before, and does not end, is not waited for.
        """
        self._stopped.set()
        if self._opener.is_alive():
            self._opener.join(timeout)
        self._leases.stop("the agent is stopping")
        ended = [site.stop(timeout) for site in self._sites.values()]
        return all(ended)


class SiteWorker:
    """One site of this agent."""

    def __init__(
        self, config: SiteConfig, directory: Path, hub: Hub, leases: Leases, *, node: str, shelves: Collection[str]
    ) -> None:
        self._hub = hub
        self._node = node
        self._leases = leases
        self._place = Place(config, directory, shelves=shelves)
        self._slots = Slots(config.name, config.threads)
        self._prober = Prober(config.name, hub, self._place.store, in_use=self._in_use)
        self._housekeeper = Housekeeper(self._place, config.trash_days, Clock(directory / "clock"))
        self._told: dict[bytes, str] = {}
        self._said: tuple[Present, float] | None = None
        self._learn_at = 0.0
        """When the hub is asked for filesets again."""
        self._spool = Spool(directory / "spool")
        self._refused: set[Path] = set()
        """Reports that the hub did not take when the next attempt was to be made."""
        self._rung: set[tuple[str, int]] = set()
        self._guard = threading.Lock()
        self._open = threading.Event()
        self._stopped = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name=f"{config.name}-keeper", daemon=True)

    def start(self) -> None:
        """Open the site, now or as soon as one of its roots is there, and deliver what was spooled."""
        self._open_up()
        self._keeper.start()
        self._prober.start()
        self._housekeeper.start()

    def ring(self, task: str, attempt: int, queue: str) -> None:
        """Queue the task, once however often the bell rings. A site that is not open leaves it with the hub."""
        with self._guard:
            if not self._open.is_set() or self._stopped.is_set() or (task, attempt) in self._rung:
                return
            self._rung.add((task, attempt))
        self._slots.submit(queue, partial(self._answer, task, attempt))

    def ready(self, queue: str, timeout: float) -> bool:
        """Say whether, within the time, the site is open and has a slot of the kind, and room for its report."""
        if self._stopped.is_set() or not self._open.wait(timeout):
            return False
        if self._spool.full():
            self._stopped.wait(timeout)
            return False
        return self._slots.wait_free(queue, timeout)

    def stop(self, timeout: float) -> bool:
        """Take nothing more, wait for what is under way, and say whether all of it has ended."""
        self._stopped.set()
        self._prober.stop()
        self._housekeeper.stop()
        ended = self._slots.stop(timeout)
        if ended:
            self._place.close()
        return ended

    def _answer(self, task: str, attempt: int, slot: Slot) -> None:
        try:
            if not self._stopped.is_set() and not self._spool.full():
                self._claim_and_run(task, attempt, slot)
        except Unavailable:
            pass  # the hub is away; its sweep rings again
        except BaseException:  # the thread goes on, whatever code of others raised
            log.exception("task failed", task=task, attempt=attempt)
        finally:
            with self._guard:
                self._rung.discard((task, attempt))

    def _claim_and_run(self, task: str, attempt: int, slot: Slot) -> None:
        self._send_last(task, attempt)
        asked_at = now()
        try:
            order = self._hub.claim(task, attempt, self._node)
        except (Invalid, Unsupported) as error:  # it is ours now, and what it asks for cannot be read here
            log.warning("task not understood", task=task, attempt=attempt, reason=error.message)
            self._hand_in(Report(task=task, attempt=attempt, error=error.code, reason=error.message, retry=True))
            return
        if order is None:
            return
        lease = Lease(task, attempt, asked_at=asked_at, seconds=order.lease)
        self._leases.hold(lease)
        slot.begin(order, lease)
        try:
            self._run(order, lease, slot)
        finally:
            self._leases.drop(lease)

    def _send_last(self, task: str, attempt: int) -> None:
        """Have the hub know how the attempt before ended, where that is still to be said: there may be nothing to do.

        Raises:
            Unavailable: the hub does not take it now. Where it never does, the next attempt is made at the second bell.
        """
        waiting = self._spool.of(task, attempt - 1)
        if waiting is None or waiting[0] in self._refused:
            return
        self._refused.add(waiting[0])
        self._send(*waiting)
        self._refused.discard(waiting[0])

    def _in_use(self) -> Collection[StoreAccess]:
        """Return the datastores that work under way may need."""
        return {access.name: access for order in self._slots.orders() for access in order.stores}.values()

    def _run(self, order: Order, lease: Lease, slot: Slot) -> None:
        try:
            with self._slots.entries_of(slot) as pool:
                report = run(order, OrderSite.of(self._place, order, lease), self._hub, pool)
        except LeaseLost as error:
            log.warning("task given up", task=order.task, attempt=order.attempt, reason=error.message)
            return
        except Exception as error:  # `run` tells what is wrong with the task: this is wrong with the site
            log.exception("task failed", task=order.task, attempt=order.attempt)
            report = broken(order.task, order.attempt, error)
        self._hand_in(report)

    def _hand_in(self, report: Report) -> None:
        """Send a report, which is on disk before that; where no disk takes it, the hub may all the same."""
        file = None
        try:
            file = self._spool.put(report)
        except OSError as error:
            log.warning("report not written", task=report.task, attempt=report.attempt, reason=str(error))
        except Exception as error:  # it cannot be written at all: what can is that
            log.exception("report not well formed", task=report.task, attempt=report.attempt)
            report = broken(report.task, report.attempt, error)
        try:
            self._hub.report(report)
        except ArgosyError as error:
            if not isinstance(error, Unavailable):
                self._hand_in_less(report, file, error)
                return
            kept = "report kept" if file else "report lost"
            log.warning(kept, task=report.task, attempt=report.attempt, reason=error.message)
        else:
            if file:
                self._spool.done(file)

    def _hand_in_less(self, report: Report, file: Path | None, error: ArgosyError) -> None:
        """Set a report aside that the hub will never take, and say so in its place: else its task would not end."""
        log.warning("report refused", task=report.task, attempt=report.attempt, reason=error.message)
        if file:
            self._spool.refuse(file)
        if report.outcomes or report.met:  # the hub may take one that holds less
            reason = f"internal error: the hub refused what was reported: {error.message}"
            self._hand_in(Report(task=report.task, attempt=report.attempt, error=ArgosyError.code, reason=reason))

    def _keep(self) -> None:
        """Send what is in the spool, at the start and whenever something stays there; serve roots when they can be."""
        while True:
            try:
                self._learn()
                self._slots.look()
                self._open_up()
                self._deliver()
                self._say_present()
            except Exception:  # whatever it was, the thread goes on: nobody else does this
                log.exception("site was not looked after", site=self._place.name)
            if self._stopped.wait(REDELIVERY):
                return

    def _learn(self) -> None:
        """Ask the hub for filesets beside those of the configuration: often, where one is not as it should be."""
        if now() < self._learn_at and self._place.filesets.are_well():
            return
        with suppress(ArgosyError):  # the hub is away, or older than these
            told = self._hub.filesets(self._place.name)
            self._place.filesets.register(told)
            self._learn_at = now() + LEARNING
            if any(one.adopt for one in told):
                self._said = None  # whoever said so waits for what came of it

    def _open_up(self) -> None:
        """Serve the roots that can be served; a site without any is closed: what is to be done there waits."""
        self._place.start()
        self._tell(dict(self._place.unserved))
        if len(self._told) < len(self._place.trees):
            self._open.set()
        else:
            self._open.clear()

    def _tell(self, unserved: dict[bytes, str]) -> None:
        """Log what is no longer as it was told last."""
        for root in self._told.keys() - unserved.keys():
            log.info("root is served", site=self._place.name, root=display(root))
        for root, reason in unserved.items():
            if self._told.get(root) != reason:
                log.warning("root is not served", site=self._place.name, root=display(root), reason=reason)
        self._told = unserved

    def _say_present(self) -> None:
        """Have the hub know that the site is served, and which of its roots are not: at once when that changes."""
        told = Present(
            site=self._place.name,
            node=self._node,
            unserved={display(root): reason for root, reason in self._told.items()},
            retired=tuple(map(display, self._place.retired())),
            trouble="; ".join(filter(None, [self._place.trouble(), *self._slots.held().values()])),
            blocked=self._slots.blocked(),
            unwell=self._prober.unwell(),
            filesets=self._place.filesets.seen(),
        )
        if self._said is not None and self._said[0] == told and now() < self._said[1]:
            return
        with suppress(ArgosyError):  # the hub is away: it is told in a moment
            forgotten = self._hub.present(told)
            self._said = (told, now() + PRESENCE)
            self._place.forget(frozenset(forgotten))

    def _deliver(self) -> None:
        """Send what is in the spool until the hub does not take something; the next time begins behind that."""
        for file, report in self._spool.unsent():
            try:
                self._send(file, report)
            except Unavailable as error:
                log.info("hub does not take reports", reason=error.message)
                return

    def _send(self, file: Path, report: Report) -> None:
        """Send a report of the spool, which no longer has it then.

        Raises:
            Unavailable: the hub does not take it now.
        """
        try:
            self._hub.report(report)
        except ArgosyError as error:
            if isinstance(error, Unavailable):
                self._spool.later(file)
                raise
            self._hand_in_less(report, file, error)
        except Exception:
            self._spool.later(file)
            raise
        else:
            self._spool.done(file)
