"""What the hub says of jobs and paths that do not go well."""

import msgspec


class Trouble(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One cause: how many files it concerns, one of them, and what to do."""

    cause: str
    title: str
    remedy: str
    state: str
    files: int
    site: str
    step: str = ""
    reason: str = ""
    path: str | None = None
    path_b64: str | None = None
    next_try: str | None = None
    since: str | None = None
    jobs: list[int] = []


class JobTold(msgspec.Struct, frozen=True, kw_only=True):
    """What is told of a job; what matters most first."""

    job: int
    state: str
    summary: str
    causes: list[Trouble]
    examined: int
    """Of how many files that did not go well the causes were taken."""
    unwell: int
    """How many there are."""


class Happened(msgspec.Struct, frozen=True, kw_only=True):
    """What a job made of a path."""

    job: int
    jobtype: str
    site: str
    step: str
    state: str
    reason: str = ""
    error: str = ""
    when: str | None = None


class Copy(msgspec.Struct, frozen=True, kw_only=True):
    """Where the copy of a file is."""

    datastore: str
    key: str


class PathTold(msgspec.Struct, frozen=True, kw_only=True):
    """What is told of a path: what keeps it now, and what became of it, the latest first."""

    path: str
    path_b64: str | None = None
    sites: list[str]
    summary: str
    causes: list[Trouble]
    history: list[Happened]
    object: Copy | None = None
    whole: bool
    """Whether all that is recorded was looked through."""
