"""Who could have put a directory where it lies: whoever may change names above it could have moved it there.

To give somebody such a directory because of its name would give him whatever he moved under that name.
"""

import os
import stat
from typing import Final

from argosy.core.entry import Attributes
from argosy.core.errors import Denied
from argosy.core.paths import display
from argosy.filesystems._posix.inode import rights
from argosy.filesystems._posix.root import Root, closing
from argosy.filesystems._posix.shelves import is_empty
from argosy.filesystems._posix.stood import gives_no_more
from argosy.linux.capabilities import CHOWN, effective
from argosy.linux.openat2 import LOOKUP, open_beneath

_WRITABLE: Final = stat.S_IWGRP | stat.S_IWOTH


def refuse_given_away(root: Root, path: bytes, directory: int, attributes: Attributes) -> None:
    """Return where the open directory at the path may get another owner or, if it is root's, give others more.

    Raises:
        Denied: it holds something, and somebody else than root and its owner could have moved it there.
    """
    ours = rights(directory)
    stays = ours.uid == attributes.uid and (ours.uid != 0 or gives_no_more(attributes, ours))
    if stays or not effective(CHOWN) or is_empty(directory):
        return
    if _is_others(root, path, ours.uid):
        raise Denied(
            f"{display(path)}: is of user {ours.uid}, mode {ours.mode:04o}, and others could have moved it there: give "
            f"it to user {attributes.uid}, mode {attributes.mode:04o}, with chown and chmod, or move it away"
        )


def _is_others(root: Root, path: bytes, owner: int) -> bool:
    """Say whether others than root and the owner may change the name, or one of the directories above."""
    *above, _ = root.below(path).split(b"/")
    with root.top() as top:
        for depth in range(len(above) + 1):
            with closing(open_beneath(top, b"/".join(above[:depth]), LOOKUP)) as directory:
                if _lets_others(os.fstat(directory), owner):
                    return True
    return False


def _lets_others(found: os.stat_result, owner: int) -> bool:
    if found.st_uid not in {0, os.geteuid(), owner}:
        return True
    return bool(found.st_mode & _WRITABLE) and not found.st_mode & stat.S_ISVTX
