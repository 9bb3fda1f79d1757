"""Keeping two filesets the same: what must be done, and on which side."""
