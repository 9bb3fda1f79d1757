"""The mirror of the manual, made of rules by state, over random histories: what it calls done is done."""

import os
import random
import subprocess
from pathlib import Path

import msgspec
import pytest

from argosy.agent.lease import Lease, now
from argosy.agent.place import OrderSite
from argosy.agent.runner import run
from argosy.core.config import Config, FilesetConfig
from argosy.core.errors import Busy
from argosy.core.order import Order
from argosy.core.outcome import Outcome
from argosy.core.states import FileState
from argosy.hub.jobs.files import JobFiles
from argosy.hub.jobs.models import Job
from argosy.hub.workflows.models import Workflow
from tests.hub.real import RealAgent
from tests.mirroring import MIRROR, Person, looked, modes


class Mirrored(RealAgent):
    """A site whose `projects` is a fileset, and another; tasks that wait are begun in any order."""

    def __init__(self, top: Path, seed: int) -> None:
        self.chance = random.Random(seed)
        super().__init__(top)
        self.batch_size = 3

    def _config(self) -> Config:
        config = super()._config()
        fileset = FilesetConfig(name="projects", path=str(self.projects()))
        sites = [
            msgspec.structs.replace(site, filesets=(fileset,)) if site.name == "london" else site
            for site in config.sites
        ]
        return msgspec.structs.replace(config, sites=tuple(sites))

    def run(self) -> None:
        while self.rung:
            self.chance.shuffle(self.rung)
            if (order := self.claim()) is not None:
                self.do(msgspec.structs.replace(order, batch_files=self.chance.randint(1, 4)))

    def mirrored(self) -> Job:
        """Run the mirror to its end."""
        job = self.ran("mirror")
        assert job.state in {"SUCCESS", "FAILURE", "SKIPPED"}, job.state
        return job


HARD = 13
"""A seed in which a file takes the place of a directory that something else has to leave first."""
LIKE = 34
"""A seed in which one of two symlinks of the same length and mtime is renamed."""
SEEDS = range(int(os.environ.get("MIRRORS_FROM", "0")), int(os.environ.get("MIRRORS", "6")))


@pytest.mark.parametrize("seed", sorted({*SEEDS, HARD, LIKE}))
def test_after_each_run_that_ends_well_the_destination_is_the_source(seed: int, tmp_path: Path, two_sites) -> None:
    Workflow.objects.filter(name="mirror").delete()
    Workflow.objects.create(**MIRROR)
    with Mirrored(tmp_path, seed) as agent:
        person = Person(agent.projects(), random.Random(seed))
        for round_ in range(4):
            person.told.clear()
            before = looked(agent.projects())
            person.work(4 if round_ else 25)
            job = agent.mirrored()
            told = f"round {round_}: {before}\n{person.told}\n{job.state}"
            assert (job.numfailedfiles, job.numabortedfiles) == (0, 0), f"{told}\n{unwell(job)}"
            assert looked(agent.projects("dublin")) == looked(agent.projects()), told
            assert modes(agent.projects("dublin")) == modes(agent.projects()), told


def unwell(job: Job) -> list[str]:
    """Return what did not go well, and why."""
    notes = [note for state in (FileState.FAILED, FileState.ABORTED) for note in JobFiles(job, state)]
    return [f"{note.step} {note.outcome.entry} {note.outcome.reason}" for note in notes]


class Hindered(Mirrored):
    """Somebody uses the file of that name at dublin when it is to be moved."""

    used = b""

    def do(self, order: Order) -> None:
        if order.step.endswith("move_paths_on_gpfs") and self.used:
            used = [entry for entry in order.entries if entry.path.endswith(self.used)]
            rest = msgspec.structs.replace(order, entries=tuple(set(order.entries) - set(used)))
            lease = Lease(order.task, 1, asked_at=now(), seconds=order.lease)
            site = OrderSite.of(self.places[order.site], rest, lease)
            report = run(rest, site, self.delivery, self.pool)
            aborted = tuple(Outcome.of_error(entry, Busy("is in use")) for entry in used)
            self.delivery.report(msgspec.structs.replace(report, outcomes=(*report.outcomes, *aborted)))
        else:
            super().do(order)


