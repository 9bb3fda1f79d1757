"""Objects sent in blocks: a checksum for each, and none is seen before all are committed."""

import base64
from collections.abc import Callable
from uuid import uuid4

from argosy.stores._http import parts
from argosy.stores.base import Source

_MOST = 50_000


def block_size(size: int) -> int:
    """Return how large the blocks of an object are, so that Azure's 50,000 suffice."""
    return parts.part_size(size, most=_MOST)


def send_all(stage: Callable[[str, bytes], None], source: Source) -> list[str]:
    """Send all of the source, each block by `stage(id, data)`, and return the ids.

    No other upload to the same key uses them; all are of one length, as Azure wants it.
    """
    upload = uuid4().hex

    def send(number: int, data: bytes) -> str:
        name = base64.b64encode(f"{upload}-{number:05d}".encode()).decode()
        stage(name, data)
        return name

    return parts.send_all(source, block_size(source.size), send)
