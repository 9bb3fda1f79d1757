"""Jobs, what was submitted to them, their tasks, and what became of each entry.

A task row is narrow and changes; entries and results are rows of one compressed blob that are only ever added.
"""

import uuid

from django.conf import settings
from django.db import models

from argosy.core.states import FileState, JobState, TaskState
from argosy.hub.sites.models import Site
from argosy.hub.workflows.models import RESERVED


class Queue(models.TextChoices):
    """Which of a site's slots a task waits for."""

    DISCOVERY = "discovery"
    TRANSFER = "transfer"
    CUSTOM = "custom"


WALKS = models.Q(chain=None) & ~models.Q(queue=Queue.TRANSFER)
"""Tasks that look for entries, rather than at those they were given."""


class Counted(models.Model):
    """Counts of entries by what became of them."""

    numfiles = models.PositiveBigIntegerField(default=0)
    numprocessedfiles = models.PositiveBigIntegerField(default=0)
    numskippedfiles = models.PositiveBigIntegerField(default=0)
    numfailedfiles = models.PositiveBigIntegerField(default=0)
    numabortedfiles = models.PositiveBigIntegerField(default=0)
    numcancelledfiles = models.PositiveBigIntegerField(default=0)
    moved_data = models.PositiveBigIntegerField(default=0)

    class Meta:
        """Has no table of its own."""

        abstract = True


COLUMN: dict[FileState, str] = {state: f"num{state.value}files" for state in FileState}
"""Which column counts a state."""


OWN = RESERVED
"""Type of the jobs that the hub begins for itself; lists show them only where they are asked for."""


class Job(Counted):
    """A run of a workflow. An entry counts once for every chain it goes through, where its way ends."""

    jobtype = models.CharField(max_length=255)
    site = models.ForeignKey(Site, models.PROTECT, related_name="jobs")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="jobs")
    state = models.CharField(max_length=9, default=JobState.PENDING.value)
    created = models.DateTimeField()
    started = models.DateTimeField(null=True)
    completed = models.DateTimeField(null=True)
    fields = models.JSONField(default=dict)
    discovery = models.CharField(max_length=64, null=True)
    dir_walk_complete = models.BooleanField(default=False)
    numbytes = models.PositiveBigIntegerField(default=0)
    numopen = models.PositiveBigIntegerField(default=0)
    """Tasks that have not ended."""
    numheld = models.PositiveBigIntegerField(default=0)
    """Those of them that are held for a later phase: when no others are left, the next begins."""
    numbroken = models.PositiveBigIntegerField(default=0)
    """Tasks that ended in FAILURE."""
    numuntaken = models.PositiveBigIntegerField(default=0)
    """Entries that were found and that no rule is for: none of them is counted as a file of it."""
    resubmission_of = models.PositiveBigIntegerField(null=True, db_index=True)
    """The job that this one does again."""
    only_failed = models.BooleanField(default=False)
    """Whether it does again only what did not go well."""
    dry_run = models.BooleanField(default=False)
    """Whether it is a plan: it is from its beginning, or never."""
    applies = models.PositiveBigIntegerField(null=True)
    """The plan that this one does."""
    schedule = models.PositiveBigIntegerField(null=True)
    """The schedule that began it, which may be gone."""
    schedule_name = models.CharField(max_length=255, default="")
    """What that is called, or was."""
    feeds = models.BooleanField(default=False)
    """Whether it only finds: what it finds goes to the jobs that it feeds. It lasts until those have ended."""
    fed_by = models.PositiveBigIntegerField(null=True, db_index=True)
    """The job that finds the entries of this one."""
    cancelled_by = models.CharField(max_length=255, default="")
    """Who cancelled it, in words; the user himself may be gone. Empty where nobody did, or nothing was noted."""
    removed = models.BooleanField(default=False)
    """Whether nobody is to see it any more: what is kept of it goes bit by bit, and the job last."""

    class Meta:
        """Newest first."""

        ordering = ("-id",)
        indexes = (
            models.Index(fields=["state"], name="job_state"),
            models.Index(fields=["created"], name="job_created"),
            models.Index(fields=["completed"], name="job_completed"),
            models.Index(fields=["id"], name="job_removed", condition=models.Q(removed=True)),
            models.Index(fields=["schedule", "state"], name="job_schedule"),
        )

    def __str__(self) -> str:
        return f"job {self.pk}"


