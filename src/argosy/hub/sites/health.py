"""How the sites are, by what their nodes say."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from argosy.hub.sites.models import Presence, Site
from argosy.hub.sites.presence import LATELY, refusal

GRADES: Final = ("ok", "warning", "critical")
"""From well to ill."""


class SiteHealth(msgspec.Struct, frozen=True, kw_only=True):
    """One site: a node that serves all its roots and has nothing to complain of is well, one that is silent is not."""

    site: str
    health: str
    nodes: tuple[Mapping[str, Any], ...] = ()
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return it as the API answers it."""
        return {"site": self.site, "health": self.health, "nodes": list(self.nodes), "reason": self.reason}


def of_sites(now: datetime) -> Iterator[SiteHealth]:
    """Yield how each site is; one of which no node was ever heard is as good as one that is well."""
    for site in Site.objects.prefetch_related("presences", "filesets"):
        yield _of_site(site, now)


def _of_site(site: Site, now: datetime) -> SiteHealth:
    known = list(site.presences.all())
    reasons = [reason for node in known if (reason := _complaint(node, now))]
    reasons += [f"fileset {one.name}: {one.reason}" for one in site.filesets.all() if one.reason]
    refused = refusal(site, [node for node in known if node.heard >= now - LATELY])
    dead = bool(known) and (bool(refused) or all(node.heard < now - LATELY for node in known))
    return SiteHealth(
        site=site.name,
        health="critical" if dead else "warning" if reasons else "ok",
        nodes=tuple(_of_node(node, now) for node in known),
        reason=refused or "; ".join(reasons),
    )


def _complaint(node: Presence, now: datetime) -> str:
    if node.heard < now - LATELY:
        return f"{node.node} was heard last at {node.heard:%Y-%m-%d %H:%M:%S} UTC: start its agent"
    roots = [f"does not serve root {root}: {reason}" for root, reason in node.unserved.items()]
    stores = [f"datastore {name}: {reason}" for name, (_, reason) in node.unwell.items()]
    told = "; ".join([*roots, *stores, *([node.trouble] if node.trouble else [])])
    return f"{node.node}: {told}" if told else ""


def _of_node(node: Presence, now: datetime) -> dict[str, Any]:
    online = node.heard >= now - LATELY
    ill = "warning" if node.unserved or node.unwell or node.trouble else "ok"
    return {"name": node.node, "health": ill if online else "critical", "online": online}
