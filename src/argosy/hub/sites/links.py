"""Which link covers a path, and where a path of one site lies at another."""

from collections.abc import Sequence

from argosy.core.faults import NoSitelink
from argosy.core.order import Link
from argosy.core.paths import below, display, join, relative
from argosy.hub.sites.models import Site, SiteLink


def links_of(site: Site) -> list[Link]:
    """Return the links of a site."""
    rows = SiteLink.objects.filter(site=site).values_list("site_path", "datastore__name", "datastore_path")
    return [Link(site_path=bytes(path), datastore=name, datastore_path=bytes(prefix)) for path, name, prefix in rows]


def covering(links: Sequence[Link], path: bytes) -> Link | None:
    """Return the link with the longest site path above `path`."""
    return max(
        (link for link in links if below(path, link.site_path)), key=lambda link: len(link.site_path), default=None
    )


def mapped(path: bytes, here: "Linked", there: "Linked") -> bytes:
    """Return where a path of one site lies at the other: through the datastore that both are linked to.

    Raises:
        Invalid: a link is missing; the message says at which site and to what.
    """
    link = here.covering(path)
    logical = link.datastore_path + relative(path, link.site_path)
    fitting = [
        other
        for other in there.links
        if other.datastore == link.datastore and (logical.rstrip(b"/") + b"/").startswith(other.datastore_path)
    ]
    if not fitting:
        raise NoSitelink(
            f"site {there.name} has no sitelink to datastore {link.datastore} for {display(path)} of {here.name}"
            f" ({display(logical) or 'all of it'} in the datastore): add one"
        )
    target = max(fitting, key=lambda other: len(other.datastore_path))
    return join(target.site_path, logical[len(target.datastore_path) :].strip(b"/"))


class Linked:
    """A site's name and links."""

    def __init__(self, name: str, links: Sequence[Link]) -> None:
        self.name = name
        self.links = links

    @classmethod
    def of(cls, site: Site) -> "Linked":
        """Return those of the site."""
        return cls(site.name, links_of(site))

    def covering(self, path: bytes) -> Link:
        """Return the link with the longest site path above `path`.

        Raises:
            Invalid: there is none.
        """
        link = covering(self.links, path)
        if link is None:
            raise NoSitelink(f"site {self.name} has no sitelink for {display(path)}: add one")
        return link
