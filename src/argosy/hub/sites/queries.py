"""Questions about sites."""

from django.db.models import QuerySet

from argosy.core.errors import Invalid
from argosy.hub.sites.models import ServedRoot, Site


def site_named(name: object) -> Site:
    """Return the site.

    Raises:
        Invalid: there is none of the name; the message lists those there are.
    """
    site = Site.objects.filter(name=name).first() if isinstance(name, str) else None
    if site is None:
        known = ", ".join(Site.objects.values_list("name", flat=True))
        raise Invalid(f"unknown site {name!r}: known are {known or 'none'}")
    return site


def retired() -> QuerySet[ServedRoot]:
    """Return the roots that were served once, are not any more, and have not been forgotten."""
    served = {(name, root) for name, roots in Site.objects.values_list("name", "roots") for root in roots}
    gone = [root.pk for root in ServedRoot.objects.filter(forgotten=False) if (root.site, root.path) not in served]
    return ServedRoot.objects.filter(pk__in=gone)