class Plan(models.Model):
    """A job that only says what its steps would do; `applied`: the job that does it, or did last."""

    job = models.OneToOneField(Job, models.CASCADE, primary_key=True, related_name="plan")
    applied = models.ForeignKey(Job, models.SET_NULL, null=True, related_name="+")
    settings = models.CharField(max_length=64)
    """Hash of what its sites had settled when it was begun."""
    told = models.JSONField(null=True)
    """What is told of it, once it is complete and somebody asked."""

    class Meta:
        """In the order they were made."""

        ordering = ("job",)

    def __str__(self) -> str:
        return f"plan {self.job_id}"


class Submission(models.Model):
    """What was asked of a job at once: paths, and the rules with every field value in place."""

    job = models.ForeignKey(Job, models.CASCADE, related_name="submissions")
    site = models.ForeignKey(Site, models.PROTECT, related_name="+")
    rules = models.JSONField()
    options = models.JSONField(default=dict)
    """Of the discovery."""
    paths = models.BinaryField()
    """Given entries, packed."""
    first = models.BinaryField(default=b"")
    last = models.BinaryField(default=b"")
    """Beginnings of the first and the last of the given paths in the order of their bytes: what a search looks at."""
    asked = models.JSONField(default=dict)
    """What was asked, but for the paths, so that it can be asked again; empty where it cannot."""

    class Meta:
        """In the order they came; indexed for searches by path."""

        ordering = ("id",)
        indexes = (models.Index(fields=["first", "last", "job"], name="submission_paths"),)

    def __str__(self) -> str:
        return f"submission {self.pk} of job {self.job_id}"


SUSPECT = 3
"""Deaths of the agents from which on a task that ran each time is suspected."""


class Task(Counted):
    """One link of a chain over one batch of entries at one site; or, without a chain, what finds entries."""

    taskid = models.UUIDField(default=uuid.uuid4, unique=True)
    job = models.ForeignKey(Job, models.CASCADE, related_name="tasks")
    submission = models.ForeignKey(Submission, models.CASCADE, related_name="tasks")
    site = models.ForeignKey(Site, models.PROTECT, related_name="tasks")
    parent = models.ForeignKey(
        "self", models.DO_NOTHING, null=True, related_name="children", db_index=False, db_constraint=False
    )
    """The task whose entries it goes on with. No constraint: to remove a task would look through all others."""
    tasktype = models.CharField(max_length=255)
    queue = models.CharField(max_length=16, choices=Queue.choices)
    chain = models.PositiveSmallIntegerField(null=True)
    """Place of its rule in the submission; null: it finds entries."""
    seq = models.PositiveSmallIntegerField(default=0)
    """Place of its link in the chain."""
    state = models.CharField(max_length=9, default=TaskState.PENDING.value)
    attempt = models.PositiveIntegerField(default=1)
    failures = models.PositiveIntegerField(default=0)
    """Attempts that ended badly; a task has only so many."""
    deaths = models.PositiveIntegerField(default=0)
    """How often the agents died while they ran it, since an attempt ended otherwise. 0 when it has ended."""
    lost = models.PositiveIntegerField(default=0)
    """The attempt that was taken from agents that had not reported: they may yet. 0: none was, or its report came."""
    created = models.DateTimeField()
    started = models.DateTimeField(null=True)
    completed = models.DateTimeField(null=True)
    due = models.DateTimeField(null=True)
    """Not to be offered before."""
    rung_at = models.DateTimeField(null=True)
    """When its site was last told of it; null: not yet."""
    lease_until = models.DateTimeField(null=True)
    """Until when an agent may be at it. Stays where the task was taken from one that has not answered since."""
    node = models.CharField(max_length=255, default="")
    error = models.CharField(max_length=64, default="")
    reason = models.TextField(default="")
    place = models.BigIntegerField(default=0)
    """What it does with which options, and the roots and datastores it needs, as a number: the same for those alike."""
    got_on = models.DateTimeField(null=True)
    """When an entry of it ended well last."""
    sequence = models.PositiveIntegerField(default=0)
    """Of a discovery: number of the next batch."""
    after = models.BinaryField(null=True)
    """Of a discovery: last path of the last batch; null: it begins, or begins a phase."""
    phase = models.PositiveIntegerField(default=0)
    """Of a discovery: the phase of the last batch. Of a task that is or was held: the one it was held for."""
    held = models.BooleanField(default=False)
    """Whether it waits, told of to nobody, until what belongs to earlier phases has ended."""

    class Meta:
        """In the order they were made; indexed for what is asked all the time."""

        db_table = "task"
        ordering = ("id",)
        indexes = (
            models.Index(fields=["site", "queue", "state", "rung_at", "-seq", "id"], name="task_to_offer"),
            models.Index(fields=["state", "lease_until"], name="task_lease"),
            models.Index(fields=["job", "state"], name="task_of_job"),
            models.Index(fields=["deaths"], name="task_suspected", condition=models.Q(deaths__gte=SUSPECT)),
        )

    def __str__(self) -> str:
        return f"task {self.taskid}"

    @property
    def finds(self) -> bool:
        """Whether it finds entries, rather than doing something to them."""
        return self.chain is None


