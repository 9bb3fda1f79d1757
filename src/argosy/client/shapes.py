"""What the hub answers, as far as clients here use it; keys they do not know are left alone."""

from typing import Any

import msgspec

from argosy.core import paths
from argosy.core.states import JOB_ENDED, FileState, JobState


class Tokens(msgspec.Struct, frozen=True):
    """What a login gives: `access` for an hour, `refresh` for a day."""

    access: str
    refresh: str

    def __repr__(self) -> str:
        """Show nothing: both are secrets."""
        return "Tokens()"


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """A site."""

    id: int
    name: str
    roots: list[str] | msgspec.UnsetType = msgspec.UNSET
    """Its roots; a list of sites does not say."""


class SiteHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How a site is, and why it is not well."""

    site: str
    health: str
    reason: str = ""


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """How hub and sites are: `ok`, `warning` or `critical`."""

    overall_health: str
    site_status: list[SiteHealth] = []


class RetiredRoot(msgspec.Struct, frozen=True, kw_only=True):
    """A root that a site once served."""

    id: int
    site: str
    path: str


class GcRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run of garbage collection and what it found."""

    id: int
    kind: str
    state: str
    job: int | None = None
    created: str | None = None
    completed: str | None = None
    reason: str = ""
    counts: dict[str, dict[str, int]] = {}
    """Objects and bytes, by why they go or stay."""

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.completed is not None


class Datastore(msgspec.Struct, frozen=True, kw_only=True):
    """A datastore and what is known of it."""

    id: int
    name: str
    type: str
    layout: str
    abilities: dict[str, bool] | None = None
    trouble: str = ""

    @property
    def can(self) -> str:
        """What it was found to be able to do."""
        if self.abilities is None:
            return "not known yet"
        return ", ".join(sorted(name for name, does in self.abilities.items() if does)) or "nothing of note"


class Fileset(msgspec.Struct, frozen=True, kw_only=True):
    """A fileset, and what its site last said of it."""

    id: int
    site: str
    name: str
    path: str
    path_b64: str | None = None
    """Its bytes, where they are not UTF-8."""
    snapshots: str = "index"
    mass_change_percent: int = 50
    mass_change_count: int = 10
    mass_change_top: int = 2
    """How much may be gone in it before a sync asks somebody."""
    trash_days: float | None = None
    """How long what was removed and replaced in it is kept; None: as its site has it."""
    fileset_id: str = ""
    """Random; "" until it was served."""
    number: int | None = None
    state: str = "unknown"
    reason: str = ""
    seen: str | None = None
    """When that was found."""
    locked: str | None = None
    """Since when its lock is held."""
    locked_by: str = ""
    """The task that holds it."""
    declared_by: str = ""
    """Configuration file that declares it, where alone it can be given up."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A job and how far it is."""

    id: int
    state: JobState
    jobtype: str = ""
    dry_run: bool = False
    """Whether it is a plan, which changes nothing."""
    resubmission_of: int | None = None
    """The job that it does again."""
    site: str | None = None
    owner: str | None = None
    schedule: str | None = None
    """The schedule that began it."""
    created: str | None = None
    started: str | None = None
    completed: str | None = None
    runtime: float | None = None
    dir_walk_complete: bool | None = None
    numfiles: int = 0
    numprocessedfiles: int = 0
    numskippedfiles: int = 0
    numfailedfiles: int = 0
    numabortedfiles: int = 0
    numcancelledfiles: int = 0
    numbytes: int = 0
    """Bytes of content found so far."""
    moved_data: int = 0
    """Bytes of content that crossed between filesystems and stores."""
    fields: dict[str, Any] = {}
    """What the workflow was asked to do."""
    paths: list[str | dict[str, str]] | msgspec.UnsetType = msgspec.UNSET
    """The paths that were given; a list of jobs does not say."""

    @property
    def destination(self) -> str | None:
        """Name of the site it sends to."""
        return self.fields.get("destinationsite")

    @property
    def given(self) -> list[str]:
        """The paths that were given, as text for people."""
        sent = self.paths or []
        return [path if isinstance(path, str) else path["path"] for path in sent]

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in JOB_ENDED

    @property
    def good(self) -> int:
        """Files that are as they were to be."""
        return self.numprocessedfiles + self.numskippedfiles

    @property
    def bad(self) -> int:
        """Files that are not."""
        return self.numfailedfiles + self.numabortedfiles + self.numcancelledfiles

    @property
    def done(self) -> int:
        """Files that have been dealt with."""
        return self.good + self.bad


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a job."""

    taskid: str = ""
    tasktype: str = ""
    site: str = ""
    state: str = ""
    started: str | None = None
    reason: str = ""
    """Why it ended so, or why its last attempt did."""


class JobFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a job and what became of it."""

    path: str
    path_b64: str | None = None
    state: FileState | None = None
    reason: str | None = None
    error: str | None = None
    type: str = "file"
    size: int | None = None
    source: str | None = None
    """Where it was found, if that was elsewhere."""
    source_b64: str | None = None
    site: str | None = None
    task: str | None = None
    step: str | None = None

    @property
    def bytes(self) -> bytes:
        """Its exact path."""
        return paths.from_json(self.path, self.path_b64)


class Page(msgspec.Struct, frozen=True):
    """One page of a list."""

    results: list[dict[str, Any]]
    next: str | None = None
    count: int = 0
