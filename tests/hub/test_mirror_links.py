"""The mirror of the manual, where files have further names (hard links)."""

import subprocess
from pathlib import Path

import pytest

from argosy.hub.workflows.models import Workflow
from tests.hub.test_mirror import Mirrored, unwell
from tests.mirroring import MIRROR, looked

HISTORIES = {
    "one name leaves, another is replaced": ("echo h > h1; ln h1 h2; echo nn > n", "mv h1 x; mv n h2"),
    "one name goes, the other is swapped": ("echo h > h1; ln h1 h2; echo nn > n", "rm h1; mv h2 t; mv n h2; mv t n"),
    "the other goes, the first is swapped": ("echo h > h1; ln h1 h2; echo nn > n", "rm h2; mv h1 t; mv n h1; mv t n"),
    "one goes with its directory, the other is swapped": (
        "mkdir d; echo h > h1; ln h1 d/h2; echo nn > n",
        "rm -r d; mv h1 t; mv n h1; mv t n",
    ),
    "one came along with its directory": (
        "mkdir d; echo h > d/h2; ln d/h2 h1; echo nn > n",
        "mv d e; mv n e/h2; mv h1 x",
    ),
    "all names of two files are shifted": (
        "echo h > a; ln a b; ln a c; echo nn > n; ln n m",
        "mv n t; mv a n; mv m a; mv b m; mv t b; mv c z",
    ),
    "two of three are replaced": ("echo h > a; ln a b; ln a c; echo n > n; echo mm > m", "mv n a; mv m b; mv c d"),
}


@pytest.fixture
def _mirror(two_sites) -> None:
    Workflow.objects.filter(name="mirror").delete()
    Workflow.objects.create(**MIRROR)


@pytest.mark.usefixtures("_mirror")
@pytest.mark.parametrize("name", HISTORIES)
def test_what_moves_do_to_the_further_names_of_a_file_holds_up_no_other_move(name: str, tmp_path: Path) -> None:
    with Mirrored(tmp_path, 1) as agent:
        here, there = agent.projects(), agent.projects("dublin")
        for deeds in HISTORIES[name]:
            subprocess.run(deeds, shell=True, cwd=here, check=True)
            job = agent.mirrored()
            assert (job.state, job.numabortedfiles) == ("SUCCESS", 0), unwell(job)
            assert looked(there) == looked(here)
