"""Garbage collection: which objects nothing refers to, and their removal."""
