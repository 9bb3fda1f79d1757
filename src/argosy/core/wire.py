"""How values are written for the wire, the spool and the database: JSON (bytes as base64), compressed at rest."""

from typing import Any, TypeVar

import msgspec
import zstandard

from argosy.core.errors import Invalid, Unsupported
from argosy.core.order import WIRE_VERSION
from argosy.core.paths import sayable
from argosy.core.ready import ready

T = TypeVar("T")
_LEVEL = 3


def dump(value: object) -> bytes:
    """Return the value as JSON. Text that cannot be written, having raw bytes of a name in it, is as it is shown."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return msgspec.json.encode(_sayable(msgspec.to_builtins(value)))


def _sayable(value: Any) -> Any:
    if isinstance(value, str):
        return sayable(value)
    if isinstance(value, dict):
        return {_sayable(key): _sayable(item) for key, item in value.items()}
    return [_sayable(item) for item in value] if isinstance(value, list | tuple) else value


def load(data: bytes, kind: type[T]) -> T:
    """Return the value that `dump` wrote.

    Raises:
        Unsupported: it was written by a newer Argosy; leave it untouched.
        Invalid: it is not what it should be.
    """
    name = getattr(kind, "__name__", str(kind))
    try:
        value = msgspec.json.decode(data, type=ready(kind))
    except msgspec.MsgspecError as error:
        _refuse_newer(data, name)
        raise Invalid(f"not a {name}: {error}") from error
    if getattr(value, "v", 0) > WIRE_VERSION:
        _refuse_newer(data, name)
    return value


def pack(value: object) -> bytes:
    """Return the value as compressed JSON, for a blob at rest."""
    return zstandard.ZstdCompressor(level=_LEVEL).compress(dump(value))


def unpack(blob: bytes, kind: type[T]) -> T:
    """Return the value that `pack` wrote; raises as `load` does."""
    try:
        data = zstandard.ZstdDecompressor().decompress(blob)
    except zstandard.ZstdError as error:
        raise Invalid(f"not a {getattr(kind, '__name__', kind)}: {error}") from error
    return load(data, kind)


class _Versioned(msgspec.Struct):
    v: int = 0


def _refuse_newer(data: bytes, name: str) -> None:
    try:
        version = msgspec.json.decode(data, type=ready(_Versioned)).v
    except msgspec.MsgspecError:
        return
    if version > WIRE_VERSION:
        raise Unsupported(f"{name} of version {version}: this Argosy reads version {WIRE_VERSION} and older")
