"""Questions about sites."""

from argosy.core.errors import Invalid
from argosy.hub.sites.models import Site


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
