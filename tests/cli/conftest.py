"""Filesystems of all kinds, for what is told of them."""

from tests.loop import loop_mount

__all__ = ["loop_mount"]
