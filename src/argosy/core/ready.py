"""Types made ready before several threads use them.

msgspec builds what it knows of a type when the type is first met, and hands it out before it is whole; a second thread
that meets the type in that moment reads past what is there, and the process dies.
"""

import threading
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

_door = threading.Lock()
_known: set[Any] = set()


def ready(kind: type[T]) -> type[T]:
    """Return the type, to be decoded or converted to by any thread from now on."""
    if kind not in _known:
        with _door:
            msgspec.json.Decoder(kind)
            _known.add(kind)
    return kind
