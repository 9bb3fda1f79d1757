"""Pairs of filesets, with the base that they agree on, and runs that bring it about."""

import secrets
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import models

from argosy.core.paths import display
from argosy.hub.sites.models import Site
from argosy.sync.planner.trees import Side


class Pair(models.Model):
    """Two filesets, in this order, by the ids that their agents gave them."""

    one = models.CharField(max_length=32)
    two = models.CharField(max_length=32)
    generation = models.PositiveBigIntegerField(default=0)
    """Of the base. A run that was planned with another one commits nothing."""
    chunks = models.JSONField(default=list)
    """Names of the files that are the base; none: they never agreed."""

    class Meta:
        """In the order they came; each once."""

        ordering = ("id",)
        constraints = (models.UniqueConstraint(fields=["one", "two"], name="pair_once"),)

    def __str__(self) -> str:
        return f"pair {self.pk}"

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return Path(settings.DATA_DIR) / "sync" / str(self.pk)

    @property
    def base(self) -> Path:
        """Where the files of its base are."""
        return self.folder / "base"


def new_nonce() -> str:
    """Return what no other run has: agents know it by that, and numbers of rows come again after a restore."""
    return secrets.token_hex(8)


class Run(models.Model):
    """One sync of a pair, which is a job, and how far it is."""

    class State(models.TextChoices):
        """What it is doing."""

        WAIT = "WAIT"
        """Another sync of one of the two filesets is under way."""
        SCAN = "SCAN"
        """Both sites scan their fileset, and send the index."""
        PLAN = "PLAN"
        """The hub compares and plans."""
        HASH = "HASH"
        """Sites read the files of which the plan must know what they hold."""
        TRANSFER = "TRANSFER"
        """Contents and attributes are brought to where they are needed, and nobody sees them yet."""
        CUT = "CUT"
        """What hangs on something that could not be brought is left out."""
        APPLY = "APPLY"
        """Both sites do their operations."""
        COMMIT = "COMMIT"
        """What both sides now have alike becomes the base."""
        DONE = "DONE"
        FAILED = "FAILED"
        REFUSED = "REFUSED"
        """A guard wants somebody to confirm it; nothing was done."""
        CANCELLED = "CANCELLED"

    pair = models.ForeignKey(Pair, models.CASCADE, related_name="runs")
    job = models.PositiveBigIntegerField(unique=True)
    nonce = models.CharField(max_length=16, default=new_nonce)
    state = models.CharField(max_length=9, choices=State.choices, default=State.SCAN)
    round = models.PositiveIntegerField(default=1)
    part = models.PositiveSmallIntegerField(default=0)
    """Of what it is doing."""
    site_one = models.ForeignKey(Site, models.PROTECT, related_name="+")
    site_two = models.ForeignKey(Site, models.PROTECT, related_name="+")
    path_one = models.BinaryField()
    path_two = models.BinaryField()
    one_way = models.BooleanField()
    """Whether nothing changes at the first one."""
    policy = models.CharField(max_length=16)
    hydrate = models.BooleanField(null=True)
    confirmed = models.BooleanField(default=False)
    """Whether somebody has seen what a guard said of an earlier run, and wants it all the same."""
    confirmed_by = models.PositiveBigIntegerField(null=True)
    """The job that was begun since somebody confirmed what was refused here."""
    generation = models.PositiveBigIntegerField(default=0)
    """Of the base that it is planned with."""
    refusals = models.JSONField(default=list)
    alarms = models.JSONField(default=list)
    """What guards said, with how much: whoever confirms it confirms that, see `planner.options.Alarm`."""
    reason = models.TextField(default="")
    counts = models.JSONField(default=dict)
    """What the plan of the last round says."""
    created = models.DateTimeField()
    completed = models.DateTimeField(null=True)

    class Meta:
        """Newest first."""

        ordering = ("-id",)
        indexes = (models.Index(fields=["state"], name="sync_run_state"),)

    def __str__(self) -> str:
        return f"sync run {self.pk}"

    @property
    def name(self) -> str:
        """What agents know this round by."""
        return f"{self.nonce}-{self.round}"

    @property
    def folder(self) -> Path:
        """Where the files of this round are."""
        return self.pair.folder / "rounds" / self.name

    def site(self, side: int) -> Site:
        """Return the site of a side."""
        return self.site_two if side == Side.TWO else self.site_one

    def top(self, side: int) -> bytes:
        """Return the path of the fileset of a side."""
        return bytes(self.path_two if side == Side.TWO else self.path_one)

    def ident(self, side: int) -> str:
        """Return the id of the fileset of a side."""
        return self.pair.two if side == Side.TWO else self.pair.one

    def side_of(self, site: int) -> Side:
        """Return which side a site is, by its number."""
        return Side.ONE if site == self.site_one_id else Side.TWO

    def called(self, side: int) -> str:
        """Return what people call the side."""
        return f"{self.site(side).name}:{display(self.top(side))}"


