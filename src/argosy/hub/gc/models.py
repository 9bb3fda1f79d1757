"""Runs of garbage collection."""

import secrets

from django.db import models


def new_nonce() -> str:
    """Return what no other run has."""
    return secrets.token_hex(16)


class Run(models.Model):
    """One run, and how far it is. What it found lies in a file of its own: `notes`."""

    class Kind(models.TextChoices):
        """What it is for."""

        PLAN = "plan"
        """Say what could be removed."""
        RUN = "run"
        """Remove it."""
        ASKED = "asked"
        """Remove what somebody asked to have removed, and nothing else. Such runs begin by themselves."""

    class State(models.TextChoices):
        """What it is doing."""

        SURVEY = "SURVEY"
        """Sites list what they refer to, and what lies in datastores."""
        DOOM = "DOOM"
        """What is to go is marked in its datastore, so that nobody comes to refer to it from now on."""
        MARK = "MARK"
        """Sites list once more what they refer to."""
        SWEEP = "SWEEP"
        """What nothing refers to is removed."""
        DONE = "DONE"
        FAILED = "FAILED"
        """It stopped, and its reason says why. What had not been removed stays."""

    kind = models.CharField(max_length=8, choices=Kind.choices)
    state = models.CharField(max_length=8, choices=State.choices)
    nonce = models.CharField(max_length=32, default=new_nonce)
    """What the marks and the notes of this run say: they are of no other."""
    takes_over = models.BooleanField(default=False)
    """Whether what bears the seal of another hub, or of a key that was lost, is taken for this hub's."""
    part = models.PositiveIntegerField(default=0)
    """Of what is due: which part is being marked, or removed."""
    job = models.PositiveBigIntegerField(null=True)
    """The job of the phase it is in."""
    created = models.DateTimeField()
    completed = models.DateTimeField(null=True)
    doomed = models.DateTimeField(null=True)
    """When all that is to go had been marked."""
    reason = models.TextField(default="")
    counts = models.JSONField(default=dict)
    """Objects and bytes, by why they go or stay."""

    class Meta:
        """Newest first; one at a time."""

        ordering = ("-id",)

    def __str__(self) -> str:
        return f"run {self.pk}"


OPEN = (Run.State.SURVEY, Run.State.DOOM, Run.State.MARK, Run.State.SWEEP)
