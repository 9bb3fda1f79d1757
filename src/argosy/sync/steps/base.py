"""The room, and how a step comes to where an executor keeps its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from argosy.core.errors import Unsupported
from argosy.core.faults import NoFileset
from argosy.core.fileset import Fileset
from argosy.core.paths import below, display
from argosy.core.room import Room
from argosy.filesystems._posix.errors import translated
from argosy.filesystems.posix import Posix
from argosy.site import Site
from argosy.steps.base import Batched, Step
from argosy.sync.executor.area import Area
from argosy.sync.executor.staging import Staging
from argosy.sync.planner.trees import Binding

SYNCS: Room[Step | Batched] = Room("argosy.sync.steps", noun="step of a sync", prefix="dynamo.tasks.", custom=None)
"""Steps that are done for a sync. `STEPS` does not know them."""

RUN: Final = r"^[0-9A-Za-z][0-9A-Za-z._-]{0,63}$"
"""What a round of a run can be called: files are named after it."""


def fileset_over(path: bytes, site: Site) -> Fileset:
    """Return the fileset that the path lies in, as it was seen a moment ago.

    Raises:
        NoFileset: there is none, or what lies at its top is not known to be it.
    """
    for fileset in site.filesets:
        if below(path, fileset.path):
            return fileset
    raise NoFileset(f"{display(path)}: lies in no fileset of site {site.name} that is well: see `argosy fileset check`")


def area_of(fileset: Fileset, site: Site) -> Area:
    """Open the fileset for what a sync does in it.

    Raises:
        Unavailable, FilesetRefused: it is not there, or something else is.
        OtherFilesystem: its root lies on another filesystem or subvolume.
        Unsupported: its filesystem is none of which syncs know how to work in it.
    """
    tree = site.tree(fileset.path)
    if not isinstance(tree, Posix):
        raise Unsupported(f"{display(fileset.path)}: its filesystem is not one that can be synced")
    top = fileset.binding
    binding = Binding(top.filesystem, top.subvolume, top.inode, top.born_ns)
    return Area(tree.beneath, fileset.path, fileset.id, binding, seal=tree.seal)


@contextmanager
def staging_of(fileset: Fileset, site: Site, run: str) -> Iterator[Staging]:
    """Hold open what is staged for the run."""
    with translated(fileset.path), area_of(fileset, site) as area, Staging(area, run) as staged:
        yield staged
