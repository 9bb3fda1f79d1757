"""Times of schedules: five fields as cron has them, in UTC."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final

from cronsim import CronSim, CronSimError

from argosy.hub.schedules.models import Schedule

FIELDS: Final = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")
"""In the order in which cron has them."""
_ALLOWED: Final = {
    "minute": "0 to 59",
    "hour": "0 to 23",
    "day_of_month": "1 to 31, L for the last",
    "month_of_year": "1 to 12 or jan to dec",
    "day_of_week": "0 (Sunday) to 6, 7 is Sunday too, or sun to sat",
}
_ANY: Final = datetime(2024, 1, 1, tzinfo=UTC)
MINUTE: Final = timedelta(minutes=1)


def faults(fields: Mapping[str, str]) -> dict[str, str]:
    """Return by field why it cannot be a time, and what can; nothing where all of them can."""
    wrong = {name: _unfit(name, fields[name]) for name in FIELDS if not _parses(**{name: fields[name]})}
    if wrong or _ever(fields):
        return wrong
    day = f"there is no such day: {fields['day_of_month']!r} in the months {fields['month_of_year']!r} never comes"
    return {"day_of_month": day}


def upcoming(schedule: Schedule, now: datetime, count: int) -> list[datetime]:
    """Return the next minutes at which it is due."""
    return list(islice(CronSim(_expression(schedule), now), count))


def latest(schedule: Schedule, now: datetime) -> datetime | None:
    """Return the last minute at which it was due, this one included, if that was since its minutes count."""
    minute = now.replace(second=0, microsecond=0)
    due = next(CronSim(_expression(schedule), minute + MINUTE, reverse=True), None)
    return due if due is not None and due > schedule.since else None


def _expression(schedule: Schedule) -> str:
    return " ".join(getattr(schedule, name) for name in FIELDS)


def _parses(**fields: str) -> bool:
    return len(next(iter(fields.values())).split()) == 1 and _cron(fields) is not None


def _ever(fields: Mapping[str, str]) -> bool:
    times = _cron(fields)
    return times is not None and next(times, None) is not None


def _cron(fields: Mapping[str, str]) -> CronSim | None:
    parts: Sequence[str] = [fields.get(name, "*").strip() for name in FIELDS]
    try:
        return CronSim(" ".join(parts), _ANY)
    except CronSimError:
        return None


def _unfit(name: str, value: str) -> str:
    return (
        f"{value[:100]!r} cannot be: give * for any, or {_ALLOWED[name]}; ranges as 1-5, lists as 1,3,5, "
        "and steps as */5, with an offset as 2/5, or within a range as 0-30/10"
    )
