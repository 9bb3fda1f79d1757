"""What a cause is."""

import msgspec


class Cause(msgspec.Struct, frozen=True):
    """One cause. `name` is stable on the wire; the rest is for people."""

    name: str
    title: str
    remedy: str
