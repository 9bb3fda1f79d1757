"""Workflow definitions."""

from typing import Final

from django.db import models

LED: Final = frozenset({"site_sync", "bidirectional_sync"})
"""Workflows whose jobs are planned as a whole: the rules they show say what such a job comes to, and are not run."""

RESERVED: Final = "gc"
"""No name of a workflow: it is the type of the jobs that the hub begins for itself, which may do what no other may."""


class Workflow(models.Model):
    """Rules that send entries through chains of steps, and the fields a run of it takes.

    `installed` is what the release said that installed it last; None: somebody made it here.
    """

    name = models.CharField(max_length=255, unique=True)
    label = models.CharField(max_length=255)
    icon_classes = models.JSONField(default=list)
    filter_rules = models.JSONField(default=list)
    fields = models.JSONField(default=list)
    discovery = models.CharField(max_length=64, null=True, default=None)
    discovery_options = models.JSONField(default=dict)
    enabled = models.BooleanField(default=True)
    visible = models.BooleanField(default=True)
    schedule_only = models.BooleanField(default=False)
    allow_missing_paths = models.BooleanField(default=False)
    installed = models.JSONField(null=True, default=None)

    class Meta:
        """By name."""

        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    @property
    def shipped(self) -> bool:
        """Whether it comes with Argosy."""
        return self.installed is not None

    @property
    def changed(self) -> list[str]:
        """The keys in which it is not what the release said."""
        return sorted(key for key, value in (self.installed or {}).items() if getattr(self, key) != value)
