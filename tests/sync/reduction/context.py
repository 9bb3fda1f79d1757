"""What `planner.trees` says must be told beside what changed, looked up in everything there is."""

from argosy.sync.planner.naming import folding
from argosy.sync.planner.trees import SIDES, TOP, Kind


def missing(told, full, rules):
    """Return what is not told though something that is told needs it; by the rule that it breaks."""
    return [*_above(told, full), *_below_gone(told, full), *_siblings(told, full, rules), *_links(told, full)]


def _directories(full):
    """Return, by side, which object of the base each directory there is."""
    found = []
    for side in SIDES:
        by_binding = {known.on[side].binding: known.id for known in full.base if known.kind is Kind.DIRECTORY}
        here = [entry.binding for entry in full.sides[side].entries if entry.kind is Kind.DIRECTORY]
        found.append({binding: by_binding.get(binding, binding) for binding in here} | {full.sides[side].top: TOP})
    return found


def _above(told, full):
    ids = {known.id for known in told.base} | {TOP}
    yield from (("above in the base", known) for known in told.base if known.parent not in ids)
    for side in SIDES:
        here = {entry.binding for entry in told.sides[side].entries} | {told.sides[side].top}
        yield from (("above on a side", entry) for entry in told.sides[side].entries if entry.parent not in here)
        there = {entry.binding for entry in full.sides[side].entries if entry.kind is Kind.DIRECTORY}
        for known in told.base:
            binding = known.on[side].binding
            if known.kind is Kind.DIRECTORY and binding in there and binding not in here:
                yield "a directory on a side", known


def _below_gone(told, full):
    ids = {known.id for known in told.base}
    for side in SIDES:
        there = {entry.binding for entry in full.sides[side].entries if entry.kind is Kind.DIRECTORY}
        gone = {known.id for known in told.base if known.kind is Kind.DIRECTORY and known.on[side].binding not in there}
        for known in full.base:  # a directory comes before what it holds
            if known.parent in gone:
                if known.id not in ids:
                    yield "below a directory that is gone", known
                if known.kind is Kind.DIRECTORY:
                    gone.add(known.id)


def _siblings(told, full, rules):
    fold, directories = folding(rules), _directories(full)
    names = {(known.parent, fold(known.name)) for known in told.base}
    for side in SIDES:
        names |= {(directories[side][entry.parent], fold(entry.name)) for entry in told.sides[side].entries}
    parents = {parent for parent, _ in names}

    def wanted(parent, name):
        return parent in parents and (
            b".conflict-" in fold(name) or (fold is not bytes and (parent, fold(name)) in names)
        )

    ids = {known.id for known in told.base}
    yield from (("sibling", known) for known in full.base if wanted(known.parent, known.name) and known.id not in ids)
    for side in SIDES:
        here = set(told.sides[side].entries)
        for entry in full.sides[side].entries:
            if wanted(directories[side][entry.parent], entry.name) and entry not in here:
                yield "sibling on a side", entry


def _links(told, full):
    ids = {known.id for known in told.base}
    for side in SIDES:
        here = set(told.sides[side].entries)
        bindings = {entry.binding for entry in here} | {known.on[side].binding for known in told.base}
        yield from (
            ("link", each) for each in full.sides[side].entries if each.binding in bindings and each not in here
        )
        yield from (
            ("link in the base", each) for each in full.base if each.on[side].binding in bindings and each.id not in ids
        )
