"""Which tree lies at a root: what is mounted there could be another, or not be mounted at all."""

import contextlib
import os
import secrets
from typing import Annotated, Final

import blake3
import msgspec

from argosy.core.errors import Corrupt
from argosy.core.paths import PRIVATE, display, join
from argosy.core.ready import ready
from argosy.filesystems._posix.errors import translated
from argosy.filesystems._posix.root import Root, closing, fresh_name
from argosy.linux.openat2 import open_beneath
from argosy.linux.syncing import fsync

NAME: Final = b"identity"
_LIMIT: Final = 4096


def _fresh() -> str:
    return secrets.token_hex(16)


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """What `.argosy/identity` below a root says."""

    id: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$")] = msgspec.field(default_factory=_fresh)
    """Random; no other tree has it."""
    privileged: bool = False
    """Whether attributes were written here that only an agent with CAP_SYS_ADMIN can read."""
    seal: str = ""
    """Tells the key by which attributes were sealed here, by an agent without; "" where none was."""


def seal_of(key: bytes) -> str:
    """Return what tells a key from others and does not tell the key."""
    return blake3.blake3(
        key, derive_key_context="argosy 2026 identity of a root: which key sealed its attributes"
    ).hexdigest()


def path_of(root: bytes) -> bytes:
    """Return where the identity of the tree at `root` is kept."""
    return join(root, join(PRIVATE, NAME))


def read_identity(root: Root) -> Identity | None:
    """Return the identity of what lies at the root now; None where it was never given one.

    Raises:
        Corrupt: it cannot be read.
    """
    with translated(path_of(root.path)):
        if not root.has_private():
            return None
        try:
            with closing(root.home()) as home, closing(open_beneath(home, NAME, os.O_RDONLY | os.O_NONBLOCK)) as file:
                return _decoded(os.read(file, _LIMIT), root)
        except FileNotFoundError:
            return None


def write_identity(root: Root, identity: Identity, *, replacing: bool) -> None:
    """Give what lies at the root this identity, durably and whole; one that it has stays, unless it is replaced."""
    new = NAME + b"." + fresh_name()
    with translated(path_of(root.path)), closing(root.home()) as home:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            with closing(os.open(new, flags, 0o600, dir_fd=home)) as file:
                os.write(file, msgspec.json.encode(identity))
                fsync(file)
            if replacing:
                os.rename(new, NAME, src_dir_fd=home, dst_dir_fd=home)
            else:
                with contextlib.suppress(FileExistsError):
                    os.link(new, NAME, src_dir_fd=home, dst_dir_fd=home)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(new, dir_fd=home)
        fsync(home)


def _decoded(data: bytes, root: Root) -> Identity:
    try:
        return msgspec.json.decode(data, type=ready(Identity))
    except msgspec.MsgspecError as error:
        where = display(path_of(root.path))
        raise Corrupt(
            f"{where}: cannot be read: if the root is the one it was, remove it, and it is made anew"
        ) from error
