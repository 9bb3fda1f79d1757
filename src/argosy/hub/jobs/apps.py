"""The app."""

from django.apps import AppConfig


class JobsConfig(AppConfig):
    """Jobs, tasks, results."""

    name = "argosy.hub.jobs"
    label = "jobs"
