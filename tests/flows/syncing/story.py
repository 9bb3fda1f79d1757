"""A story told by a number: users at work in many pairs of filesets, disturbed syncs, and what holds after each."""

import random
import threading
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from argosy.sync.planner.trees import Kind
from tests.agent.syncing.stubs import Contents
from tests.argosy_up import until
from tests.flows.syncing.history import Content, History
from tests.flows.syncing.world import LASTING, POINTS, VICTIMS, World

DISTURBANCES = ("nothing", "point", "point", "moment", "gentle", "wild", "gentle, moment")


class Story:
    """What happens in one world; the pairs in it are disturbed together."""

    def __init__(self, up: World, seed: int) -> None:
        self.up, self.seed, self.rng = up, seed, random.Random(seed)
        contents = Contents()  # of all: shelves of one root hold what was in any of its filesets
        self.histories = [History(up, number, seed * 100 + number, contents) for number in range(up.filesets)]
        self.hit: Counter[str] = Counter()
        self.log: list[str] = []

    def tell(self, cycles: int, *, disturbances: tuple[str, ...] = ()) -> None:
        """Go through so many cycles.

        Raises:
            AssertionError: something does not hold; it says all that anybody did.
        """
        try:
            for number in range(cycles):
                self.cycle(disturbances[number % len(disturbances)] if disturbances else self.rng.choice(DISTURBANCES))
            self.whole()
        except Exception:  # noqa: BLE001 - whatever it is, it is told with what everybody did
            self.log.append(traceback.format_exc())
            raise AssertionError(str(self)) from None

    def __str__(self) -> str:
        told = [f"seed {self.seed}: {self.up.kind}", *self.log]
        return "\n".join([*told, *(f"{each}\n  " + "\n  ".join(each.people.log) for each in self.histories)])

    def note(self, said: str) -> None:
        self.log.append(said)
        for each in self.histories:
            each.people.log.append(f"-- {said}")

    def cycle(self, disturbance: str) -> None:
        for each in self.histories:
            each.act(7 if self.log else 20)
        self.migrate()
        self.note(disturbance)
        if disturbance != "nothing":
            self.disturbed(disturbance)
        self.quiet()

    def migrate(self) -> None:
        """Have some files be stubs, where a site may have them."""
        for site, stubs in zip(self.up.sites, self.up.kind.stubs, strict=True):
            some = [path for each in self.histories for path in each.some_files(site)]
            if stubs and some:
                self.up.do("migrate", some, site)

    # disturbances

    def disturbed(self, disturbance: str) -> None:
        """Sync while something happens; nothing that was there is lost by it."""
        live = [each.live() for each in self.histories]
        with self.writing(disturbance):
            jobs = [each.begin() for each in self.histories]
            if disturbance == "point":
                self.killed_at(jobs)
            elif disturbance.endswith("moment"):
                self.killed_at_once()
            ended = [self.ended(job) for job in jobs]
        for each, was, job in zip(self.histories, live, ended, strict=True):
            if "wild" not in disturbance:
                each.nothing_is_lost(was)
            assert self.up.ask(f"/syncs/{job['id']}/")["state"] in {"DONE", "REFUSED"}, each.said(job["id"])

    @contextmanager
    def writing(self, disturbance: str) -> Iterator[None]:
        stop, writers, nobody = threading.Event(), [], "wild" not in disturbance and "gentle" not in disturbance
        for each in [] if nobody else self.histories:
            each.recalls = False
            for side, disk in enumerate(each.disks):
                disk.careful = "gentle" in disturbance
                if side == 0 or each.drifts:
                    writers.append(each.writer(disk, gentle=disk.careful, seed=self.rng.getrandbits(16), stop=stop))
        for writer in writers:
            writer.start()
        try:
            yield
        finally:
            stop.set()
            for writer in writers:
                writer.join()
            for each in self.histories:
                each.recalls = True
                for disk in each.disks:
                    disk.careful = False

    def killed_at(self, jobs: list[int]) -> None:
        """Kill something that waits at a named point."""
        point, passing = self.rng.choice(POINTS), self.rng.randrange(4)
        victim = self.rng.choice(["all", "hub" if point == "before_base_commit" else "agents"])
        self.note(f"{victim} at {point}, after {passing} or more")
        self.up.arm(point)
        try:
            for _ in range(passing):
                if not self.waits_at(point, jobs):
                    return
                self.up.let_one_pass(point)
            if self.waits_at(point, jobs):
                self.hit[point] += 1
                self.up.end(victim)
        finally:
            self.up.pass_by(point)
            self.up.alive()

    def waits_at(self, point: str, jobs: list[int]) -> bool:
        """Say whether somebody waits at a point before all syncs have ended."""

        def met() -> bool:
            return self.up.waits_at(point) or all(self.up.ended(job) for job in jobs)

        until(met, seconds=LASTING, what=f"somebody comes to {point}", every=0.05)
        return self.up.waits_at(point)

    def killed_at_once(self) -> None:
        """Kill things at moments of the clock."""
        for _ in range(self.rng.randrange(1, 3)):
            seconds, victim = self.rng.uniform(0.0, 5.0), self.rng.choice(["all", *VICTIMS])
            self.note(f"{victim} after {seconds:.2f} s")
            time.sleep(seconds)
            self.up.end(victim)
            self.up.alive()

    # syncs

    def ended(self, job: int) -> dict[str, Any]:
        try:
            return until(lambda: self.up.ended(job), seconds=LASTING, every=0.1)
        except AssertionError as error:
            tasks = self.up.ask(f"/tasks/?job_id={job}&page_size=0")
            raise AssertionError(f"never ended: {self.up.ask(f'/syncs/{job}/')} {tasks}") from error

    def refused(self, job: dict[str, Any]) -> bool:
        return job["state"] == "FAILURE" and self.up.ask(f"/syncs/{job['id']}/")["state"] == "REFUSED"

    def sync(self) -> list[dict[str, Any]]:
        """Sync every pair; what a guard refuses is confirmed."""
        jobs = [self.ended(job) for job in [each.begin() for each in self.histories]]
        return [self.confirmed(each, job) for each, job in zip(self.histories, jobs, strict=True)]

    def confirmed(self, history: History, job: dict[str, Any]) -> dict[str, Any]:
        """Confirm it until no guard refuses it: what is gone by then may be more than was confirmed."""
        while self.refused(job):
            history.people.log.append("-- confirmed")
            job = self.ended(int(self.up.call("POST", f"/jobs/{job['id']}/confirm/")["id"]))
        return job

    def quiet(self) -> None:
        """Sync once while nobody does anything: both sides agree, nothing is lost, and nothing is left to be done."""
        live: list[set[Content]] = [each.live() for each in self.histories]
        sources = [each.disks[0].tree() for each in self.histories]
        jobs = self.sync()
        for each, was, source, job in zip(self.histories, live, sources, jobs, strict=True):
            each.went_well(job)
            each.nothing_is_lost(was)
            each.is_alike(job, source)
        for each, job in zip(self.histories, self.sync(), strict=True):
            each.had_nothing_to_do(job)
        self.nothing_is_left()
        self.note("synced")

    def nothing_is_left(self) -> None:
        found: list[list[str]] = []

        def none() -> bool:
            found[:] = [self.up.left_over()]
            return not found[0]

        try:
            until(none, seconds=20, every=0.2)
        except AssertionError as error:
            raise AssertionError(f"left over: {found[0][:20]}") from error

    def whole(self) -> None:
        """Have every stub be a file again: what it stood for was kept."""
        for site in self.up.sites:
            tops = [bytes(self.up.top(site, each.number)) for each in self.histories]
            self.up.do("recall", tops, site)
        for each in self.histories:
            for disk in each.disks:
                files = [path for path, _, _, node in disk.walk() if node.kind is Kind.FILE]
                assert not [path for path in files if disk.is_stub(path)], str(each)
