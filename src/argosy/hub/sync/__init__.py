"""Syncs of filesets: pairs and the base they agree on, runs from phase to phase, and the process that plans them."""
