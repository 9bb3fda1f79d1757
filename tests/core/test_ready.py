"""Types that several threads meet at once, for the first time: in a process of its own, which died of it."""

import subprocess
import sys

import pytest

RACE = """
import dataclasses, sys, threading
from typing import Annotated
import msgspec
from argosy.core import options, wire

sys.setswitchinterval(1e-6)
FIELDS = [(f"f{n}", Annotated[int | str | None, "help"], None) for n in range(25)]

def plugin(number):
    return dataclasses.make_dataclass(f"P{number}", [(n, t, dataclasses.field(default=d)) for n, t, d in FIELDS])

def read(kind):
    options.parse(kind, {"f3": 1, "f24": "x"}, noun="step")

def shape(number):
    return msgspec.defstruct(f"S{number}", FIELDS)

def load(kind):
    wire.load(b'{"f3": 1, "f24": "x"}', kind)

make, meet = {"options": (plugin, read), "wire": (shape, load)}[sys.argv[1]]
for number in range(300):
    kind, at_once = make(number), threading.Barrier(6)
    threads = [threading.Thread(target=lambda: (at_once.wait(), meet(kind))) for _ in range(6)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
"""


@pytest.mark.parametrize("what", ["options", "wire"])
def test_threads_that_meet_a_type_for_the_first_time_all_read_it(what: str) -> None:
    done = subprocess.run([sys.executable, "-c", RACE, what], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
