"""What users do to one pair of filesets of a whole Argosy, and what must hold after every sync."""

import os
import random
import stat
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from argosy.core.paths import display, from_json
from argosy.linux.rename import noreplace
from argosy.sync.planner.trees import Kind
from tests.agent.syncing.stubs import Contents, Disk
from tests.flows.syncing.world import World
from tests.sync.executor.histories import NAMES, Users
from tests.sync.executor.trees import Clock

Content = tuple[Kind | None, bytes]
_HERE = -100
"""As the kernel calls the directory that paths begin in."""
GENTLE: list[Callable[..., None]] = [
    Users.create, Users.mkdir, Users.symlink, Users.move, Users.chmod, Users.touch, Users.link, Users.attach,
]  # fmt: skip
"""Deeds that lose nothing, so that whatever was there when they began must be there in the end."""


class People(Users):
    """Users whose words are told apart from those of every other pair, and are of many lengths."""

    def __init__(self, rng: random.Random, who: str) -> None:
        super().__init__(rng)
        self.who, self.names = who.encode(), NAMES

    def text(self) -> bytes:
        word = super().text()
        if word == b"SAME":
            return self.who + b" same"
        word = self.who + b" " + word
        return word * self.rng.choice([1, 1, 1, 1, 50, 9000]) if self.rng.random() < 0.7 else word

    def note(self, disk: Any, *words: object) -> None:
        super().note(disk, *(word[:24] if isinstance(word, bytes) else word for word in words))

    def gently(self, disk: Disk) -> None:
        before = len(self.log)
        try:
            self.rng.choice(GENTLE)(self, disk)
        except (OSError, IndexError):
            del self.log[before:]


class Tops(Disk):
    """A fileset of a whole Argosy: nothing is moved over another file, so that moves lose nothing."""

    careful = False

    def move(self, old: bytes, new: bytes) -> None:
        if self.careful:
            noreplace(_HERE, self.path(old), _HERE, self.path(new))
        else:
            super().move(old, new)


