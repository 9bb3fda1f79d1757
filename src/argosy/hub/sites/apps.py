"""The app."""

from django.apps import AppConfig


class SitesConfig(AppConfig):
    """Sites, datastores, sitelinks."""

    name = "argosy.hub.sites"
    label = "sites"
