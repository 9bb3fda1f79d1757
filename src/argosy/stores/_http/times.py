"""What servers say of time."""

from datetime import UTC, datetime, timedelta

_START = datetime(1970, 1, 1, tzinfo=UTC)


def nanoseconds(moment: datetime | None) -> int:
    """Return the moment in ns since 1970; 0 where there is none."""
    return (moment - _START) // timedelta(microseconds=1) * 1000 if moment else 0
