"""Argosy: one hub, many sites, any Linux filesystem, any object store."""
