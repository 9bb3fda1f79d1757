"""The hub as agents see it, with what they need of it in a sync."""

from argosy.core.syncing import Applied, Piece, Wanted
from argosy.hub.jobs import delivery
from argosy.hub.sync import taking


class Delivery(delivery.Delivery):
    """Claims, batches and reports of agents, and what they send and ask for in a sync."""

    def piece(self, piece: Piece) -> bool:
        """Keep a part of a file; on return it is on the disk. False: the task is no longer this attempt's."""
        return taking.piece(self._recorder, piece)

    def operations(self, wanted: Wanted) -> bytes | None:
        """Return the next operations of the task's side; b"": that was all. None: it is no longer this attempt's."""
        return taking.operations(self._recorder, wanted)

    def applied(self, told: Applied) -> bool:
        """Record what became of operations; False: the task is no longer this attempt's."""
        return taking.applied(self._recorder, told)
