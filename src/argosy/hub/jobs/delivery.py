"""The hub as agents see it, and the sweep that lets nothing wait for ever."""

from datetime import timedelta
from functools import partial
from itertools import product

import structlog

from argosy.core.errors import Unavailable
from argosy.core.fileset import Registered
from argosy.core.order import Order, StoreAccess
from argosy.core.report import Batch, Present, Probed, Report
from argosy.core.states import TaskState
from argosy.hub.common.duties import Duty
from argosy.hub.jobs import bells, claiming, orphans, record
from argosy.hub.jobs.clock import Clock, count_anew
from argosy.hub.jobs.housekeeping import Housekeeping
from argosy.hub.jobs.ledger import Ledger
from argosy.hub.jobs.models import SUSPECT, Queue
from argosy.hub.jobs.offer import offer, offer_again
from argosy.hub.jobs.recorder import Alone, Recorder
from argosy.hub.sites import filesets, presence, probes
from argosy.hub.sites.models import Site

log = structlog.get_logger()

LEASE = 60.0
"""Seconds an attempt runs before it must be renewed."""
UNANSWERED = timedelta(seconds=30)
"""How long a bell may go unanswered before it is rung again."""
PERIOD = 1.0
"""Seconds between sweeps."""
EXPIRED_AT_ONCE = 200
"""Expired tasks one sweep sees to: the others wait for the next, and the API is not kept from writing."""


class Delivery:
    """Claims, batches and reports of agents; all of it is recorded by one thread, in few transactions."""

    def __init__(self, bell: bells.Bell, *, clock: Clock | None = None, lease: float = LEASE) -> None:
        bells.hang(bell)
        self._clock = clock or Clock()
        self._lease = lease
        self._arrived: dict[tuple[str, str], str] = {}
        """Which process serves a site as a node, as far as one has said so since the hub began."""
        self._recorder = Recorder(self._clock)
        self._housekeeping = Housekeeping(self._recorder)
        self._sweeper = Duty("sweep", self._see_to_it, later=PERIOD, grace=None)

    def start(self) -> None:
        """Begin to record and to sweep. What ran or waited when the hub ended is counted from now."""
        self._recorder.start()
        lease, longest = timedelta(seconds=self._lease), timedelta(seconds=record.LONGEST)
        self._recorder.record(Alone(lambda ledger: count_anew(ledger.now, lease, longest)))
        self._sweeper.start(after=PERIOD)

    def stop(self) -> None:
        """Record what was handed in, and end."""
        self._sweeper.stop()
        self._recorder.stop()

    def claim(self, task: str, attempt: int, node: str) -> Order | None:
        """Give the attempt to a node, with all it needs to run; None: it is gone."""
        act = partial(claiming.claim, taskid=task, attempt=attempt, node=node, lease=self._lease)
        return self._recorder.record(act, task)

    def reclaim(self, task: str, attempt: int, node: str) -> Order | None:
        """Give the attempt to a node that may have it already, and has begun nothing of it; None: it is gone."""
        act = partial(claiming.reclaim, taskid=task, attempt=attempt, node=node, lease=self._lease)
        return self._recorder.record(act, task)

    def renew(self, task: str, attempt: int) -> float | None:
        """Let the attempt run on, and return for how long; None: it is no longer the one that has the task."""
        act = partial(claiming.renew, taskid=task, attempt=attempt, lease=self._lease)
        return self._lease if self._recorder.record(act, task) else None

    def batch(self, batch: Batch) -> bool:
        """Record what a discovery found; False: the task is no longer this attempt's."""
        return self._recorder.record(partial(record.batch, told=batch), batch.task)

    def report(self, report: Report) -> None:
        """Record how an attempt ended. Harmless when repeated."""
        self._recorder.record(partial(record.report, told=report), report.task)

    def unprobed(self, site: str) -> tuple[StoreAccess, ...]:
        """Return the datastores of the site of which it is not known what they can do."""
        return self._recorder.record(lambda ledger: probes.unprobed(site, ledger.now))

    def probed(self, told: Probed) -> None:
        """Record what was found at a datastore."""
        self._recorder.record(lambda ledger: probes.probed(told, ledger.now))

    def present(self, told: Present) -> tuple[str, ...]:
        """Record that a node serves a site, and which of its roots it does not; return roots that it is to forget."""
        return self._recorder.record(lambda ledger: presence.note(told, ledger.now))

    def filesets(self, site: str) -> tuple[Registered, ...]:
        """Return the filesets of the site as they are registered; that one is to be adopted is said once."""
        return self._recorder.record(lambda _: filesets.registered(site))

    def clock(self) -> int:
        """Return what time it is here, ns since 1970."""
        return int(self._clock.now().timestamp() * 1e9)

    def sweep(self) -> None:
        """Take tasks from attempts whose leases ran out, and ring again for those that nobody claimed."""
        expired = self._recorder.record(_expired)
        self._recorder.each((partial(_expire, taskid=taskid), taskid) for taskid in expired)
        self._recorder.record(_offer_all)

    def adopt_orphans(self, *, died: bool = False) -> None:
        """Offer again at once what was running; call it where no agent can be alive that still runs it.

        `died`: the agents did while the hub went on, which counts against what they ran.
        """
        self._recorder.record(Alone(partial(orphans.adopt, died=died)))
        log.info("orphans adopted")

    def arrive(self, site: str, node: str, instance: str) -> None:
        """Offer again at once what an earlier process of the node ran at the site; this one has begun nothing yet."""
        before = self._arrived.get((site, node), "")
        if before == instance:
            return
        act = partial(orphans.adopt, died=bool(before), of=(site, node))
        self._recorder.record(Alone(act))
        self._arrived[site, node] = instance
        log.info("node begins", site=site, node=node, anew=bool(before))

    def _see_to_it(self) -> float:
        for act in (self.sweep, self._keep_house):
            try:
                act()
            except Unavailable:
                pass  # put off; the recorder has logged why
            except Exception:
                log.exception("sweep failed")
        return PERIOD

    def _keep_house(self) -> None:
        self._housekeeping.run(self._clock.now())


def _expired(ledger: Ledger) -> list[str]:
    expired = ledger.tasks().filter(state=TaskState.STARTED, lease_until__lt=ledger.now)
    return [str(taskid) for taskid in expired.values_list("taskid", flat=True)[:EXPIRED_AT_ONCE]]


def _expire(ledger: Ledger, taskid: str) -> None:
    """Take the task from its attempt, unless that was heard of since the sweep looked."""
    task = ledger.known.task(taskid)
    if task and task.state == TaskState.STARTED and task.lease_until and task.lease_until < ledger.now:
        record.expire(ledger, task)


def _offer_all(ledger: Ledger) -> None:
    unanswered = ledger.tasks().filter(state=TaskState.PENDING, rung_at__lt=ledger.now - UNANSWERED)
    unanswered.filter(deaths__lt=SUSPECT).update(rung_at=None)
    ledger.known.forget()
    offer_again(UNANSWERED, ledger.now)
    offer(product(Site.objects.values_list("pk", flat=True), Queue.values), ledger.now)
