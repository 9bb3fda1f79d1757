"""The filesets of a site, as they are looked at, told to the hub and given to tasks."""

import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import structlog

from argosy.agent.records import Records
from argosy.agent.tops import Tops, TreeAt, state_of
from argosy.core.config import FilesetConfig
from argosy.core.errors import ArgosyError
from argosy.core.faults import FilesetRefused, NoFileset, RootUnserved
from argosy.core.fileset import Fileset, Registered, Seen
from argosy.core.paths import below, display, sayable
from argosy.snapshots.rotate import Held, Rotate

log = structlog.get_logger()

_SAID: Final = 64
"""Characters of what a lock says that the hub is told."""


class Filesets:
    """The filesets of a site, looked at again and again, and remembered in the agent's directory."""

    def __init__(self, site: str, directory: Path, configured: Iterable[FilesetConfig], tree_at: TreeAt) -> None:
        """`configured`: the filesets of the site as its configuration has them."""
        self._site = site
        self._own = {one.name: one.registered for one in configured}
        self._tops = Tops(Records(directory), tree_at, self._own)
        self._looking = threading.RLock()
        self._found: dict[str, Fileset] = {}
        self._seen: dict[str, Seen] = {}
        self.are_told = False
        """Whether the hub has said, since the agent began, which there are."""

    def look(self) -> None:
        """Look at every fileset: one that was never served gets its marker, and none is given one again."""
        with self._looking:
            for one in self._tops.registered.values():
                self._look_at(one)

    def register(self, told: Iterable[Registered]) -> None:
        """Have those that the hub knows beside those of the configuration, and no others; adopt what is to be adopted.

        The configuration decides of those that it has.
        """
        with self._looking:
            others = {one.name: one for one in told}
            self._tops.registered = others | self._own
            for name in self._seen.keys() - self._tops.registered.keys():
                self._seen.pop(name)
                self._found.pop(name, None)
            self.are_told = True
            for one in others.values():
                if one.adopt:
                    self._try_to_adopt(one.name)

    def known(self) -> Sequence[Fileset]:
        """Return those that were what they should be when they were looked at last."""
        return list(self._found.values())

    def trash_days(self) -> dict[bytes, float]:
        """Return of each that settles it how long what was removed and replaced in it is kept, by its top.

        Whatever lies there now: that its disk is not mounted shortens nothing.
        """
        registered = self._tops.registered.values()
        return {one.path: one.trash_days for one in registered if one.trash_days is not None}

    def are_well(self) -> bool:
        """Say whether each was what it should be when it was looked at last."""
        return len(self._found) == len(self._tops.registered)

    def seen(self) -> tuple[Seen, ...]:
        """Return what was found of each when it was looked at last."""
        return tuple(self._seen.values())

    def at(self, path: bytes) -> Fileset:
        """Return the fileset whose top is the path, looked at just now.

        Raises:
            NoFileset: there is none.
            FilesetRefused: what lies there is not known to be it.
            Unavailable: its root is not served.
        """
        one = next((one for one in self._tops.registered.values() if one.path == path), None)
        if one is None:
            raise NoFileset(f"{display(path)} is no fileset of site {self._site}: {self._instead(path)}")
        with self._looking:
            self._look_at(one)
            if (seen := self._seen[one.name]).state == "ok":
                return self._found[one.name]
        if seen.state == "unmounted":
            raise RootUnserved(f"fileset {one.name} of site {self._site}: {seen.reason}")
        raise FilesetRefused(f"fileset {one.name} of site {self._site}: {seen.reason}")

    def adopt(self, name: str) -> None:
        """Take what lies at the top of a fileset for it from now on, because a person said so.

        Raises:
            NoFileset: there is no fileset of the name.
            FilesetRefused: nothing lies there, or another fileset, or it lies in another.
        """
        if (one := self._tops.registered.get(name)) is None:
            raise NoFileset(f"site {self._site} has no fileset {name!r}")
        with self._looking:
            self._tops.adopt(one)
            log.warning("fileset adopted", site=self._site, fileset=name, path=display(one.path))
            self._look_at(one)

    def _try_to_adopt(self, name: str) -> None:
        try:
            self.adopt(name)
        except ArgosyError as error:
            log.warning("fileset not adopted", site=self._site, fileset=name, reason=error.message)
        except Exception:  # whatever it was: the others are registered
            log.exception("fileset not adopted", site=self._site, fileset=name)

    def _instead(self, path: bytes) -> str:
        holder = next((one for one in self._tops.registered.values() if below(path, one.path)), None)
        if holder is not None:
            return f"it lies in fileset {holder.name}: name its top, {display(holder.path)}"
        known = ", ".join(f"{one.name} ({display(one.path)})" for one in self._tops.registered.values())
        return f"known are {known or 'none'}; add it with `argosy fileset add`"

    def _look_at(self, one: Registered) -> None:
        try:
            found = self._found[one.name] = self._tops.checked(one)
            held = Rotate(found).peek() or Held("", 0)
            seen = Seen(
                name=one.name, path=one.path, state="ok", id=found.id, number=found.number,
                locked_ns=held.since_ns, locked_by=held.by[:_SAID],
            )  # fmt: skip
        except ArgosyError as error:
            self._found.pop(one.name, None)
            seen = Seen(name=one.name, path=one.path, state=state_of(error), reason=error.message)
        except Exception as error:  # whatever it was: the other filesets are looked at, and served
            log.exception("fileset was not looked at", site=self._site, fileset=one.name)
            self._found.pop(one.name, None)
            reason = sayable(f"cannot be looked at ({type(error).__name__}: {error}): see the agent's log")
            seen = Seen(name=one.name, path=one.path, state="unreadable", reason=reason)
        before = self._seen.get(one.name)
        if before is None or _said(seen) != _said(before):
            self._tell(seen)
        self._seen[one.name] = seen

    def _tell(self, seen: Seen) -> None:
        if seen.state == "ok":
            log.info("fileset is served", site=self._site, fileset=seen.name, id=seen.id)
        else:
            log.warning(
                "fileset is not served", site=self._site, fileset=seen.name, state=seen.state, reason=seen.reason
            )


def _said(seen: Seen) -> tuple[str, ...]:
    """Return what is logged of it; that its lock is held is nothing new."""
    return seen.state, seen.reason, seen.id, str(seen.number)
