"""Whom the hub process runs as: never root, and never `nobody`, whose other processes could read the hub's keys."""

import grp
import os
import pwd
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from argosy.core.errors import Denied
from argosy.embedded.place import Place

_OWN = range(55_000, 60_000)
"""Numbers that neither the users of a machine nor the dynamic ones of systemd usually have."""
_OVERFLOW = 65534
"""The number of `nobody`, and of every user that a namespace cannot name."""
_NAME = "argosy"


def user_of(place: Place) -> tuple[int, int]:
    """Return whom the hub runs as, the same at every start.

    That is ourselves, unless we are root; else the owner of its data, the user `argosy`, or a number of its own.

    Raises:
        Denied: there is no free number.
    """
    if os.geteuid() != 0:
        return os.geteuid(), os.getegid()
    own = _recorded(place)
    for directory in (place.hub, place.top):
        if directory.exists() and (found := directory.stat()).st_uid not in {0, own, *nobodies()}:
            return found.st_uid, found.st_gid
    with suppress(KeyError):
        known = pwd.getpwnam(_NAME)
        return known.pw_uid, known.pw_gid
    if own is None or own in _named():
        own = _choose(place)
    return own, own


def nobodies() -> set[int]:
    """Return the users that unrelated programs share."""
    return {_OVERFLOW} | {entry.pw_uid for entry in pwd.getpwall() if entry.pw_name == "nobody"}


def _recorded(place: Place) -> int | None:
    try:
        number = int(place.user.read_text())
    except (FileNotFoundError, ValueError):
        return None
    return number if number in _OWN else None


def _choose(place: Place) -> int:
    """Take a free number, the same for the same directory where it can be, and record it."""
    taken = _named() | _running()
    first = int.from_bytes(sha256(bytes(place.top.absolute())).digest()[:8])
    for step in range(len(_OWN)):
        number = _OWN[(first + step) % len(_OWN)]
        if number not in taken:
            _record(place, number)
            return number
    raise Denied(f"users {_OWN.start} to {_OWN.stop - 1} are all taken: add a user {_NAME} for the hub to run as")


def _record(place: Place, number: int) -> None:
    """Note it under its name at once: a torn record would be another number at the next start."""
    new = place.user.with_suffix(".new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(f"{number}\n")
        file.flush()
        os.fsync(file.fileno())
    new.replace(place.user)


def _named() -> set[int]:
    """Return the numbers that users and groups of this machine have."""
    return {entry.pw_uid for entry in pwd.getpwall()} | {entry.gr_gid for entry in grp.getgrall()}


def _running() -> set[int]:
    """Return the users of processes: containers and other hubs use numbers without names."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            found.add(process.stat().st_uid)
    return found
