"""What one agent is to do, and how it does it: a site as in `tests.sites`, calls one after another, failpoints."""

import fcntl
import os
import shutil
import signal
import struct
from pathlib import Path
from typing import Any

import msgspec

from argosy.core import failpoints
from argosy.core.entry import Entry
from argosy.core.order import Policy, StoreAccess
from argosy.filesystems.posix import Posix
from argosy.linux.libc import LIBC
from argosy.stores import posix
from tests.sites import STUBS, Side

_SHUTDOWN = 0x8004587D
"""FS_IOC_SHUTDOWN, the same for ext4 and xfs."""
_WITHOUT_LOG = 2
"""Nothing that is not on the disk gets there any more, the journal included."""


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One order. `fresh`: the entries are looked at first, as a discovery does."""

    step: str
    entries: tuple[Entry, ...]
    options: dict[str, Any] = {}
    fresh: bool = False


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """The calls of one agent. Beside the actions of `core/failpoints.py` there are `note` and `cut` (the power)."""

    top: str
    site: str
    store: str
    calls: tuple[Call, ...]
    directory: str
    failpoints: str = ""
    live: int = 0
    """The call with which the failpoints begin to be."""
    access: StoreAccess | None = None
    policy: Policy = STUBS
    layout: str = "native"
    threads: int = 4
    chunk: int = 0
    """How much the store gives out at once, where it is to be less than usual."""
    single: int = 0
    """Beyond which size an object goes in parts, where it is to be less than usual."""
    sweeps: bool = True
    """Whether it begins as an agent does; else it works beside one that has begun."""
    never_syncs: bool = False
    """Whether all that waits for the disk does nothing."""


def perform(task: Task) -> None:
    """Make the calls; write a report of each before the next begins."""
    if task.never_syncs:
        _sync_nothing()
    if not task.sweeps:
        Posix.sweep = lambda _: None  # type: ignore[method-assign]
    if task.chunk:
        posix.CHUNK = task.chunk  # type: ignore[misc]
    if task.single:
        from argosy.stores.s3 import S3Store

        S3Store.single = task.single
    side = Side(
        Path(task.top), task.site, store=Path(task.store), layout=task.layout, policy=task.policy, agent=_agent(task)
    )
    side.access = task.access or side.access
    side.pool._max_workers = task.threads
    with (Path(task.directory) / "reports").open("ab") as reports:
        for number, one in enumerate(task.calls):
            if number == task.live:
                _switch_on(task)
            entries = [side.entry(entry.path) for entry in one.entries] if one.fresh else one.entries
            reports.write(msgspec.json.encode(side.report(one.step, *entries, **one.options)) + b"\n")
            reports.flush()
            failpoints.failpoint(f"done:{number}")
    side.place.close()


def _agent(task: Task) -> Path:
    """Return the agent's directory; one beside another has a copy, for an index is one process's alone."""
    agent, own = Path(task.top) / f"agent-{task.site}", Path(task.directory)
    if task.sweeps:
        return agent
    shutil.copytree(agent, own / "before")
    return Path(shutil.copytree(own / "before", own / "agent"))


def _switch_on(task: Task) -> None:
    directory = Path(task.directory)
    usual = failpoints._act

    def act(name: str, action: str) -> None:
        with (directory / f"{name}.hits").open("ab") as hits:
            hits.write(b".")
        if action == "cut":
            cut_power(task.top)
        elif action != "note":
            usual(name, action)

    failpoints._points = failpoints._parse(task.failpoints)
    failpoints._directory = directory
    failpoints._act = act


def cut_power(point: str) -> None:
    """Drop what the mounted filesystem has not on its disk, and die."""
    mounted = os.open(point, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.ioctl(mounted, _SHUTDOWN, struct.pack("=I", _WITHOUT_LOG))
    os.kill(os.getpid(), signal.SIGKILL)


def _sync_nothing() -> None:
    def nothing(*_: object) -> None:
        pass

    os.fsync = os.fdatasync = os.sync = nothing  # type: ignore[assignment]
    LIBC.syncfs = lambda _: 0  # type: ignore[attr-defined]
