"""Classes that other distributions bring: found by entry points, and loaded where it does no harm.

Their code may raise anything, end the process as far as it knows, or never return. So each is loaded by a thread of
its own, for which nobody waits longer than `PATIENCE`.
"""

import threading
import time
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from argosy.core.errors import Invalid
from argosy.core.paths import sayable

PATIENCE = 10.0
"""Seconds that it may take to load a class."""
GLANCE = 1.0
"""Seconds of them for which whoever asks for all classes waits for one."""


def words_of(error: BaseException) -> str:
    """Return kind and words of an error that somebody else's code raised, as a message can carry them."""
    try:
        said = str(error)
    except BaseException:  # noqa: BLE001 - that is code of theirs, too
        said = ""
    return sayable(f"{type(error).__name__}: {said}" if said else type(error).__name__)


class Others:
    """What the entry points of one group name, each loaded and checked once, when it is first asked for."""

    def __init__(self, group: str, check: Callable[[Any, str], None]) -> None:
        """`check` is given a class and where it comes from, and raises where it cannot be used."""
        self._group = group
        self._check = check
        self._loads: dict[EntryPoint, _Load] = {}
        self._door = threading.Lock()

    def points(self) -> Mapping[str, list[EntryPoint]]:
        """Return the entry points there are now, by name: more than one where distributions are at odds."""
        found: dict[str, dict[EntryPoint, EntryPoint]] = {}
        for point in entry_points(group=self._group):
            found.setdefault(point.name, {})[point] = point
        return {name: list(points) for name, points in found.items()}

    def begin(self) -> None:
        """Begin to load all of them, so that none waits for another."""
        for name, points in self.points().items():
            if not _misnamed(name, points):
                self._load(points[0])

    def get(self, name: str, points: list[EntryPoint], *, among_all: bool = False) -> type[Any]:
        """Return the class that the entry points of a name stand for; `among_all`: it was not asked for by name.

        Raises:
            Invalid: it cannot be used; the message says whose it is, and why.
        """
        trouble = _misnamed(name, points)
        plugin, trouble = (None, trouble) if trouble else self._load(points[0]).outcome(among_all=among_all)
        if trouble:
            raise Invalid(f"of {' and '.join(sorted(map(_owner, points)))} cannot be used: {trouble}")
        assert plugin is not None
        return plugin

    def passed_over(self, points: list[EntryPoint]) -> str:
        """Return whose the entry points are, and that what has their name here is not theirs."""
        owners = " and ".join(sorted(map(_owner, points)))
        return f"of {owners} cannot be used: one of that name comes with Argosy, so give its entry point another"

    def _load(self, point: EntryPoint) -> "_Load":
        with self._door:
            if point not in self._loads:
                self._loads[point] = _Load(point, self._check)
                self._loads[point].start()
            return self._loads[point]


class _Load(threading.Thread):
    """Loads one class. An import that goes on for ever holds this thread, and the process can end all the same."""

    def __init__(self, point: EntryPoint, check: Callable[[Any, str], None]) -> None:
        super().__init__(name=f"load-{point.name}", daemon=True)
        self._point = point
        self._check = check
        self._began = time.monotonic()
        self._plugin: type[Any] | None = None
        self._trouble = ""

    def run(self) -> None:
        """Load it, and note what came of that."""
        try:
            plugin = self._point.load()
            self._check(plugin, self._point.value)
            self._plugin = plugin
        except BaseException as error:  # noqa: BLE001 - code of others may raise anything, and takes nothing with it
            self._trouble = words_of(error)

    def outcome(self, *, among_all: bool) -> tuple[type[Any] | None, str]:
        """Return the class, or why there is none."""
        patience = min(GLANCE, PATIENCE) if among_all else PATIENCE
        self.join(max(0.0, self._began + patience - time.monotonic()))
        if self.is_alive() and time.monotonic() < self._began + PATIENCE:
            return None, "it is still being loaded: look again in some seconds"
        if self.is_alive():
            return None, f"it was not loaded within {PATIENCE:g} s: what it does when it is imported takes too long"
        return self._plugin, self._trouble


def _misnamed(name: str, points: list[EntryPoint]) -> str:
    if not name.isidentifier():
        return "a name is made of letters, digits and _, and begins with no digit: give its entry point another"
    return "" if len(points) == 1 else "they have entry points of the same name: uninstall all but one"


def _owner(point: EntryPoint) -> str:
    return point.dist.name if point.dist else point.value
