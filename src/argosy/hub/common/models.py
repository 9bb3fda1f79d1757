"""The global settings: one row, made when somebody first looks."""

from typing import Self

from django.db import models


class Configuration(models.Model):
    """What administrators settle for the whole hub while it runs. Read it where it is needed: it may have changed."""

    jobs_ttl = models.PositiveIntegerField(default=90)
    """Days a job is kept after it has ended."""
    task_invalidation_timeout = models.PositiveIntegerField(default=360)
    """Minutes a task may stay without an agent that runs it, after one began to."""
    snapshot_create_delete_retry_timeout = models.PositiveIntegerField(default=1000)
    """Seconds for which agents try again to make or delete a snapshot; 0: they try once."""

    def __str__(self) -> str:
        return "global settings"

    @classmethod
    def current(cls) -> Self:
        """Return the settings as they are now."""
        found, _ = cls.objects.get_or_create(pk=1)
        return found
