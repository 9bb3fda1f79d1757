"""REST client for the hub. No Django."""

from argosy.client.client import Client
from argosy.client.shapes import Job, JobFile, Site, Tokens

__all__ = ["Client", "Job", "JobFile", "Site", "Tokens"]
