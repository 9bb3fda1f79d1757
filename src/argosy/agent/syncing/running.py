"""Orders of a sync that are neither a step nor a discovery: one entry, the top of a fileset."""

from collections.abc import Callable
from typing import Final

from argosy.agent.hub import Hub
from argosy.agent.place import OrderSite
from argosy.agent.syncing.applying import apply
from argosy.agent.syncing.scanning import scan
from argosy.core.errors import Invalid
from argosy.core.fileset import Fileset
from argosy.core.order import Order
from argosy.core.outcome import Outcome
from argosy.core.syncing import APPLY, SCAN

_WORK: Final[dict[str, Callable[[Order, Fileset, OrderSite, Hub], Outcome]]] = {SCAN: scan, APPLY: apply}


def is_of_sync(order: Order) -> bool:
    """Say whether the order is to be run here."""
    return order.own and not order.dry_run and order.step in _WORK


def run(order: Order, site: OrderSite, hub: Hub) -> Outcome:
    """Return what became of the one entry.

    Raises:
        Invalid: there is another number of them, no fileset has its top there, or options do not fit.
        FilesetRefused: what lies there is not known to be the fileset.
        LeaseLost: the task is no longer ours.
    """
    if len(order.entries) != 1:
        raise Invalid(f"{order.step} takes one path, the top of a fileset, and {len(order.entries)} are given")
    return _WORK[order.step](order, site.fileset(order.entries[0].path), site, hub)
