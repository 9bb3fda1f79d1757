"""Which directories survive for the sake of others, and that none ends up in itself."""

from operator import attrgetter

from argosy.sync.planner.items import Item, Place, Work
from argosy.sync.planner.plans import Conflict, Dispute
from argosy.sync.planner.trees import TOP, Side


def survive(work: Work) -> None:
    """Have survive what a side moved as a directory, with all it held, and what anything that survives lies in.

    Then no directory lies in itself. Nothing else comes back: of a removed directory only what is needed.
    """
    _moved_directories(work)
    while True:
        _needed_directories(work)
        if not _break_cycles(work):
            return


def _moved_directories(work: Work) -> None:
    kept = [item for item in work.living() if item.is_directory and item.base is not None and item.only is not None]
    if not kept:
        return
    below = _children_in_base(work)
    while kept:
        parent = kept.pop()
        for item in below.get(parent.id, ()):
            if item.only is parent.only and not item.frozen:
                if not item.alive:
                    item.alive, item.why = (
                        True,
                        f"its directory was moved on {work.options.sites[item.only or Side.ONE]}",
                    )
                if item.is_directory:
                    kept.append(item)


def _children_in_base(work: Work) -> dict[str, list[Item]]:
    below: dict[str, list[Item]] = {}
    for item in work.items.values():
        if item.base is not None:
            below.setdefault(item.base.parent, []).append(item)
    return below


def _needed_directories(work: Work) -> None:
    for item in list(work.living()):
        parent = work.items.get(item.parent)
        while parent is not None and not parent.alive and not parent.frozen:
            parent.alive = True
            parent.why = f"needed for {item.name.decode(errors='replace')!r}"
            parent = work.items.get(parent.parent)


def _break_cycles(work: Work) -> bool:
    """Put one object of every cycle back to where ONE has it, or to the top; say whether there was a cycle."""
    safe: set[str] = {TOP}
    found = False
    for item in list(work.living()):
        cycle = _cycle(work, item, safe)
        if cycle:
            _cut(work, cycle)
            found = True
    return found


def _cycle(work: Work, item: Item, safe: set[str]) -> list[Item]:
    chain: dict[str, Item] = {}
    current: Item | None = item if item.is_directory else work.items.get(item.parent)
    while current is not None and current.id not in safe:
        if current.id in chain:
            ids = list(chain)
            return [chain[each] for each in ids[ids.index(current.id) :]]
        chain[current.id] = current
        current = work.items.get(current.parent)
    safe.update(chain)
    return []


def _cut(work: Work, cycle: list[Item]) -> None:
    back = [item for item in cycle if item.at[0] is not None and item.at[0] != (item.parent, item.name)]
    item = min(back or [each for each in cycle if each.at[0] is None] or cycle, key=attrgetter("id"))
    item.put(item.place(Side.ONE) if back else Place(TOP, item.name), Side.ONE if back else item.claim)
    work.conflicts.append(
        Conflict(
            dispute=Dispute.CYCLE,
            object=item.id,
            path=work.shown(item),
            winner=Side.ONE,
            why="each side moved one directory into the other",
        )
    )
