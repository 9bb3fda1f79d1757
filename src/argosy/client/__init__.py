"""REST client for the hub. No Django."""

from argosy.client.client import Client
from argosy.client.events import Event
from argosy.client.explained import JobTold, PathTold, Trouble
from argosy.client.following import follow
from argosy.client.plans import Plan
from argosy.client.shapes import Datastore, Fileset, GcRun, Health, Job, JobFile, Site, SiteHealth, Tokens

__all__ = [
    "Client",
    "Datastore",
    "Event",
    "Fileset",
    "GcRun",
    "Health",
    "Job",
    "JobFile",
    "JobTold",
    "PathTold",
    "Plan",
    "Site",
    "SiteHealth",
    "Tokens",
    "Trouble",
    "follow",
]
