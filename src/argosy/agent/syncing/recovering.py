"""What a killed agent had on its way in a sync, brought home before anything else is done in a fileset."""

import os

import structlog

from argosy.core.errors import ArgosyError
from argosy.core.faults import Occupied
from argosy.core.fileset import Fileset
from argosy.core.paths import display
from argosy.filesystems._posix.root import SYNC, closing, make_private
from argosy.filesystems.posix import Posix
from argosy.sync.executor import journal, recovery
from argosy.sync.executor.area import Area
from argosy.sync.planner.trees import Binding

log = structlog.get_logger()


def recover(tree: Posix, fileset: Fileset) -> None:
    """Bring it home, as far as that can be done now; what waits to be applied goes on waiting."""
    top = fileset.binding
    binding = Binding(top.filesystem, top.subvolume, top.inode, top.born_ns)
    try:
        if not _was_synced(tree, fileset):
            return
        with Area(tree.beneath, fileset.path, fileset.id, binding, seal=tree.seal) as area:
            found = recovery.recover(area, live=_waiting(area))
    except Occupied:
        return  # by whoever applies a run, and recovered before that
    except (ArgosyError, OSError) as error:  # the next scan meets it, too, and tells it
        log.warning("fileset not recovered", fileset=fileset.name, reason=str(error))
        return
    for home in found.homes:
        log.warning("brought home", fileset=fileset.name, path=display(home.path))


def _was_synced(tree: Posix, fileset: Fileset) -> bool:
    root = tree.beneath
    if not root.has_private():
        return False
    with closing(root.private(SYNC)) as every:
        return fileset.id in os.listdir(every)


def _waiting(area: Area) -> set[str]:
    """Return the runs for which something is staged and that did not begin to be applied."""
    with closing(make_private(area.home, [b"staged"])) as runs:
        begun = {name.removesuffix(".log") for name in journal.names(area.journal)}
        return set(os.listdir(runs)) - begun
