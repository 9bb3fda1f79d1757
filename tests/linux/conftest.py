"""Filesystems of all kinds."""

from tests.loop import loop_mount

__all__ = ["loop_mount"]
