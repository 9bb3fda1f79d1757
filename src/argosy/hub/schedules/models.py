"""Schedules, the workflows that are subscribed to them, and which of their runs were begun or left out."""

from typing import Final

from django.db import models

from argosy.hub.sites.models import Site
from argosy.hub.workflows.models import Workflow

BIDIRECTIONAL: Final = "bidirectional_snapdiff"
"""The discovery of schedules that keep two filesets in sync with each other; no workflow runs it by itself."""


class Schedule(models.Model):
    """When something is run over which paths of a site, and how entries are found there."""

    name = models.CharField(max_length=255, unique=True)
    site = models.ForeignKey(Site, models.PROTECT, related_name="schedules")
    managed_paths = models.JSONField(default=list)
    """As JSON has paths: `path`, and `path_b64` where that is not UTF-8."""
    discovery = models.CharField(max_length=64, null=True, default=None)
    """None: the paths are taken as they are."""
    discovery_options = models.JSONField(default=dict)
    minute = models.CharField(max_length=255, default="*")
    hour = models.CharField(max_length=255, default="*")
    day_of_week = models.CharField(max_length=255, default="*")
    day_of_month = models.CharField(max_length=255, default="*")
    month_of_year = models.CharField(max_length=255, default="*")
    enabled = models.BooleanField(default=True)
    since = models.DateTimeField()
    """From when on its minutes count: it was made, enabled, or given other times then."""

    class Meta:
        """By name."""

        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    @property
    def is_bidirectional(self) -> bool:
        """Whether it keeps two filesets in sync with each other."""
        return self.discovery == BIDIRECTIONAL


class Subscription(models.Model):
    """A workflow that runs when the schedule does, with values of its fields."""

    schedule = models.ForeignKey(Schedule, models.CASCADE, related_name="subscriptions")
    workflow = models.ForeignKey(Workflow, models.SET_NULL, null=True, related_name="subscriptions")
    """None: it was deleted."""
    name = models.CharField(max_length=255)
    """What the workflow was called when it was subscribed."""
    fields = models.JSONField(default=dict)

    class Meta:
        """By the name of the workflow."""

        ordering = ("name", "id")

    def __str__(self) -> str:
        return f"{self.called} of {self.schedule.name}"

    @property
    def called(self) -> str:
        """What the workflow is called, or was."""
        return self.workflow.name if self.workflow else self.name


class Run(models.Model):
    """What became of a minute of a schedule, or of a run by hand."""

    schedule = models.ForeignKey(Schedule, models.CASCADE, related_name="runs")
    due = models.DateTimeField(null=True)
    """The minute; None: somebody ran it by hand, or the clock was wrong about the minute."""
    began = models.DateTimeField()
    jobs = models.JSONField(default=list)
    """Ids of the jobs that were begun, the one that finds entries for the others first."""
    skipped = models.BooleanField(default=False)
    """Whether nothing was begun because the run before went on."""
    reason = models.TextField(default="")
    """Why nothing was begun, or what of it was not."""

    class Meta:
        """The latest first; a minute is decided once, whoever does and however often it is tried."""

        ordering = ("-id",)
        constraints = (models.UniqueConstraint(fields=["schedule", "due"], name="one_run_a_minute"),)

    def __str__(self) -> str:
        return f"run of {self.schedule.name} at {self.due or self.began}"
