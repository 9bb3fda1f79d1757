"""What is left of the operations once it is known what could be brought to either side."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from argosy.sync.planner.plans import Operation
from argosy.sync.planner.trees import SIDES, Side
from argosy.sync.rounds import pages, work
from argosy.sync.rounds.work import Answer, Brought, Cut, Stays
from argosy.sync.transfers import Learned, Transfer

_LACKS: Final = "its attributes could not be brought: the next run does that"


def cut(asked: Cut) -> Answer:
    """Write the operations that can be applied, with the contents that came, and tell which others cannot."""
    folder = Path(asked.folder)
    brought = msgspec.msgpack.decode(work.brought(folder).read_bytes(), type=Brought)
    learned = Learned(brought.sent, (each for side in SIDES for each in _planned(folder, side)))
    undone: list[Stays] = []
    counts = [
        pages.write(
            work.applicable(folder, side),
            map(learned.told, _left(folder, side, brought.lost, undone)),
            lambda each: each.number,
        )
        for side in SIDES
    ]
    undone.sort(key=lambda each: each.number)
    pages.write(work.undone(folder), undone, lambda each: each.number)
    return Answer(operations=(counts[0], counts[1]), stays=len(undone))


def _planned(folder: Path, side: Side) -> Iterator[Operation]:
    return pages.read(work.operations(folder, side), Operation)


def _left(folder: Path, side: Side, lost: Iterable[int], undone: list[Stays]) -> Iterator[Operation]:
    without = set(lost)
    missing = _missing(folder, side, without)
    for each in _planned(folder, side):
        if each.number in without:
            continue
        if not each.linked and each.metadata is not None and each.metadata.attributes in missing:
            without.add(each.number)
            undone.append(Stays(each.number, side, each.target, _LACKS))
            continue
        because = next((number for number in each.after if number in without), None)
        if because is not None:
            without.add(each.number)
            why = f"operation {because} of this sync, which it needs, could not be prepared"
            undone.append(Stays(each.number, side, each.target, why))
            continue
        yield each


def _missing(folder: Path, side: Side, lost: set[int]) -> set[bytes]:
    """Return the attributes that were to come to a side for many operations, with one of them, which was lost."""
    came, wanted = set[bytes](), set[bytes]()
    for each in pages.read(work.transfers(folder), Transfer):
        attached = each.entry.metadata.attributes
        if each.to is side and attached is not None:
            (wanted if each.number in lost else came).add(attached)
    return wanted - came
