"""Disks of their own."""

from tests.loop import loop_mount

__all__ = ["loop_mount"]
