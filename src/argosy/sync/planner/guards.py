"""When so much is missing that somebody is asked first: an empty mount point looks like a tree that was emptied."""

from argosy.sync.planner.items import Work
from argosy.sync.planner.options import Alarm, Asks
from argosy.sync.planner.trees import SIDES, TOP, Side, Totals


def alarms(work: Work) -> tuple[Alarm, ...]:
    """Return what the guards say, whether somebody confirmed it or not."""
    totals = _totals(work)
    found = [
        Alarm(asks, side, amount)
        for side in SIDES
        for asks, amount in (
            (Asks.UNMARKED, _unmarked(work, side)),
            (Asks.EMPTIED, _emptied(work, side, totals)),
            (Asks.GONE, _gone(work, side, totals)),
        )
        if amount
    ]
    return tuple(found)


def refusals(work: Work, said: tuple[Alarm, ...]) -> tuple[str, ...]:
    """Return, in words, why nothing should be done before somebody confirms it; none where all of it was confirmed.

    Where one thing was not, all that the guards say is told: whoever confirms it then confirms that much.
    """
    confirmed = {(each.asks, each.side): each.amount for each in work.options.confirmed}
    if all(each.amount <= confirmed.get((each.asks, each.side), 0) for each in said):
        return ()
    return tuple(_worded(work, each) + _compared(each, confirmed) for each in said)


def _unmarked(work: Work, side: Side) -> int:
    return 0 if work.trees.sides[side].marked else 1


def _emptied(work: Work, side: Side, totals: Totals) -> int:
    """Return how many there were at the top of a side that has none there any more, and 0 where nobody has to look."""
    guard, tree = work.options.guards[side], work.trees.sides[side]
    if (
        totals.roots < guard.roots
        or totals.entries[side]
        or tree.top in tree.unlisted
        or not totals.entries[side.other]
    ):
        return 0
    return totals.roots


def _gone(work: Work, side: Side, totals: Totals) -> int:
    """Return how many are gone on a side, and 0 where they are too few, or gone on the other side as well."""
    guard = work.options.guards[side]
    gone = [item for item in work.items.values() if item.base is not None and item.on[side] is None and not item.frozen]
    if len(gone) <= guard.objects or len(gone) * 100 <= totals.objects * guard.share:
        return 0
    if all(item.on[side.other] is None for item in gone):
        return 0  # the other side lost the same: nothing would be removed
    return len(gone)


def _worded(work: Work, alarm: Alarm) -> str:
    site, totals = work.options.sites[alarm.side], _totals(work)
    if alarm.asks is Asks.UNMARKED:
        return f"{site}: the top directory does not bear the fileset's marker; is its disk mounted?"
    if alarm.asks is Asks.EMPTIED:
        return f"{site}: nothing is left at the top, of {alarm.amount} that were there"
    return f"{site}: {alarm.amount} of {totals.objects} are gone"


def _compared(alarm: Alarm, confirmed: dict[tuple[Asks, int], int]) -> str:
    """Return how what a guard says compares with what was confirmed of it; nothing, if nothing was confirmed at all."""
    if not confirmed:
        return ""
    amount = confirmed.get((alarm.asks, alarm.side), 0)
    if not amount:
        return " (nobody confirmed that)"
    return " (confirmed)" if alarm.amount <= amount else f" ({amount} were confirmed)"


def _totals(work: Work) -> Totals:
    return work.trees.totals or _counted(work)


def _counted(work: Work) -> Totals:
    base = work.trees.base
    return Totals(
        len(base), sum(each.parent == TOP for each in base), (_at_top(work, SIDES[0]), _at_top(work, SIDES[1]))
    )


def _at_top(work: Work, side: Side) -> int:
    tree = work.trees.sides[side]
    told = (tree.entries, tree.unsyncable, tree.boundaries, tree.unknown)
    return sum(each.parent == tree.top for group in told for each in group)
