"""REST client for the hub. No Django."""

from argosy.client.client import Client
from argosy.client.conflicts import Conflict
from argosy.client.events import Event
from argosy.client.explained import JobTold, PathTold, Trouble
from argosy.client.following import follow
from argosy.client.plans import Plan
from argosy.client.schedules import Schedule, Subscription
from argosy.client.shapes import Datastore, Fileset, GcRun, Health, Job, JobFile, Site, SiteHealth, Tokens
from argosy.client.syncs import Sync

__all__ = [
    "Client",
    "Conflict",
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
    "Schedule",
    "Site",
    "SiteHealth",
    "Subscription",
    "Sync",
    "Tokens",
    "Trouble",
    "follow",
]
