"""Argosy on many machines: the processes of `argosy hub`, and those of `argosy agent` on each node of a site."""
