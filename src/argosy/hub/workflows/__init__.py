"""Workflows: which entries go through which chains of steps."""
