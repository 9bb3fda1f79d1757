"""The app."""

from django.apps import AppConfig


class CatalogueConfig(AppConfig):
    """What is known of objects."""

    name = "argosy.hub.catalogue"
    label = "catalogue"
