"""The app."""

from django.apps import AppConfig


class GcConfig(AppConfig):
    """Garbage collection."""

    name = "argosy.hub.gc"
    label = "gc"

    def ready(self) -> None:
        """Take what the discoveries of this app find."""
        from argosy.hub.gc import phases
        from argosy.hub.jobs import sinks

        sinks.add(phases.REFERENCES, phases.take_references)
        sinks.add(phases.OBJECTS, phases.take_objects)
