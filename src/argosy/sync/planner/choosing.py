"""Who wins where both sides changed the same thing. A clock chooses a name, never which work survives."""

from argosy.sync.planner.options import Options, Policy
from argosy.sync.planner.trees import Entry, Kind, Side


def choose(options: Options, one: Entry, two: Entry) -> Side:
    """Return the side that wins by the policy; equal times, or times that the clocks cannot tell apart, are ONE's."""
    if options.policy is Policy.IGNORE:
        return Side.TWO
    if options.policy is not Policy.NEWEST:
        return Side.ONE
    return newer(options, _time(one), _time(two))


def newer(options: Options, one: int | None, two: int | None) -> Side:
    """Return whose time is later; what has none (symlinks) is older than any."""
    if one is None or two is None:
        return Side.TWO if one is None and two is not None else Side.ONE
    apart = abs(two - one)
    if apart <= options.tie_ns or max(map(abs, options.clock_offsets_ns)) > apart:
        return Side.ONE
    return Side.TWO if two > one else Side.ONE


def reason(options: Options, winner: Side) -> str:
    """Say in words why this side won."""
    site = options.sites[winner]
    if options.policy is Policy.NEWEST:
        return f"{site} has the newer version, or times cannot tell and it is first"
    return f"{site} wins by the preference {options.policy.value}"


def _time(entry: Entry) -> int | None:
    return entry.version.mtime_ns if entry.kind is Kind.FILE else None
