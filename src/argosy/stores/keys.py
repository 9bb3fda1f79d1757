"""Names of any bytes to keys and back, and the private keys below `.argosy/`.

A key is UTF-8 that every store can hold: at most 1,024 bytes, none of its components over 255. What a store could not
hold, or would not give back, is percent-encoded: control characters, backslash, percent, the two code points XML cannot
carry, bytes that are not UTF-8, components `.` and `..`, slashes at either end or after another slash, and names that
are ours. Everything else keeps its own name, so that people find their files.
"""

import re
from urllib.parse import unquote_to_bytes
from uuid import UUID

import blake3

from argosy.core.paths import PRIVATE

KEY_LIMIT = 1024
COMPONENT_LIMIT = 255
MARKER = ".argosy-dir"
"""Last component of the empty object that stands for a directory."""

_PRIVATE = PRIVATE.decode() + "/"
_LONG = _PRIVATE + "long/"
_VERSIONS = _PRIVATE + "versions/"
DOOMED = _PRIVATE + "doomed/"
"""What the keys of marks begin with that objects are about to be removed."""
ELSEWHERE = (_LONG, _VERSIONS)
"""What the keys of objects begin with that lie elsewhere than their paths say."""
_UNFIT = re.compile(r"[\x00-\x1f\x7f-\x9f\\%\ufffe\uffff\udc80-\udcff]|\A/|(?<=/)/|/\Z")


def encode(path: bytes) -> str:
    """Return the key of a path within a datastore; different paths have different keys."""
    return _fit(_escape(path))


def decode(key: str) -> bytes | None:
    """Return the path whose key this is; None where that cannot be told from the key.

    That is: long keys (their path is in the metadata), private keys and directory markers, and foreign keys that
    `encode` never makes.
    """
    try:
        path = unquote_to_bytes(key)
    except UnicodeEncodeError:
        return None
    return path if encode(path) == key else None


def directory_marker(key: str) -> str:
    """Return the key of the empty object that stands for the directory whose key is given."""
    return _fit(f"{key}/{MARKER}" if key else MARKER)


def instance(key: str, uuid: bytes) -> str:
    """Return the key beside `key` under which content is kept that may not replace what is there."""
    return _fit(f"{key}.{UUID(bytes=uuid)}")


def immutable(prefix: str, uuid: bytes) -> str:
    """Return the key of an object in a datastore of layout `immutable`; `prefix` is the key of the link's path."""
    return _fit(f"{prefix}/{UUID(bytes=uuid)}" if prefix else str(UUID(bytes=uuid)))


def version_key(uuid: bytes) -> str:
    """Return where an object is kept that was replaced under its own key."""
    return f"{_VERSIONS}{UUID(bytes=uuid)}"


def is_put(key: str, path: bytes, uuid: bytes) -> bool:
    """Say whether Argosy puts an object under this key that says it is `uuid` and holds `path` of the datastore.

    An object that says so elsewhere is a copy that somebody made, and his: it is neither listed as ours nor removed.
    Those are: the path's own key and the one beside it, the uuid's in the version store (or another there: what was
    kept twice), and, in the layout `immutable`, the uuid below the directory that is linked, which is one above the
    path.
    """
    own = encode(path)
    if key in {own, instance(own, uuid)} or key.startswith(_VERSIONS):
        return True
    names = path.split(b"/")
    return any(key == immutable(encode(b"/".join(names[:end])), uuid) for end in range(len(names)))


def sidecar(uuid: bytes) -> str:
    """Return where the metadata of an object is kept that did not fit on it."""
    return f"{_PRIVATE}meta/{UUID(bytes=uuid)}"


def is_sidecar(key: str) -> bool:
    """Say whether metadata is kept there that did not fit on its object."""
    return key.startswith(f"{_PRIVATE}meta/")


def doomed(key: str, uuid: bytes) -> str:
    """Return where it is said that an object is about to be removed: nobody is to come to refer to it any more."""
    return f"{DOOMED}{blake3.blake3(uuid + key.encode()).hexdigest()}"


def may_hold_entry(key: str) -> bool:
    """Say whether an entry's object may lie there: what Argosy keeps beside them has keys of its own."""
    return key.startswith(ELSEWHERE) or not is_private(key)


def is_private(key: str) -> bool:
    """Say whether the key is Argosy's own: never discovered, listed or announced."""
    return key.startswith(_PRIVATE)


def _escape(path: bytes) -> str:
    text = _UNFIT.sub(_percent, path.decode("utf-8", "surrogateescape"))
    first, *rest = text.split("/")
    return "/".join(
        [_component(first, ours={MARKER, PRIVATE.decode()}), *(_component(name, ours={MARKER}) for name in rest)]
    )


def _percent(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8", "surrogateescape"))


def _component(name: str, *, ours: set[str]) -> str:
    if name in ours:
        return "%2E" + name[1:]
    return name.replace(".", "%2E") if name in {".", ".."} else name


def _fit(key: str) -> str:
    """Return the key, or the hash that stands for it where no store could hold it."""
    data = key.encode()
    if len(data) <= KEY_LIMIT and all(len(name) <= COMPONENT_LIMIT for name in data.split(b"/")):
        return key
    return _LONG + blake3.blake3(data).hexdigest()
