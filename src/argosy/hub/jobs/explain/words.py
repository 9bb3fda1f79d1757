"""What an explanation is made of."""

from datetime import datetime

import msgspec

from argosy.core.paths import display, to_json
from argosy.hub.jobs.explain.causes.cause import Cause


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """Entries that one cause keeps, or kept, from being done: how many, of which step at which site, and an example."""

    cause: Cause
    state: str
    """`waiting` or `running`, where it is still to be done; else what became of the entries."""
    files: int
    site: str
    step: str = ""
    reason: str = ""
    """What was recorded of the example."""
    path: bytes | None = None
    """The example."""
    next_try: datetime | None = None
    since: datetime | None = None
    jobs: tuple[int, ...] = ()
    """Other jobs that have to do with it."""

    def to_json(self) -> dict[str, object]:
        """Return it as the API answers it."""
        example = {} if self.path is None else to_json(self.path)
        return {
            "cause": self.cause.name,
            "title": self.cause.title,
            "remedy": self.cause.remedy,
            "state": self.state,
            "files": self.files,
            "site": self.site,
            "step": self.step,
            "reason": self.reason,
            "path": None,
            **example,
            "next_try": self.next_try,
            "since": self.since,
            "jobs": list(self.jobs),
        }

    def sentence(self) -> str:
        """Return the gist."""
        return self.cause.title[:1].lower() + self.cause.title[1:]


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What is told of a job: one sentence, and the causes, what matters most first."""

    job: int
    state: str
    summary: str
    causes: list[Trouble]
    examined: int
    """Of how many results of files that did not go well the causes were taken."""
    unwell: int
    """How many there are."""

    def to_json(self) -> dict[str, object]:
        """Return it as the API answers it."""
        return {
            "job": self.job,
            "state": self.state,
            "summary": self.summary,
            "causes": [trouble.to_json() for trouble in self.causes],
            "examined": self.examined,
            "unwell": self.unwell,
        }


def counted(number: int, what: str) -> str:
    """Return `1 file`, `2 files`, `2 entries`."""
    many = f"{what.removesuffix('y')}ies" if what.endswith("y") else f"{what}s"
    return f"{number} {what if number == 1 else many}"


def named(path: bytes) -> str:
    """Return the path as people read it."""
    return display(path)
