"""What a side of a sync says of itself: by how much its clock is off, and what its filesystem makes of names."""

from argosy.agent.hub import Hub
from argosy.core.syncing import Circumstances
from argosy.filesystems._posix.root import closing, make_private
from argosy.sync.clocks import clock_off
from argosy.sync.executor.area import Area
from argosy.sync.probing import settled, tried


def circumstances(area: Area, hub: Hub) -> Circumstances:
    """Return what is so at the fileset now.

    Raises:
        Unavailable: the hub cannot be reached.
    """
    with closing(make_private(area.home, [b"probe"])) as directory:
        found, longest = settled(area.top, tried(directory))
    return Circumstances(clock_off_ns=clock_off(hub.clock), longest_name=longest, **found._asdict())
