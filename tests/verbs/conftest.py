"""The server that forks agents, filesystems of all kinds, and disks whose power can be cut."""

from tests.loop import loop_mount
from tests.verbs.agents import agents
from tests.verbs.disks import disk

__all__ = ["agents", "disk", "loop_mount"]
