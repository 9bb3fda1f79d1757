"""Where a path really leads, as long as that is beneath the root."""

import errno
import os
from typing import Final

from argosy.core import paths
from argosy.core.errors import NotFound
from argosy.core.faults import BehindSymlink
from argosy.filesystems._posix.errors import translated
from argosy.filesystems._posix.root import Root, closing
from argosy.linux.openat2 import LOOKUP, open_beneath

_MOST_LINKS: Final = 40


def resolve(root: Root, path: bytes) -> bytes:
    """Return the path with the symlinks among its parents followed, absolute ones too, that stay beneath the root.

    Nothing outside the root is looked at, so that the answer does not tell what exists there.
    """
    parent, _, name = root.below(path).rpartition(b"/")
    with translated(path), root.top() as top:
        return paths.join(root.path, root.below(paths.join(root.path, _joined(_follow(root, top, path, parent), name))))


def _follow(root: Root, top: int, path: bytes, parent: bytes) -> list[bytes]:
    done: list[bytes] = []
    coming = _reversed(parent)
    links = 0
    while coming:
        name = coming.pop()
        if name == b"..":
            done = _up(done, path)
            continue
        target = _target(top, _joined(done, name))
        if target is None:
            done.append(name)
            continue
        links += 1
        if links > _MOST_LINKS:
            raise BehindSymlink(f"{paths.display(path)}: its symlinks go round in circles")
        if target.startswith(b"/"):
            done, target = [], _beneath(root, target, path)
        coming += _reversed(target)
    _check_directory(top, done, path)
    return done


def _up(done: list[bytes], path: bytes) -> list[bytes]:
    if not done:
        raise _outside(path)
    return done[:-1]


def _target(top: int, relative: bytes) -> bytes | None:
    """Return where the symlink leads, None where there is none."""
    parent, _, name = relative.rpartition(b"/")
    with closing(open_beneath(top, parent, LOOKUP)) as directory:
        try:
            return os.readlink(name, dir_fd=directory)
        except OSError as error:
            if error.errno == errno.EINVAL:
                return None
            raise


def _beneath(root: Root, target: bytes, path: bytes) -> bytes:
    for top in (root.path, os.path.realpath(root.path)):
        if paths.below(target, top):
            return paths.relative(target, top)
    raise _outside(path)


def _check_directory(top: int, names: list[bytes], path: bytes) -> None:
    try:
        os.close(open_beneath(top, b"/".join(names), LOOKUP))
    except NotADirectoryError as error:
        raise NotFound(f"{paths.display(path)}: something among its parents is not a directory") from error


def _reversed(path: bytes) -> list[bytes]:
    return [name for name in reversed(path.split(b"/")) if name not in {b"", b"."}]


def _joined(names: list[bytes], name: bytes) -> bytes:
    return b"/".join([*names, name])


def _outside(path: bytes) -> BehindSymlink:
    said = "leads outside the root through a symlink; name a path beneath the root"
    return BehindSymlink(f"{paths.display(path)}: {said}")
