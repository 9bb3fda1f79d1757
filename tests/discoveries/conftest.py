"""Filesystems in a file, for discoveries that care."""

from tests.loop import loop_mount

__all__ = ["loop_mount"]
