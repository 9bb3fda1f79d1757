"""What is wrong with the hub, or with the agents of a site."""

from typing import Final

from argosy.hub.jobs.explain.causes.cause import Cause

NO_AGENT = Cause("no_agent", "No agent serves the site now", "Start the agent of the site (or `argosy up`) at a node")
AGENT_SILENT = Cause(
    "agent_silent",
    "The node that runs this has not been heard for a while",
    "Look at the node; when its lease ends the work is given out again",
)
AGENT_LOST = Cause(
    "agent_lost",
    "The node stopped answering while it ran this",
    "Look at the node and its agent; the work is given out again by itself",
)
AGENT_DIED = Cause(
    "agent_died",
    "The agents died while they ran this",
    "Look at the log of the agents, and the kernel's, for why they died: memory, or a step of another distribution. It "
    "is begun again by itself, but not after they died with nothing beside it: run it again then, when that is mended",
)
RESTARTED = Cause(
    "restarted",
    "Hub or agents were started anew while this ran, and it is begun again",
    "Nothing: what was done already is found done",
)
SLOTS_HELD = Cause(
    "slots_held",
    "The site has no slot left for it: what was taken back and does not end holds them all",
    "Start the agents of the site again, which ends it; then mend or remove the step that the reason names",
)
HUB_FULL = Cause("hub_full", "The disk of the hub is full", "Make room on the disk of the hub")
HUB_AWAY = Cause(
    "hub_away",
    "The hub could not be reached, or could not record",
    "Look at the log of the hub; what has attempts left is tried again by itself",
)
UNKNOWN = Cause("unknown", "Something failed that should not have", "Look at the log of the agent at that time")

CODES: Final = {
    "hub_full": HUB_FULL,
    "hub_away": HUB_AWAY,
    "lease_lost": AGENT_LOST,
    "restarted": RESTARTED,
    "agent_died": AGENT_DIED,
}
"""What lies behind errors of these codes."""
