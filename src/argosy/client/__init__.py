"""REST client for the hub. No Django."""

from argosy.client.client import Client
from argosy.client.shapes import Datastore, GcRun, Job, JobFile, Site, Tokens

__all__ = ["Client", "Datastore", "GcRun", "Job", "JobFile", "Site", "Tokens"]
