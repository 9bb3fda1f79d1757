"""The app."""

from django.apps import AppConfig


class WorkflowsConfig(AppConfig):
    """Workflows."""

    name = "argosy.hub.workflows"
    label = "workflows"
