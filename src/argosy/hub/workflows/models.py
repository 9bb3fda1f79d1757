"""Workflow definitions."""

from django.db import models


class Workflow(models.Model):
    """Rules that send entries through chains of steps, and the fields a run of it takes."""

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

    class Meta:
        """By name."""

        ordering = ("name",)

    def __str__(self) -> str:
        return self.name
