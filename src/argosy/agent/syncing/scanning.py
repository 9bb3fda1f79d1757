"""A side of a sync as it is now: a snapshot of its fileset is taken, and the index of that goes to the hub."""

import os
from dataclasses import dataclass
from functools import partial
from typing import Annotated

import msgspec
from blake3 import blake3

from argosy.agent.hub import Hub
from argosy.agent.place import OrderSite
from argosy.agent.syncing.circumstances import circumstances
from argosy.agent.syncing.patience import patiently
from argosy.core.errors import LeaseLost
from argosy.core.failpoints import failpoint
from argosy.core.faults import FilesetRefused
from argosy.core.fileset import Fileset
from argosy.core.options import parse
from argosy.core.order import Order
from argosy.core.outcome import Outcome
from argosy.core.paths import display
from argosy.core.syncing import INDEX, PIECE, SIDE, Piece
from argosy.filesystems._posix.errors import translated
from argosy.snapshots.holdings import Holdings
from argosy.snapshots.rotate import Rotate
from argosy.snapshots.turning import Turning
from argosy.sync.executor.recovery import recover
from argosy.sync.steps.base import area_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """Options of such an order."""

    run: Annotated[str, "Round of the run for which it is scanned"] = ""
    fileset: Annotated[str, "Id of the fileset that is to be there"] = ""
    earlier: Annotated[str, "Task that scanned it in the round before: its snapshot is let go of first"] = ""


def scan(order: Order, fileset: Fileset, site: OrderSite, hub: Hub) -> Outcome:
    """Send the hub an index of the fileset; the entry tells the digest of that file.

    What a killed run had on its way is brought home before. The lock on the fileset is held under the task's id until
    its snapshots are rotated, or this fails; another attempt at the task sends the same index.

    Raises:
        SnapdiffLockError: a discovery of changes, or another sync, is under way in the fileset.
        FilesetRefused: another fileset lies there.
        Occupied: a run that was taken back is still being applied.
        Changed: it changed faster than it could be listed.
    """
    asked = parse(Scan, order.options, noun=f"step {order.step}")
    if asked.fileset not in {"", fileset.id}:
        raise FilesetRefused(f"{display(fileset.path)}: another fileset lies there than the one that is synced")
    with Rotate(fileset) as rotate, Holdings(fileset) as holdings:
        turning = Turning(fileset, rotate, holdings, seconds=site.policy.snapshot_retry, check=site.check_lease)
        if asked.earlier:
            turning.turn(asked.earlier, forward=False)
        rotate.lock(order.task, site.policy.lock_threshold)
        try:
            digest = _scanned(order, fileset, site, hub, turning)
        except LeaseLost:
            raise  # another attempt goes on
        except BaseException:
            rotate.unlock(order.task)
            raise
    return Outcome.processed(order.entries[0].learned(digest=digest))


def _scanned(order: Order, fileset: Fileset, site: OrderSite, hub: Hub, turning: Turning) -> bytes:
    with translated(fileset.path), area_of(fileset, site) as area:
        site.check_lease()
        recover(area)
        told = patiently(partial(circumstances, area, hub), site)
    _tell(order, msgspec.json.encode(told), site, hub)
    _, index, _ = turning.indexes(order.task)
    failpoint("sync:after_discovery")
    return _sent(order, os.fsencode(index), site, hub)


def _tell(order: Order, data: bytes, site: OrderSite, hub: Hub) -> None:
    """Send what the side says of itself."""
    piece = Piece(task=order.task, attempt=order.attempt, name=SIDE, offset=0, data=data, last=True)
    if not patiently(partial(hub.piece, piece), site):
        raise LeaseLost("the hub took the task back")


def _sent(order: Order, path: bytes, site: OrderSite, hub: Hub) -> bytes:
    """Send a file piece by piece; return its BLAKE3."""
    whole, offset = blake3(), 0
    with translated(path), open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        while offset < size or not size:
            data = file.read(PIECE)
            whole.update(data)
            piece = Piece(
                task=order.task, attempt=order.attempt, name=INDEX, offset=offset, data=data,
                last=offset + len(data) >= size,
            )  # fmt: skip
            if not patiently(partial(hub.piece, piece), site):
                raise LeaseLost("the hub took the task back")
            offset += len(data)
            if piece.last:
                break
    return whole.digest()
