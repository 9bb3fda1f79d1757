"""When so much is missing that somebody is asked first: an empty mount point looks like a tree that was emptied."""

from argosy.sync.planner.items import Work
from argosy.sync.planner.trees import SIDES, TOP, Side, Totals


def refusals(work: Work) -> tuple[str, ...]:
    """Return, in words, why nothing should be done before somebody confirms it."""
    totals = work.trees.totals or _counted(work)
    found = [
        word
        for side in SIDES
        for word in (_unmarked(work, side), _emptied(work, side, totals), _gone(work, side, totals))
    ]
    return tuple(word for word in found if word)


def _unmarked(work: Work, side: Side) -> str:
    if work.trees.sides[side].marked:
        return ""
    return f"{_site(work, side)}: the top directory does not bear the fileset's marker; is its disk mounted?"


def _emptied(work: Work, side: Side, totals: Totals) -> str:
    guard, tree = work.options.guards[side], work.trees.sides[side]
    if (
        totals.roots < guard.roots
        or totals.entries[side]
        or tree.top in tree.unlisted
        or not totals.entries[side.other]
    ):
        return ""
    return f"{_site(work, side)}: nothing is left at the top, of {totals.roots} that were there"


def _gone(work: Work, side: Side, totals: Totals) -> str:
    guard = work.options.guards[side]
    gone = [item for item in work.items.values() if item.base is not None and item.on[side] is None and not item.frozen]
    if len(gone) <= guard.objects or len(gone) * 100 <= totals.objects * guard.share:
        return ""
    if all(item.on[side.other] is None for item in gone):
        return ""  # the other side lost the same: nothing would be removed
    return f"{_site(work, side)}: {len(gone)} of {totals.objects} are gone"


def _site(work: Work, side: Side) -> str:
    return work.options.sites[side]


def _counted(work: Work) -> Totals:
    base = work.trees.base
    return Totals(
        len(base), sum(each.parent == TOP for each in base), (_at_top(work, SIDES[0]), _at_top(work, SIDES[1]))
    )


def _at_top(work: Work, side: Side) -> int:
    tree = work.trees.sides[side]
    told = (tree.entries, tree.unsyncable, tree.boundaries, tree.unknown)
    return sum(each.parent == tree.top for group in told for each in group)
