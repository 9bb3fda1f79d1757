"""The calls of agents as they travel, whatever carries them: names, bodies and answers, as JSON. Never pickle."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgspec
import structlog

from argosy.agent.hub import Hub
from argosy.core import errors, faults, wire
from argosy.core.errors import ArgosyError, Invalid
from argosy.core.faults import HubAway
from argosy.core.fileset import Registered
from argosy.core.order import WIRE_VERSION, Order, StoreAccess
from argosy.core.report import Batch, Present, Probed, Report
from argosy.core.syncing import Applied, Piece, Wanted

LARGEST = 256 << 20
"""Bytes of a message, at most."""

_log = structlog.get_logger(__name__)


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """What `claim` is called with."""

    task: str
    attempt: int
    node: str
    again: bool = False
    """Whether the node may have it already, and has begun nothing of it: the answer was lost."""


class Renew(msgspec.Struct, frozen=True, kw_only=True):
    """What `renew` is called with."""

    task: str
    attempt: int


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """A node begins to serve a site; no process of it from before is alive."""

    v: int = WIRE_VERSION
    site: str
    node: str
    instance: str
    """Which process: made when it starts."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a call returned, or the error it raised."""

    body: msgspec.Raw = msgspec.Raw(b"null")
    error: str = ""
    message: str = ""


class Caller:
    """The hub, for agents that reach it by messages: a subclass carries them."""

    def claim(self, task: str, attempt: int, node: str) -> Order | None:
        """Take an attempt at a task; None: gone."""
        body = self._call("claim", Claim(task=task, attempt=attempt, node=node))
        return None if body == b"null" else wire.load(body, Order)

    def reclaim(self, task: str, attempt: int, node: str) -> Order | None:
        """Take an attempt of which the node may have lost the order; None: gone."""
        body = self._call("claim", Claim(task=task, attempt=attempt, node=node, again=True))
        return None if body == b"null" else wire.load(body, Order)

    def renew(self, task: str, attempt: int) -> float | None:
        """Return the seconds the lease runs from now; None: stop."""
        body = self._call("renew", Renew(task=task, attempt=attempt))
        return None if body == b"null" else wire.load(body, float)

    def batch(self, batch: Batch) -> bool:
        """Record what a discovery found; False: stop."""
        return wire.load(self._call("batch", batch), bool)

    def report(self, report: Report) -> None:
        """Record how an attempt ended."""
        self._call("report", report)

    def unprobed(self, site: str) -> tuple[StoreAccess, ...]:
        """Return the datastores of the site of which it is not known what they can do."""
        return wire.load(self._call("unprobed", site), tuple[StoreAccess, ...])

    def probed(self, told: Probed) -> None:
        """Record what was found at a datastore."""
        self._call("probed", told)

    def present(self, told: Present) -> tuple[str, ...]:
        """Record that a node serves a site; return roots that it is to forget."""
        return wire.load(self._call("present", told), tuple[str, ...])

    def filesets(self, site: str) -> tuple[Registered, ...]:
        """Return the filesets of the site as the hub has them."""
        return wire.load(self._call("filesets", site), tuple[Registered, ...])

    def clock(self) -> int:
        """Return what time it is at the hub, ns since 1970."""
        return wire.load(self._call("clock", None), int)

    def piece(self, piece: Piece) -> bool:
        """Keep a part of a file; False: stop."""
        return wire.load(self._call("piece", piece), bool)

    def operations(self, wanted: Wanted) -> bytes | None:
        """Return the next operations of the task's side; b"": that was all. None: stop."""
        body = self._call("operations", wanted)
        return None if body == b"null" else wire.load(body, bytes)

    def applied(self, told: Applied) -> bool:
        """Record what became of operations; False: stop."""
        return wire.load(self._call("applied", told), bool)

    def arrive(self, site: str, node: str, instance: str) -> None:
        """Say that the node begins to serve the site: what an earlier process of it ran is offered again at once."""
        self._call("arrive", Arrival(site=site, node=node, instance=instance))

    def _call(self, method: str, body: object) -> bytes:
        """Return the body of the answer.

        Raises:
            HubAway: there is none.
            ArgosyError: what the call raised.
        """
        raise NotImplementedError


class Method(NamedTuple):
    """One of the calls: what its body is, and what is done with it."""

    body: Any
    act: Callable[[Hub, Any], object]


def _claimed(hub: Hub, asked: Claim) -> Order | None:
    take = hub.reclaim if asked.again else hub.claim
    return take(asked.task, asked.attempt, asked.node)


METHODS: Final[dict[str, Method]] = {
    "claim": Method(Claim, _claimed),
    "renew": Method(Renew, lambda hub, asked: hub.renew(asked.task, asked.attempt)),
    "batch": Method(Batch, lambda hub, told: hub.batch(told)),
    "report": Method(Report, lambda hub, told: hub.report(told)),
    "unprobed": Method(str, lambda hub, site: hub.unprobed(site)),
    "probed": Method(Probed, lambda hub, told: hub.probed(told)),
    "present": Method(Present, lambda hub, told: hub.present(told)),
    "filesets": Method(str, lambda hub, site: hub.filesets(site)),
    "clock": Method(None, lambda hub, _: hub.clock()),
    "piece": Method(Piece, lambda hub, piece: hub.piece(piece)),
    "operations": Method(Wanted, lambda hub, wanted: hub.operations(wanted)),
    "applied": Method(Applied, lambda hub, told: hub.applied(told)),
    "arrive": Method(Arrival, lambda hub, told: hub.arrive(told.site, told.node, told.instance)),
}
"""By name."""


def method_of(name: str) -> Method:
    """Return the method of the name.

    Raises:
        Invalid: there is none.
    """
    if name not in METHODS:
        raise Invalid(f"unknown method {name!r}")
    return METHODS[name]


def answered(act: Callable[[], object]) -> Answer:
    """Return what came of it as an answer; an error nobody foresaw is logged, and the agents try again."""
    try:
        return Answer(body=msgspec.Raw(wire.dump(act())))
    except ArgosyError as error:
        return Answer(error=error.code, message=error.message)
    except Exception:  # noqa: BLE001 - whatever it was, the agents are to be answered
        _log.exception("call failed")
        return Answer(error=HubAway.code, message="the hub failed: its log says how")


def checked(answer: Answer) -> Answer:
    """Return an answer that tells of no error; raise the one that it tells of."""
    if answer.error:
        raise _KINDS.get(answer.error, ArgosyError)(answer.message)
    return answer


_KINDS: Final[dict[str, type[ArgosyError]]] = {
    kind.code: kind
    for kind in (*vars(errors).values(), *vars(faults).values())
    if isinstance(kind, type) and issubclass(kind, ArgosyError) and kind is not ArgosyError
}
