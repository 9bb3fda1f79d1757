"""Which nodes serve a site: they say so every few seconds, and the last of it is kept."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from argosy.core.fileset import Seen
from argosy.core.report import Present
from argosy.hub.sites.models import Fileset, Presence, ServedRoot, Site

LATELY = timedelta(seconds=30)
"""How long ago a node may have been heard that counts as serving its site."""


def note(told: Present, now: datetime) -> tuple[str, ...]:
    """Record that a node serves a site; of a site that the hub does not know nothing is kept.

    Roots that the node served once are known from then on, whatever was lost here. Return which of them it is to
    forget, because somebody said so.
    """
    site = Site.objects.filter(name=told.site).first()
    if site is not None:
        values = {"heard": now, "unserved": told.unserved, "trouble": told.trouble, "unwell": told.unwell}
        values |= {"blocked": told.blocked}
        Presence.objects.update_or_create(site=site, node=told.node[:255], defaults=values)
        _note_filesets(site, told.filesets, now)
    return _forgotten(told) if site is not None and told.retired else ()


def _note_filesets(site: Site, told: Sequence[Seen], now: datetime) -> None:
    """Record what a node found at the tops of filesets, where they are still registered as it knows them."""
    rows = {(row.name, bytes(row.path)): row for row in Fileset.objects.filter(site=site)} if told else {}
    for seen in told:
        if (row := rows.get((seen.name, seen.path))) is not None:
            found: dict[str, Any] = {"state": seen.state, "reason": seen.reason, "seen": now}
            found |= {"ident": seen.id, "number": seen.number} if seen.id else {}
            found |= {"locked": _time(seen.locked_ns), "locked_by": seen.locked_by}
            Fileset.objects.filter(pk=row.pk).update(**found)


def _time(ns: int) -> datetime | None:
    """Return a time that a node told; what no clock shows counts as the first that there is."""
    try:
        return datetime.fromtimestamp(ns / 1e9, UTC) if ns else None
    except (OverflowError, ValueError):
        return datetime.fromtimestamp(0, UTC)


def _forgotten(told: Present) -> tuple[str, ...]:
    ServedRoot.objects.bulk_create(
        [ServedRoot(site=told.site, path=root) for root in told.retired], ignore_conflicts=True
    )
    roots = ServedRoot.objects.filter(site=told.site, path__in=told.retired, forgotten=True)
    return tuple(roots.values_list("path", flat=True))


def serving(site: Site, now: datetime) -> list[Presence]:
    """Return the nodes that serve the site now."""
    return list(Presence.objects.filter(site=site, heard__gte=now - LATELY))


def is_gone(site: Site, now: datetime) -> bool:
    """Say whether no configuration declares the site any more, if one ever did, and no node serves it."""
    return not site.file_keys and not serving(site, now)


def refusal(site: Site, nodes: Sequence[Presence]) -> str:
    """Return which root of the site is not served and why, where none is by any of its nodes; "" otherwise."""
    if not (site.roots and nodes and all(set(site.roots) <= set(node.unserved) for node in nodes)):
        return ""
    root, reason = next(iter(nodes[0].unserved.items()))
    return f"{nodes[0].node} does not serve root {root}: {reason}"


def blockage(nodes: Sequence[Presence], queue: str) -> str:
    """Return why none of the nodes has a free slot of a kind, nor will have; "" where one has, or may have soon."""
    if not (nodes and all(queue in node.blocked for node in nodes)):
        return ""
    return f"{nodes[0].node}: {nodes[0].blocked[queue]}"


def last_heard(site: Site) -> Presence | None:
    """Return the node of the site that was heard last, however long ago; None where none ever was."""
    return Presence.objects.filter(site=site).order_by("-heard").first()
