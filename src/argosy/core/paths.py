"""Paths are bytes: how they are shown, written in JSON, and compared."""

import base64
from collections.abc import Iterator

from argosy.core.errors import Invalid

PRIVATE = b".argosy"
"""Name of the directory below a root that holds staging, trash, versions and locks; never discovered."""
ROTATE = b".rotate"
"""Name of the directory below a root that holds what people may edit of change discovery; never discovered there."""

SHOWN = 1000
"""Bytes of a path that a message shows."""
SAID = 16 << 10
"""Characters of a message: two whole paths, and words."""


def display(path: bytes) -> str:
    """Return text for people: UTF-8, with U+FFFD where the bytes are not."""
    return path.decode("utf-8", "replace")


def sayable(text: str) -> str:
    """Return text as messages can carry it: bytes of names as `display` shows them, and no more than people read."""
    try:
        raw = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # surrogates that stand for no byte
        raw = text.encode("utf-8", "surrogatepass")
    shown = display(raw)
    return shown if len(shown) <= SAID else f"{shown[:SAID]} ..."


def quoted(path: bytes) -> str:
    """Return the path between quotes, for a message: of one that nobody would read whole, the beginning."""
    return repr(display(path[:SHOWN])) + (" ..." if len(path) > SHOWN else "")


def to_json(path: bytes, key: str = "path") -> dict[str, str]:
    """Return `{key: text}`, and `key_b64` with the exact bytes where the text cannot carry them."""
    text = display(path)
    if text.encode() == path:
        return {key: text}
    return {key: text, f"{key}_b64": base64.b64encode(path).decode()}


def from_json(text: str | None, b64: str | None = None) -> bytes:
    """Return the bytes of a path sent as text, or exactly as `b64` says where that is given.

    Raises:
        Invalid: neither is given, or the base64 is broken.
    """
    if b64 is not None:
        try:
            return base64.b64decode(b64, validate=True)
        except ValueError as error:
            raise Invalid(f"path_b64 is not base64: {b64[:SHOWN]!r}") from error
    if text is None:
        raise Invalid("a path is missing: give `path`, or `path_b64` where it is not UTF-8")
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise Invalid(f"path {text[:SHOWN]!r} holds lone surrogates: send its bytes as `path_b64`") from error


def absolute(path: bytes) -> bytes:
    """Return an absolute path without doubled or trailing slashes.

    Raises:
        Invalid: the path is relative, holds NUL, or has `.` or `..` among its names.
    """
    if not path.startswith(b"/"):
        raise Invalid(f"path {quoted(path)} is not absolute: begin it with /")
    if b"\0" in path:
        raise Invalid(f"path {quoted(path)} holds a NUL byte")
    names = [name for name in path.split(b"/") if name]
    if b"." in names or b".." in names:
        raise Invalid(f"path {quoted(path)} holds . or .. : give the path without them")
    return b"/" + b"/".join(names)


def below(path: bytes, top: bytes) -> bool:
    """Say whether `path` is `top` or lies beneath it, compared name by name."""
    return path == top or path.startswith(top.rstrip(b"/") + b"/")


def above(path: bytes) -> Iterator[bytes]:
    """Yield the directories that `path` lies in, the nearest first, but for `/`."""
    while (cut := path.rfind(b"/")) > 0:
        path = path[:cut]
        yield path


def relative(path: bytes, top: bytes) -> bytes:
    """Return `path` below `top`, b"" for `top` itself.

    Raises:
        Invalid: the path does not lie below `top`.
    """
    if not below(path, top):
        raise Invalid(f"{display(path)!r} does not lie below {display(top)!r}")
    return path[len(top.rstrip(b"/")) :].lstrip(b"/")


def join(top: bytes, rest: bytes) -> bytes:
    """Return `rest` beneath `top`; `top` itself where `rest` is empty."""
    return top.rstrip(b"/") + b"/" + rest if rest else (top.rstrip(b"/") or b"/")


def walk_key(path: bytes) -> tuple[bytes, ...]:
    """Return what sorts paths as a depth-first walk with siblings in byte order meets them."""
    return tuple(path.split(b"/"))