@pytest.fixture
def _mirror(two_sites) -> None:
    Workflow.objects.filter(name="mirror").delete()
    Workflow.objects.create(**MIRROR)


def last_snapshot(agent: Mirrored) -> str:
    (last,) = agent.roots["london"].glob(".rotate/*lastsnap*")
    return last.read_text()


@pytest.mark.usefixtures("_mirror")
def test_a_file_of_a_year_that_64_bits_do_not_reach_is_mirrored_once(tmp_path: Path) -> None:
    with Mirrored(tmp_path, 1) as agent:
        here, there = agent.projects(), agent.projects("dublin")
        for content in ("first", "second"):
            (here / "far").write_text(content)
            os.utime(here / "far", (15_000_000_000, 15_000_000_000))
            job = agent.mirrored()
            assert (job.state, job.numabortedfiles) == ("SUCCESS", 0), unwell(job)
            assert (there / "far").read_text() == content
            assert agent.mirrored().state == "SKIPPED"


@pytest.mark.usefixtures("_mirror")
def test_what_a_run_leaves_undone_is_not_made_up_for_before_it_changes_again(tmp_path: Path) -> None:
    with Hindered(tmp_path, 1) as agent:
        here, there = agent.projects(), agent.projects("dublin")
        for name in ("one", "two", "gone"):
            (here / name).write_text(name)
        assert agent.mirrored().state == "SUCCESS"
        first = last_snapshot(agent)
        (here / "one").rename(here / "uno")
        (here / "two").rename(here / "due")
        (here / "gone").unlink()
        agent.used = b"/due"
        job = agent.mirrored()
        assert (job.state, job.numabortedfiles) == ("SUCCESS", 1), unwell(job)
        assert last_snapshot(agent) > first
        agent.used = b""
        assert agent.mirrored().state == "SKIPPED"
        assert sorted(looked(there)) == ["two", "uno"]
        (here / "due").write_text("changed")
        job = agent.mirrored()
        assert (job.state, job.numprocessedfiles, job.numabortedfiles) == ("SUCCESS", 1, 0), unwell(job)
        assert looked(there) == looked(here) | {"two": b"two"}


@pytest.mark.usefixtures("_mirror")
def test_what_is_found_again_since_something_was_undone_is_not_done_again(tmp_path: Path) -> None:
    with Hindered(tmp_path, 1) as agent:
        here, there = agent.projects(), agent.projects("dublin")
        for name in ("a", "b", "d", "e", "f"):
            (here / name).mkdir()
            (here / name / "in").write_text(name)
        for name in ("x", "y", "two"):
            (here / name).write_text(name * 3)
        fields = {"snapdiff_rotate_on_error": False}
        assert agent.ran("mirror", fields=fields).state == "SUCCESS"
        first = last_snapshot(agent)
        for one, other in (("a", "b"), ("x", "y"), ("d", "e")):
            (here / one).rename(here / "aside")
            (here / other).rename(here / one)
            (here / "aside").rename(here / other)
        (here / "two").rename(here / "due")
        agent.used = b"/due"
        for _ in range(3):
            job = agent.ran("mirror", fields=fields)
            assert (job.state, job.numabortedfiles) == ("SUCCESS", 1), unwell(job)
            assert last_snapshot(agent) == first
            left = looked(here)
            left["two"] = left.pop("due")
            assert looked(there) == left
        agent.used = b""
        job = agent.ran("mirror", fields=fields)
        assert (job.state, job.numprocessedfiles, job.numskippedfiles) == ("SUCCESS", 1, 6), unwell(job)
        assert looked(there) == looked(here)
        assert last_snapshot(agent) > first