class TaskEntries(models.Model):
    """The entries of a task from one attempt on: a retried task goes on with those that are left."""

    task = models.ForeignKey(Task, models.CASCADE, related_name="entries")
    attempt = models.PositiveIntegerField(default=1)
    count = models.PositiveIntegerField()
    blob = models.BinaryField()

    class Meta:
        """One row for an attempt."""

        constraints = (models.UniqueConstraint(fields=["task", "attempt"], name="entries_once_an_attempt"),)

    def __str__(self) -> str:
        return f"{self.count} entries of task {self.task_id}"


class Result(models.Model):
    """What became of some entries of a task: those that ended one attempt alike."""

    job = models.ForeignKey(Job, models.CASCADE, related_name="results", db_index=False)
    task = models.ForeignKey(Task, models.CASCADE, related_name="results")
    attempt = models.PositiveIntegerField()
    state = models.CharField(max_length=9)
    """What the step made of them."""
    final = models.CharField(max_length=9, default="")
    """What the job counts them as, where their way ended here; empty where it went on, and for late reports."""
    late = models.BooleanField(default=False)
    """Whether it was told by an attempt that no longer had the task: known, and not counted."""
    count = models.PositiveIntegerField()
    error = models.CharField(max_length=64, default="")
    reason = models.TextField(default="")
    blob = models.BinaryField(null=True)
    """Their outcomes, packed; null: all entries the task had at this attempt ended so."""

    class Meta:
        """Indexed so that the files of a job can be paged by state."""

        ordering = ("id",)
        indexes = (models.Index(fields=["job", "final", "id", "count"], name="result_files"),)

    def __str__(self) -> str:
        return f"{self.count} {self.state} of task {self.task_id}"


class Failure(models.Model):
    """Which result tells of a path that it did not go well. No key to others: they are removed by the million."""

    task_id = models.PositiveBigIntegerField(db_index=True)
    result = models.PositiveBigIntegerField()
    path = models.BigIntegerField()
    """Its hash."""

    class Meta:
        """Indexed for questions about a path."""

        indexes = (models.Index(fields=["path", "result"], name="failure_path"),)

    def __str__(self) -> str:
        return f"path {self.path:x} in result {self.result}"
