"""Which of a site's slots a task waits for."""

from collections.abc import Mapping
from typing import Any

from argosy.discoveries.base import OTHERS, discovery_of
from argosy.hub.jobs.models import Queue
from argosy.steps.base import is_of_others


def queue_of(tasktype: str, options: Mapping[str, Any]) -> Queue:
    """Return it. What other distributions brought may never end, and holds up nothing but its like."""
    if tasktype.startswith(OTHERS) or is_of_others(tasktype, options):
        return Queue.CUSTOM
    return Queue.TRANSFER if discovery_of(tasktype) is None else Queue.DISCOVERY
