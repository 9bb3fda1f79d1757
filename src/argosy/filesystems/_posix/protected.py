"""What is neither removed nor moved, whoever asks."""

import os
import stat
from typing import Final

from argosy.core.errors import Protected
from argosy.core.paths import display
from argosy.filesystems._posix.root import Root, Spot, closing
from argosy.linux.statx import statx

_LOOK: Final = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


def refuse_protected(root: Root, spot: Spot, path: bytes) -> None:
    """Return where the name may be taken from what it stands for. Nothing is opened but the name.

    Raises:
        Protected: it is the root, a mount point or the top of a subvolume, or lies in one, or it or its directory is
            marked immutable or append-only.
    """
    if not root.below(path):
        raise Protected(f"{display(path)}: is the root of its tree: remove it from the site's roots first")
    with closing(os.open(spot.name, _LOOK, dir_fd=spot.directory)) as found:
        known, directory = statx(found), stat.S_ISDIR(os.fstat(found).st_mode)
    with root.top() as top:
        whole, above = statx(top), statx(spot.directory)
    if (above.device, above.mount) != (whole.device, whole.mount):
        raise Protected(f"{display(path)}: lies in another filesystem or subvolume than its root: make that a root")
    # overlayfs may give files another device than their directory: there only what is mounted tells
    if known.mount != above.mount or (directory and known.device != above.device):
        raise Protected(f"{display(path)}: is a mount point or the top of a subvolume: unmount or delete that first")
    if known.fixed or above.fixed:
        raise Protected(f"{display(path)}: it or its directory is immutable or append-only: see lsattr and chattr")