OPEN: tuple[Any, ...] = (
    Run.State.WAIT, Run.State.SCAN, Run.State.PLAN, Run.State.HASH, Run.State.TRANSFER, Run.State.CUT, Run.State.APPLY,
    Run.State.COMMIT,
)  # fmt: skip


class Conflict(models.Model):
    """What both sites of a pair had claimed differently when they were synced, and what became of both versions."""

    class State(models.TextChoices):
        """Whether somebody has to look."""

        OPEN = "OPEN"
        """Both versions are in sight, and nobody said which is wanted."""
        SETTLED = "SETTLED"

    class Kept(models.TextChoices):
        """Which version has the name in the end."""

        THIS = "this"
        OTHER = "other"
        BOTH = "both"

    run = models.ForeignKey(Run, models.CASCADE, related_name="+")
    """The sync that met it."""
    pair = models.ForeignKey(Pair, models.CASCADE, related_name="conflicts")
    key = models.CharField(max_length=64)
    """The same where a run that was killed tells it again, or the next one meets it still."""
    dispute = models.CharField(max_length=16)
    winner = models.PositiveSmallIntegerField()
    """The side whose version got the name."""
    path = models.BinaryField()
    """Of the name, below the top."""
    copy = models.BinaryField(default=b"")
    """Where the other version is in sight; empty: nowhere."""
    this = models.JSONField(null=True)
    other = models.JSONField(null=True)
    """The versions: `sync.rounds.quarrels.Version`."""
    why = models.TextField()
    state = models.CharField(max_length=7, choices=State.choices)
    kept = models.CharField(max_length=5, choices=Kept.choices, default="")
    keeping = models.PositiveBigIntegerField(null=True)
    """The job that does what somebody chose."""
    by = models.CharField(max_length=150, default="")
    """Who chose."""
    reason = models.TextField(default="")
    """How it was settled, or why it is open again."""
    created = models.DateTimeField()
    settled = models.DateTimeField(null=True)

    class Meta:
        """Newest first; each once."""

        ordering = ("-id",)
        constraints = (models.UniqueConstraint(fields=["pair", "key"], name="conflict_once"),)
        indexes = (models.Index(fields=["pair", "state"], name="conflict_state"),)

    def __str__(self) -> str:
        return f"conflict {self.pk}"


class Applied(models.Model):
    """What an agent said became of some operations: msgpack of outcomes of the executor."""

    run = models.ForeignKey(Run, models.CASCADE, related_name="applied")
    round = models.PositiveIntegerField()
    side = models.PositiveSmallIntegerField()
    attempt = models.PositiveIntegerField()
    sequence = models.PositiveIntegerField()
    done = models.BinaryField()

    class Meta:
        """In the order they came; each once."""

        ordering = ("id",)
        constraints = (
            models.UniqueConstraint(fields=["run", "round", "side", "attempt", "sequence"], name="applied_once"),
        )

    def __str__(self) -> str:
        return f"page {self.sequence} of {self.run}"
