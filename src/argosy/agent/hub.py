"""What an agent asks of the hub, whatever lies between them."""

from typing import Protocol

from argosy.core.fileset import Registered
from argosy.core.order import Order, StoreAccess
from argosy.core.report import Batch, Present, Probed, Report
from argosy.core.syncing import Applied, Piece, Wanted


class Hub(Protocol):
    """The hub as agents see it. Every call raises `Unavailable` where the hub cannot be reached."""

    def claim(self, task: str, attempt: int, node: str) -> Order | None:
        """Take an attempt at a task; None: gone (claimed, ended or cancelled)."""

    def reclaim(self, task: str, attempt: int, node: str) -> Order | None:
        """Take an attempt that the node may have taken already, of which it heard no answer and has begun nothing."""

    def renew(self, task: str, attempt: int) -> float | None:
        """Return the seconds the lease runs from now; None: stop, the task is no longer ours."""

    def batch(self, batch: Batch) -> bool:
        """Record what a discovery found; on return it is committed. False: stop, the task is no longer ours."""

    def report(self, report: Report) -> None:
        """Record how an attempt ended; on return it is committed. Harmless when repeated."""

    def unprobed(self, site: str) -> tuple[StoreAccess, ...]:
        """Return the datastores of the site of which it is not known what they can do."""

    def probed(self, told: Probed) -> None:
        """Record what was found at a datastore."""

    def present(self, told: Present) -> tuple[str, ...]:
        """Record that a node serves a site, and which of its roots it does not; return roots that it is to forget."""

    def filesets(self, site: str) -> tuple[Registered, ...]:
        """Return the filesets of the site as the hub has them; that one is to be adopted it says once."""

    def clock(self) -> int:
        """Return what time it is at the hub, ns since 1970."""

    def piece(self, piece: Piece) -> bool:
        """Keep a part of a file; on return it is on the disk. False: stop, the task is no longer ours.

        Harmless when repeated; what an earlier attempt sent of the file is no more once a later one begins it.
        """

    def operations(self, wanted: Wanted) -> bytes | None:
        """Return the next operations of the task's side in order, as msgpack; b"": that was all. None: stop."""

    def applied(self, told: Applied) -> bool:
        """Record what became of operations; on return it is committed. Harmless when repeated. False: stop."""

    def arrive(self, site: str, node: str, instance: str) -> None:
        """Know that a process begins to serve the site as this node, and that none from before is alive.

        What those ran is offered again at once. Harmless when repeated.
        """


class Bell(Protocol):
    """How the hub wakes a site: a hint that a task may be claimed. Losing one costs time, never work."""

    def ring(self, site: str, task: str, attempt: int, queue: str) -> None:
        """Tell the site; `queue` is `discovery`, `transfer` or `custom`. Never blocks, never raises."""
