"""Nothing is wrong: it takes its turn."""

from typing import Final

from argosy.hub.jobs.explain.causes.cause import Cause

QUEUED = Cause(
    "queued",
    "The site works on other jobs first",
    "Wait, or cancel one of the jobs ahead; more threads at the site help only where it is idle",
)
BEHIND = Cause("behind", "It waits behind tasks of the job itself that run now", "Wait")
IN_TURN = Cause("in_turn", "It comes after what has to be done first: deletions, then moves, then the rest", "Wait")
STARTING = Cause(
    "starting",
    "It is about to begin",
    "Wait; if its node is no longer heard, that is told within half a minute",
)
RUNNING = Cause("running", "It runs", "Wait, or watch it with `argosy job watch`")

CODES: Final = {
    "in_turn": IN_TURN,
}
"""What lies behind errors of these codes."""
