"""A whole Argosy with pairs of filesets on the disks, with the store and with the stubs that a number says."""

import contextlib
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from argosy.core.paths import to_json
from tests.argosy_up import ENDED, Argosy, until
from tests.loop import MiB, mounted, unmounted
from tests.servers import running_seaweedfs

POINTS = (
    "after_discovery", "before_upload", "mid_upload", "after_upload", "stage", "before_apply", "park", "unpark",
    "publish", "exchange", "trash", "after_apply", "before_base_commit",
)  # fmt: skip
VICTIMS = {"hub": "argosy.embedded hub", "agents": "argosy.embedded agents", "planner": "argosy.sync.rounds"}
STUBS = "unguarded_stubs = true\nmin_stub_size = 0\n"
LASTING = 240.0
"""Seconds within which a sync has ended, kills and a busy machine included."""


@dataclass(frozen=True)
class Kind:
    """What a world is like."""

    snapshots: str
    store: str
    stubs: tuple[bool, bool]

    @classmethod
    def of(cls, seed: int) -> "Kind":
        """Return the kind of a number: eight in a row have each disk with each store, with and without stubs."""
        some = random.Random(seed).choice([(True, True), (True, False), (False, True)])
        stubs = some if seed & 1 else (False, False)
        return cls("btrfs" if seed & 2 else "index", "seaweedfs" if seed & 4 else "posix", stubs)

    def __str__(self) -> str:
        stubs = "+".join(site for site, has in zip(("london", "dublin"), self.stubs, strict=True) if has)
        return f"{self.snapshots}, {self.store}, stubs at {stubs or 'none'}"