@pytest.mark.usefixtures("_mirror")
def test_what_nobody_can_look_into_keeps_no_run_from_going_on(tmp_path: Path) -> None:
    with Mirrored(tmp_path, 1) as agent:
        here, there = agent.projects(), agent.projects("dublin")
        (here / "hidden").mkdir()
        for name in ("a", "b", "c", "d"):
            (here / name).write_text(name * ord(name))
        assert agent.mirrored().state == "SUCCESS"
        subprocess.run(["mount", "-t", "tmpfs", "none", here / "hidden"], check=True)
        try:
            (here / "c").unlink()
            for old, new in (("a", "t"), ("b", "a"), ("t", "b")):
                (here / old).rename(here / new)
            job = agent.mirrored()
            assert (job.state, job.numabortedfiles) == ("SUCCESS", 1), unwell(job)
            assert looked(there) == looked(here) | {"c": b"c" * ord("c")}
            assert agent.mirrored().state == "SKIPPED"
            (here / "d").unlink()
            job = agent.mirrored()
            assert (job.state, job.numabortedfiles) == ("SUCCESS", 0), unwell(job)
            assert sorted(looked(there)) == ["a", "b", "c", "hidden"]
        finally:
            subprocess.run(["umount", here / "hidden"], check=True)


SAVES_IN_RENAMED = {
    "a directory renamed": [("d", "e"), ("e/x", "e/y")],
    "over where a file was": [("f", "g"), ("d", "f"), ("f/x", "f/y")],
    "two swapped": [("d", "t"), ("e", "d"), ("t", "e"), ("e/x", "e/y")],
    "two swapped, from the other": [("d", "t"), ("e", "d"), ("t", "e"), ("d/z", "e/y")],
}


@pytest.mark.usefixtures("_mirror")
@pytest.mark.parametrize("name", SAVES_IN_RENAMED)
def test_what_was_saved_in_a_renamed_directory_takes_the_place_of_what_came_along(name: str, tmp_path: Path) -> None:
    with Mirrored(tmp_path, 1) as agent:
        here, there = agent.projects(), agent.projects("dublin")
        for path in ("d/x", "d/y", "f", *(("e/y", "e/z") if "swapped" in name else ())):
            (here / path).parent.mkdir(exist_ok=True)
            (here / path).write_text(path)
        assert agent.mirrored().state == "SUCCESS"
        for old, new in SAVES_IN_RENAMED[name]:
            (here / old).rename(here / new)
        job = agent.mirrored()
        assert (job.state, job.numabortedfiles) == ("SUCCESS", 0), unwell(job)
        assert looked(there) == looked(here)


INTO_WHAT_HAS_THE_NAME_OF_A_SYMLINK = {
    "itself": ("mkdir c; ln -s t2 d; echo x > c/x", "mv c t; mv d c; mkdir d; mv t d/b"),
    "with another": (
        "mkdir c b; ln -s t2 d; echo x > c/x",
        "mv b c/b; mv c t; mv d c; mkdir -p d/c; mv t d/c/b",
    ),
    "below a directory": ("mkdir c; ln -s c d; echo x > c/x", "mv c t; mv d c; mkdir -p d/e; mv t d/e/b"),
}


@pytest.mark.usefixtures("_mirror")
@pytest.mark.parametrize("name", INTO_WHAT_HAS_THE_NAME_OF_A_SYMLINK)
def test_what_moves_below_the_name_of_a_symlink_that_moves_gets_there(name: str, tmp_path: Path) -> None:
    with Mirrored(tmp_path, 1) as agent:
        here, there = agent.projects(), agent.projects("dublin")
        for deeds in INTO_WHAT_HAS_THE_NAME_OF_A_SYMLINK[name]:
            subprocess.run(deeds, shell=True, cwd=here, check=True)
            job = agent.mirrored()
            assert (job.state, job.numabortedfiles) == ("SUCCESS", 0), unwell(job)
            assert looked(there) == looked(here)


@pytest.mark.usefixtures("_mirror")
@pytest.mark.parametrize("saved", ["a", "b", "c"])
def test_what_may_be_done_with_a_file_is_carried_under_all_its_names(saved: str, tmp_path: Path) -> None:
    with Mirrored(tmp_path, 1) as agent:
        here, there = agent.projects(), agent.projects("dublin")
        (here / "a").write_text("a")
        for name in ("b", "c"):
            (here / name).hardlink_to(here / "a")
        assert agent.mirrored().state == "SUCCESS"
        first, second = (here / name for name in "abc" if name != saved)
        (here / "new").write_text("another")
        (here / "new").rename(here / saved)
        first.rename(here / "d")
        (here / "e").hardlink_to(second)
        second.chmod(0o755)
        assert agent.mirrored().state == "SUCCESS"
        assert looked(there) == looked(here)
        assert modes(there) == modes(here)
