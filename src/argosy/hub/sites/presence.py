"""Which nodes serve a site: they say so every few seconds, and the last of it is kept."""

from datetime import datetime, timedelta

from argosy.core.report import Present
from argosy.hub.sites.models import Presence, Site

LATELY = timedelta(seconds=30)
"""How long ago a node may have been heard that counts as serving its site."""


def note(told: Present, now: datetime) -> None:
    """Record that a node serves a site; of a site that the hub does not know nothing is kept."""
    site = Site.objects.filter(name=told.site).first()
    if site is not None:
        values = {"heard": now, "unserved": told.unserved}
        Presence.objects.update_or_create(site=site, node=told.node[:255], defaults=values)


def serving(site: Site, now: datetime) -> list[Presence]:
    """Return the nodes that serve the site now."""
    return list(Presence.objects.filter(site=site, heard__gte=now - LATELY))


def last_heard(site: Site) -> Presence | None:
    """Return the node of the site that was heard last, however long ago; None where none ever was."""
    return Presence.objects.filter(site=site).order_by("-heard").first()
