"""The app."""

from django.apps import AppConfig


class SchedulesConfig(AppConfig):
    """Schedules, their subscriptions and runs."""

    name = "argosy.hub.schedules"
    label = "schedules"
