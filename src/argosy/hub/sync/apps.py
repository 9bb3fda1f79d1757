"""The app."""

from django.apps import AppConfig


class SyncConfig(AppConfig):
    """Syncs of filesets."""

    name = "argosy.hub.sync"
    label = "sync"

    def ready(self) -> None:
        """Lead the jobs of the workflows that sync."""
        from argosy.hub.jobs import leads
        from argosy.hub.sync import beginning

        for workflow in beginning.WORKFLOWS:
            leads.add(workflow, beginning.Syncs())