class History:
    """One pair of filesets of a world."""

    def __init__(self, up: World, number: int, seed: int, contents: Contents) -> None:
        self.up, self.number, self.seed = up, number, seed
        self.rng = random.Random(seed)
        self.both_ways = self.rng.random() < 0.6
        self.policy = self.rng.choice(["newest", "newest", "local", "ignore", "keep_both"])
        self.hydrate = self.rng.choice([None, True, False])
        self.drifts = self.both_ways or self.rng.random() < 0.5
        self.sites = up.sites if self.rng.random() < 0.5 else tuple(reversed(up.sites))
        self.people = People(self.rng, f"h{number}")
        self.contents, self.clock = contents, Clock()
        self.recalls = True
        one, two = map(self._top, self.sites)
        self.disks = (one, two)
        self.schedule = self._schedule() if self.both_ways else 0
        self.before: set[Content] = set()
        self.jobs: list[int] = []

    def __str__(self) -> str:
        way = "both ways" if self.both_ways else f"one way{', with drift' if self.drifts else ''}"
        return f"f{self.number} (seed {self.seed}): {way} from {self.sites[0]}, {self.policy}, hydrate {self.hydrate}"

    def _top(self, site: str) -> Tops:
        return Tops(self.up.top(site, self.number), site, self.clock, self.contents, self._recall(site))

    def _recall(self, site: str) -> Callable[[bytes], None]:
        def recall(path: bytes) -> None:
            disk = self.disk(site)
            if stat.S_ISREG(os.lstat(path).st_mode) and disk.is_stub(os.path.relpath(path, disk.top)):
                if not self.recalls:
                    raise OSError("a stub is left alone while something may be killed")
                self.up.do("recall", [path], site)

        return recall

    def disk(self, site: str) -> Tops:
        return self.disks[self.sites.index(site)]

    # syncs

    def _schedule(self) -> int:
        values = {
            "name": f"both ways {self.number}",
            "site": self.sites[0],
            "discovery": "bidirectional_snapdiff",
            "managed_paths": [{"path": str(self.up.top(self.sites[0], self.number))}],
            "enabled": False,
        }
        schedule = int(self.up.call("POST", "/schedules/", json=values)["id"])
        subscription = {"site": self.sites[0], "workflow": "bidirectional_sync", "fields": self._fields()}
        self.up.call("POST", f"/schedules/{schedule}/workflows/", json=subscription)
        return schedule

    def _fields(self) -> dict[str, Any]:
        hydrate = {"hydrate": self.hydrate} if self.both_ways and self.hydrate is not None else {}
        return {"destinationsite": self.sites[1], "sync_preference": self.policy} | hydrate

    def begin(self) -> int:
        """Begin a sync."""
        if self.both_ways:
            job = self.up.call("POST", f"/schedules/{self.schedule}/run/")["jobs"][0]
        else:
            top = str(self.up.top(self.sites[0], self.number))
            body = {"workflow": "site_sync", "site": self.sites[0], "paths": [top], "fields": self._fields()}
            job = self.up.call("POST", "/file/workflow/", json=body)["job"]
        self.jobs.append(int(job))
        return int(job)

    def said(self, job: int) -> str:
        """Return all that the hub says of a sync."""
        sync, tasks = self.up.ask(f"/syncs/{job}/"), self.up.tasks(job)
        bad = [file for state in ("failed", "aborted") for file in self.up.files(job, state)][:20]
        return f"{self}: job {job}\n{sync}\n{[(t['tasktype'], t['state'], t.get('reason')) for t in tasks]}\n{bad}"

    # deeds

    def act(self, most: int) -> None:
        """Have users do something at both sites; at the destination of a one-way sync only where it drifts."""
        for side, disk in enumerate(self.disks):
            if side == 0 or self.drifts:
                self.people.act(disk, self.rng.randrange(most))  # type: ignore[arg-type]

    def some_files(self, site: str) -> list[bytes]:
        """Return a few files of a side."""
        disk = self.disk(site)
        files = sorted(path for path, _, _, node in disk.walk() if node.kind is Kind.FILE)
        return [disk.path(path) for path in self.rng.sample(files, min(2, len(files)))]

    def writer(self, disk: Tops, *, gentle: bool, seed: int, stop: threading.Event) -> threading.Thread:
        """Return a thread that changes a side until it is told to stop."""
        people = People(random.Random(seed), f"h{self.number} {disk.name.decode()}{seed}")
        people.names = [*NAMES, *(b"%d" % number for number in range(4))]

        def write() -> None:
            while not stop.wait(0.02):
                with suppress(OSError, IndexError, AssertionError, KeyError):
                    people.gently(disk) if gentle else people.act(disk, 1)  # type: ignore[arg-type]
            self.people.log += [f"(meanwhile) {said}" for said in people.log]

        return threading.Thread(target=write)

    # what must hold

    def live(self) -> set[Content]:
        return set().union(*(disk.contents() for disk in self.disks))

    def saved(self) -> set[Content]:
        """Return every content that trash and version stores of both sites keep."""
        roots = [self.up.own_root(site, self.number) / ".argosy" for site in self.up.sites]
        kept = [root / shelf for root in roots for shelf in ("trash", "versions")]
        return set().union(*(self.contents.below(each) for each in kept if each.exists()))

    def nothing_is_lost(self, live: set[Content]) -> None:
        lost = live - self.live() - self.saved()
        assert not lost, f"{self}: lost {[(kind, data[:40]) for kind, data in lost]}"

    def went_well(self, job: dict[str, Any]) -> None:
        said = [file for state in ("failed", "aborted") for file in self.up.files(job["id"], state)]
        assert job["state"] in {"SUCCESS", "SKIPPED"}, self.said(job["id"])
        assert not said, self.said(job["id"])
        counted = sum(job[f"num{each}files"] for each in ("processed", "skipped", "failed", "aborted", "cancelled"))
        assert counted == job["numfiles"], f"{self}: {job}"
        tasks = {task["state"] for task in self.up.tasks(job["id"])}
        assert tasks <= {"SUCCESS", "SKIPPED"}, self.said(job["id"])

    def had_nothing_to_do(self, job: dict[str, Any]) -> None:
        """One way, what drifted is told again each time, as skipped; else there is nothing to tell."""
        counts = self.up.ask(f"/syncs/{job['id']}/")["counts"]
        assert not sum(counts["operations"]), f"a second sync does something\n{self.said(job['id'])}"
        assert job["state"] == "SKIPPED", self.said(job["id"])
        told = counts["stays"] if not self.both_ways else 0
        assert (job["numfiles"], job["numskippedfiles"]) == (told, told), self.said(job["id"])

    def is_alike(self, job: dict[str, Any], source: dict[bytes, Any]) -> None:
        """Both ways: both trees are equal. One way: the source is as it was, and what is new there has arrived."""
        one, two = (disk.tree() for disk in self.disks)
        if self.both_ways or not self.drifts:
            both = {path: (one.get(path), two.get(path)) for path in one.keys() | two.keys()}
            differ = {path: (here, there) for path, (here, there) in both.items() if here != there}
            assert not differ, f"{self}: {_short(differ)}\n{self.said(job['id'])}"
            assert self.disks[0].groups() == self.disks[1].groups(), str(self)
        if not self.both_ways:
            assert one == source, f"{self}: the source was changed\n{self.said(job['id'])}"
            self._what_is_new_arrived(job)

    def _what_is_new_arrived(self, job: dict[str, Any]) -> None:
        new = self.disks[0].contents() - self.before - self.disks[1].contents()
        skipped = self.up.files(job["id"], "skipped")
        told = {os.path.relpath(_path(file), disk.top) for file in skipped for disk in self.disks}
        reasons = [file["reason"] for file in skipped]  # they name it where it lies elsewhere at the destination
        untold = {
            path
            for path, facts in self.disks[0].tree().items()
            if facts[:2] in new and not any(said.endswith(f" {display(self.disks[0].path(path))}") for said in reasons)
        } - told
        assert not untold, f"{self}: neither arrived nor skipped: {untold}, skipped {told}\n{self.said(job['id'])}"
        self.before = self.disks[0].contents()


def _path(file: dict[str, Any]) -> bytes:
    return from_json(file["path"], file.get("path_b64"))


def _short(differ: dict[bytes, Any]) -> str:
    return "\n".join(f"{path!r}: {str(one)[:300]} | {str(two)[:300]}" for path, (one, two) in sorted(differ.items()))
