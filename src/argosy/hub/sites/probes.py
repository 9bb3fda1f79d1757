"""What datastores can do: asked of agents, for the hub itself never reaches a store."""

from datetime import datetime, timedelta

import structlog
from django.db.models import Q

from argosy.core.order import StoreAccess
from argosy.core.report import Probed, fingerprint
from argosy.hub.sites.models import Datastore
from argosy.hub.sites.services import access

AGAIN = timedelta(seconds=60)
"""When a datastore that did not answer is asked again."""

log = structlog.get_logger()


def unprobed(site: str, now: datetime) -> tuple[StoreAccess, ...]:
    """Return the datastores the site is linked to of which it is not known what they can do."""
    unasked = Q(probed=None) | Q(probed__lt=now - AGAIN)
    rows = Datastore.objects.filter(unasked, abilities__isnull=True, links__site__name=site).distinct()
    return tuple(map(access, rows))


def probed(told: Probed, now: datetime) -> None:
    """Record what was found at a datastore, unless its settings, or what is known of it, have changed since."""
    row = Datastore.objects.filter(name=told.datastore, abilities__isnull=True).first()
    if row is None or fingerprint(access(row)) != told.fingerprint:
        return
    row.abilities, row.probed = told.abilities, now
    row.trouble = told.trouble or unfit(told.abilities or {}, row.layout)
    row.trouble_code = told.code
    row.save(update_fields=["abilities", "trouble", "trouble_code", "probed"])
    if row.trouble:
        log.warning("datastore cannot be used", datastore=row.name, trouble=row.trouble)
    else:
        log.info("datastore probed", datastore=row.name, **(told.abilities or {}))


def unfit(abilities: dict[str, bool], layout: str) -> str:
    """Return why a datastore cannot be used with its layout, "" where it can."""
    if layout == "native" and not abilities.get("conditions", True):
        return 'ignores conditional writes, so writers would destroy each other\'s: set layout = "immutable"'
    return ""
