"""The app."""

from django.apps import AppConfig


class CommonConfig(AppConfig):
    """What every app of the hub shares, the global settings among it."""

    name = "argosy.hub.common"
    label = "common"