@dataclass
class World(Argosy):
    """An Argosy of two sites with so many filesets of the same names."""

    kind: Kind = field(default_factory=lambda: Kind.of(0))
    filesets: int = 1
    disk: Path | None = None

    def __post_init__(self) -> None:
        for site in self.sites:
            for number in range(self.filesets):
                self._make(self.top(site, number))
        self.env = {
            "ARGOSY_FAILPOINTS": ",".join(f"sync:{point}=pause" for point in POINTS),
            "ARGOSY_FAILPOINTS_DIR": str(self.points),
        }
        super().__post_init__()

    def _make(self, top: Path) -> None:
        if self.disk is None:
            top.mkdir(parents=True)
        else:
            subprocess.run(["btrfs", "-q", "subvolume", "create", str(top)], check=True)

    # places

    @property
    def points(self) -> Path:
        """Return where the hub, too, may write: it is somebody else, and confined."""
        return self.directory / "data" / "hub" / "points"

    def own_root(self, site: str, number: int) -> Path:
        """Return the root in which a fileset lies: on btrfs each is one."""
        return self.root(site) if self.disk is None else self.top(site, number)

    def top(self, site: str, number: int) -> Path:
        return self.tree(site) / f"f{number}" if self.disk is None else self.disk / f"{site}-f{number}"

    def write_config(self) -> None:
        super().write_config()
        hub = self.config.read_text().split("[[sites]]")[0]
        self.config.write_text(hub + "".join(map(self._site, self.sites, self.kind.stubs)))

    def _site(self, site: str, stubs: bool) -> str:
        numbers = range(self.filesets)
        roots = sorted({str(self.own_root(site, number)) for number in numbers})
        links = {f"f{number}/": self.top(site, number) for number in numbers}
        told = [f'[[sites]]\nname = "{site}"\nroots = {roots}\n'.replace("'", '"') + (STUBS if stubs else "")]
        for name, top in links.items():
            told.append(f'[[sites.filesets]]\nname = "{name[:-1]}"\npath = "{top}"\n')
            told.append(f'snapshots = "{self.kind.snapshots}"\n')
        for name, top in links.items():
            told.append(f'[[sites.links]]\nsite_path = "{top}"\ndatastore = "cloud"\ndatastore_path = "{name}"\n')
        return "".join(told)

    # calls that a kill may cut off

    def ready(self) -> None:
        """Return once every fileset is marked, and nobody would wait at a named point."""
        self.points.mkdir(mode=0o777)
        self.points.chmod(0o777)
        for point in POINTS:
            self.pass_by(point)
        filesets = "/filesets/?page_size=0"
        until(
            lambda: {each["state"] for each in self.ask(filesets)["results"]} == {"ok"}, seconds=LASTING, what="marked"
        )

    def ask(self, path: str) -> Any:
        """Return what the hub answers, as soon as there is one."""
        found: list[Any] = []

        def answered() -> bool:
            with suppress(httpx.TransportError, KeyError):
                answer = self.call("GET", path, ok=False)
                if answer.is_success:
                    found.append(answer.json())
            return bool(found)

        until(answered, seconds=LASTING, what=f"an answer to {path}", every=0.1)
        return found[0]

    def ended(self, job: int) -> dict[str, Any] | None:
        found = self.ask(f"/jobs/{job}/")
        return found if found["state"] in ENDED else None

    def do(self, workflow: str, paths: Sequence[bytes], site: str) -> None:
        """Have a workflow done to files, all of them."""
        body = {"workflow": workflow, "site": site, "paths": [to_json(path) for path in paths], "fields": {}}
        job = self.call("POST", "/file/workflow/", json=body)["job"]
        found = self.wait(job, seconds=LASTING, every=0.1)
        assert found["state"] in {"SUCCESS", "SKIPPED"}, (workflow, site, self.files(job, "failed"))

    # kills

    def arm(self, point: str) -> None:
        """Have whoever comes to a point wait there."""
        (self.points / f"sync:{point}.hit").unlink(missing_ok=True)
        (self.points / f"sync:{point}.go").unlink(missing_ok=True)

    def pass_by(self, point: str) -> None:
        (self.points / f"sync:{point}.go").touch()

    def waits_at(self, point: str) -> bool:
        return (self.points / f"sync:{point}.hit").exists()

    def let_one_pass(self, point: str) -> None:
        """Let whoever waits at a point go on, and have the next wait there; several may slip through."""
        self.pass_by(point)
        time.sleep(0.006)  # as often as a process that waits looks
        self.arm(point)

    def end(self, victim: str) -> None:
        """Kill a process, or all of them, as of nothing; and have Argosy run again."""
        if victim == "all":
            self.kill()
            return
        for process in self.processes():
            with suppress(OSError):
                if VICTIMS[victim] in Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode():
                    os.kill(process, signal.SIGKILL)

    def alive(self) -> None:
        """Have it run, if it does not."""
        if self.process is None:
            self.start()

    # what is left over

    def left_over(self) -> list[str]:
        """Return what syncs that have ended may not leave."""
        found = [path for site in self.sites for number in range(self.filesets) for path in self._beside(site, number)]
        data = self.directory / "data" / "hub" / "sync"
        found += [*data.glob("*/rounds/*"), *(path for base in data.glob("*/base") for path in [*base.iterdir()][1:])]
        found += self.leftovers()
        return sorted({str(path) for path in found})

    def _beside(self, site: str, number: int) -> Iterator[Path]:
        root = self.own_root(site, number)
        for name in ("staging", "moving", "sync"):
            for above, _, files in os.walk(root / ".argosy" / name):
                yield from (Path(above) / each for each in files if each != "lock" and not above.endswith("/undo"))
        yield from (root / ".rotate").glob("*.lock")
        for kept in (root / ".argosy" / "snapshots").glob("*"):
            yield from sorted(kept.glob("*.parquet"))[1:]


@contextmanager
def world(directory: Path, seed: int, filesets: int) -> Iterator[World]:
    """Run the world of a number, all of it gone at the end."""
    kind = Kind.of(seed)
    with contextlib.ExitStack() as gone:
        disk, datastore = None, ""
        if kind.snapshots == "btrfs":
            disk = mounted("btrfs", directory, 2048 * MiB)
            gone.callback(unmounted, disk)
        if kind.store == "seaweedfs":
            (directory / "weed").mkdir()
            weed = gone.enter_context(running_seaweedfs(directory / "weed"))
            settings = "".join(f'{name} = "{value}"\n' for name, value in weed.settings(weed.bucket()).items())
            datastore = f'type = "S3"\n{settings}'
        one = World(directory, datastore=datastore, kind=kind, filesets=filesets, disk=disk)
        gone.callback(one.kill)
        one.start()
        one.ready()
        yield one
