"""Schedules, as the hub shows them."""

from typing import Any

import msgspec


class ScheduleRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run of a schedule: `due` is its minute, None where somebody ran it; `state` that of the worst of its jobs."""

    due: str | None = None
    began: str
    state: str | None = None
    jobs: list[int] = []
    reason: str = ""


class Skipped(msgspec.Struct, frozen=True, kw_only=True):
    """A minute at which the run before went on."""

    due: str | None = None
    reason: str = ""


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """When workflows run over which paths of a site; times are UTC."""

    id: int
    name: str
    site: str
    managed_paths: list[str | dict[str, str]] = []
    discovery: str | None = None
    discovery_options: dict[str, Any] = {}
    minute: str = "*"
    hour: str = "*"
    day_of_week: str = "*"
    day_of_month: str = "*"
    month_of_year: str = "*"
    enabled: bool = True
    next_runs: list[str] = []
    last_run: ScheduleRun | None = None
    last_skipped: Skipped | None = None

    @property
    def times(self) -> str:
        """Its times as cron has them."""
        return f"{self.minute} {self.hour} {self.day_of_month} {self.month_of_year} {self.day_of_week}"

    @property
    def paths(self) -> list[str]:
        """Its paths, as text for people."""
        return [path if isinstance(path, str) else path["path"] for path in self.managed_paths]


class Subscription(msgspec.Struct, frozen=True, kw_only=True):
    """A workflow that runs when a schedule does; `trouble`: why it does not."""

    id: int
    site: str
    workflow: str
    fields: dict[str, Any] = {}
    trouble: str = ""


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """The jobs of a run, and why not all of it was begun."""

    jobs: list[int]
    reason: str = ""
