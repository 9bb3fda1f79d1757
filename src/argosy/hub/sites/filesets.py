"""Decisions on filesets."""

import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
import structlog
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from argosy.core.config import FilesetConfig, SiteConfig
from argosy.core.fileset import Registered, check_filesets
from argosy.core.paths import absolute
from argosy.hub.common.errors import TimedOut
from argosy.hub.sites.declared import check_name, mark, refuse_declared, refuse_taken
from argosy.hub.sites.models import Fileset, Site
from argosy.hub.sites.presence import last_heard, serving

MASS_CHANGE: Final = ("mass_change_percent", "mass_change_count", "mass_change_top")
"""What says how much may be gone in a fileset before somebody is asked."""
SETTINGS: Final = (*MASS_CHANGE, "trash_days")
"""What a fileset settles beside what and where it is."""
PATIENCE: Final = 10.0
"""Seconds that a query waits for what a site is to say."""
_PAUSE: Final = 0.1

log = structlog.get_logger()


@transaction.atomic
def save_fileset(fileset: Fileset, values: Mapping[str, Any]) -> Fileset:
    """Record the values at a fileset, new or not.

    Raises:
        Invalid: name or path cannot be: it lies below no root of the site, or where another fileset does.
        Exists: another fileset of the site has the name.
        Conflict: the configuration file sets one of them.
    """
    refuse_declared(fileset, values)
    _set(fileset, values)
    check(fileset.site)
    return fileset


@transaction.atomic
def adopt(fileset: Fileset) -> None:
    """Have the agents take what lies at the top of the fileset for it, once, because a person said so."""
    fileset.adopt, fileset.seen = True, None
    fileset.save(update_fields=["adopt", "seen"])
    log.warning("fileset to be adopted", site=fileset.site.name, fileset=fileset.name)


def check(site: Site) -> None:
    """Return if the site can have the filesets that it has.

    Raises:
        Invalid: it cannot.
    """
    registered = list(map(_registered, Fileset.objects.filter(site=site)))
    check_filesets(site.name, [root.encode() for root in site.roots], registered)


def declare(site: Site, declared: FilesetConfig, file: str) -> None:
    """Make a fileset what the configuration file says."""
    row = Fileset.objects.filter(site=site, name=declared.name).first() or Fileset()
    told = declared.registered
    values = {"site": site, "name": told.name, "path": told.path, "snapshots": told.snapshots}
    values |= {key: getattr(declared, key) for key in SETTINGS}
    row.file_keys = []
    _set(row, values)
    mark(row, sorted(values), file)


def drop(sites: Iterable[SiteConfig]) -> None:
    """Remove the filesets that a configuration file declared and does not declare any more."""
    kept = {(site.name, fileset.name) for site in sites for fileset in site.filesets}
    for row in Fileset.objects.exclude(file_keys=[]).select_related("site"):
        if (row.site.name, row.name) not in kept:
            row.delete()


def _set(fileset: Fileset, values: Mapping[str, Any]) -> None:
    """Record the values; what agents said of another directory does not stay."""
    was = (fileset.site_id, bytes(fileset.path))
    for key, value in values.items():
        setattr(fileset, key, value)
    check_name(fileset.name, noun="fileset")
    fileset.path = absolute(bytes(fileset.path))
    named = Fileset.objects.filter(site=fileset.site, name=fileset.name)
    refuse_taken(fileset, named, f"{fileset.name} of {fileset.site.name}")
    if (fileset.site_id, fileset.path) != was:
        fileset.state, fileset.reason, fileset.seen = "", "", None
    fileset.save()


def _registered(row: Fileset) -> Registered:
    said = {"name": row.name, "path": bytes(row.path), "snapshots": row.snapshots, "adopt": row.adopt}
    said |= {"trash_days": row.trash_days}
    return msgspec.convert(said, Registered)


def registered(site: str) -> tuple[Registered, ...]:
    """Return the filesets of the site for its agents; that one is to be adopted is said once, to whoever asks first."""
    rows = list(Fileset.objects.filter(site__name=site))
    if any(row.adopt for row in rows):
        Fileset.objects.filter(site__name=site, adopt=True).update(adopt=False, seen=None)
    return tuple(map(_registered, rows))


def asked_of(site: Site) -> None:
    """Return when the site has said of each of its filesets what lies there.

    Raises:
        TimedOut: it has not within `PATIENCE` seconds.
    """
    deadline = time.monotonic() + PATIENCE
    while Fileset.objects.filter(site=site).exists() and not _has_answered(site):
        heard = last_heard(site)
        is_silent = heard is None or heard not in serving(site, timezone.now())
        if is_silent or time.monotonic() > deadline:
            raise TimedOut(f"site {site.name} does not say what is at its filesets: {_silence(site)}")
        time.sleep(_PAUSE)


def _has_answered(site: Site) -> bool:
    unsaid = Fileset.objects.filter(site=site).filter(Q(seen=None) | Q(adopt=True))
    return bool(serving(site, timezone.now())) and not unsaid.exists()


def _silence(site: Site) -> str:
    heard = last_heard(site)
    if heard is None:
        return "no agent of it was ever heard: start one"
    if heard in serving(site, timezone.now()):
        return f"{heard.node} gave no answer within {PATIENCE:.0f} s: ask again, and see its log"
    return f"{heard.node} was heard last at {heard.heard:%Y-%m-%d %H:%M:%S} UTC: start its agent"
