"""Whatever others do to a file between two steps of a verb, neither what it held nor what they wrote is lost."""

import os
import random
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from argosy.core.outcome import Outcome
from argosy.core.paths import display
from argosy.core.states import FileState
from tests.argosy_up import until
from tests.verbs.actors import ACTORS, Actor, Mapper, Newcomer, Remover, Replacer, Restorer, SecondVerb, Toucher
from tests.verbs.agents import Call, Location, Server, call
from tests.verbs.evidence import Sight, leftovers, shelved
from tests.verbs.scenarios import carried, write

MIGRATE = ("hash", "put", "recheck", "xattr", "lease", "mark", "punch")
RECALL = ("partial_write", "fetch", "hash_check", "unmark")
ARRIVE = ("stage", "fetch", "hash_check", "unmark", "publish", "trash")
COMING = b"what comes instead" * 5000
LEASED = {"lease", "mark", "punch"}
SIZE = 100_000
ENDS = {FileState.PROCESSED, FileState.SKIPPED, FileState.ABORTED}


def grown(london: Location) -> list[Actor]:
    """Return somebody for each file, which is there."""
    actors = []
    for number, kind in enumerate(ACTORS):
        path, old = london.tree / kind.__name__ / "f", random.Random(number).randbytes(SIZE)
        path.parent.mkdir()
        write(path, old, mtime_ns=10**18)
        actors.append(kind(path, old))
    return actors


def verb_on(step: str, **options: Any) -> Callable[[Sequence[Actor]], Call]:
    """Return what makes a call of the files of some."""
    return lambda actors: call(step, *(actor.path for actor in actors), **options)


def raced(
    london: Location, verb: Callable[[Sequence[Actor]], Call], point: str, actors: list[Actor], *, closed: bool = False
) -> list[Outcome]:
    """Have each act while the verb waits at the point with his file; `closed`: with those that are not kept open."""
    for actor in actors:
        actor.begin()
    london.do(call("stat_paths"))  # the agent's directory is there; what follows stands for threads of one agent
    agents = [
        london.begin(verb([actor]), failpoints=f"hsm:{point}=pause", chunk=32 << 10, sweeps=False) for actor in actors
    ]
    for actor, agent in zip(actors, agents, strict=True):
        if not (closed and actor.keeps_open):
            agent.until(partial(agent.hits, f"hsm:{point}"))
        if isinstance(actor, SecondVerb):
            actor.agent = london.begin(verb([actor]), sweeps=False)
        actor.thread.start()
    until(lambda: all(not actor.thread.is_alive() or actor.waits() for actor in actors), what="all have acted")
    for agent in agents:
        agent.go(f"hsm:{point}")
    outcomes = [agent.wait().outcomes[0] for agent in agents]
    for actor in actors:
        actor.end()
        if isinstance(actor, SecondVerb):
            outcomes += actor.agent.wait().outcomes
    london.learn()
    return outcomes


def make_whole(london: Location, actors: list[Actor]) -> None:
    """Recall what is a stub; what somebody wrote to while it was one is put beside it, and then it is one again."""
    paths = [actor.where for actor in actors if actor.where.exists()]
    for _ in range(2):
        outcomes = london.do(call("recall", *paths))
    assert {outcome.state for outcome in outcomes} <= {FileState.PROCESSED, FileState.SKIPPED}, outcomes


def check(london: Location, actors: list[Actor], outcomes: list[Outcome]) -> None:
    make_whole(london, actors)
    for actor in actors:
        actor.check()
    for outcome in outcomes:
        assert outcome.state in ENDS or outcome.error in {"corrupt", "stub_written", "object_gone", "not_found"}, (
            f"{display(outcome.entry.path)}: {outcome.reason}"
        )
    assert leftovers(london) == []


@pytest.mark.parametrize("point", MIGRATE)
def test_nobody_loses_anything_while_a_file_is_migrated(agents: Server, tmp_path: Path, point: str) -> None:
    london = Location(agents, tmp_path, tmp_path)
    actors = grown(london)
    outcomes = raced(london, verb_on("migrate"), point, actors, closed=point in LEASED)
    states = dict(zip((kind.__name__ for kind in ACTORS), (outcome.state for outcome in outcomes), strict=False))
    assert {states["OpenWriter"], states["Mapper"]} == {FileState.ABORTED}
    assert states["Remover"] is FileState.ABORTED
    if point not in LEASED:
        (newcomer,) = (outcome for outcome in outcomes if b"Newcomer" in outcome.entry.path)
        assert (newcomer.state, "another file has its name" in newcomer.reason) == (FileState.ABORTED, True)
    if point in {"hash", "put"}:
        assert {states[name] for name in ("LateWriter", "Appender", "Truncater", "Replacer", "Remover")} == {
            FileState.ABORTED
        }
    check(london, actors, outcomes)
    if point not in {"mark", "punch"}:  # from then on the file is what it was when its mark was written
        toucher = next(actor for actor in actors if isinstance(actor, Toucher))
        assert toucher.path.stat().st_mtime_ns == Toucher.MTIME_NS


@pytest.mark.parametrize("point", ["hash", "put", "recheck"])
def test_a_copy_of_what_others_change_meanwhile_is_not_taken_for_the_file(
    agents: Server, tmp_path: Path, point: str
) -> None:
    london = Location(agents, tmp_path, tmp_path)
    actors = grown(london)
    outcomes = raced(london, verb_on("migrate", premigrate=True), point, actors)
    for actor, outcome in zip(actors, outcomes, strict=False):
        noticed = (actor.changes or isinstance(actor, Toucher)) and type(actor) not in {Mapper, Restorer}
        if point != "recheck":
            expected = {FileState.ABORTED if noticed or isinstance(actor, Remover) else FileState.PROCESSED}
            if isinstance(actor, Mapper):
                expected.add(FileState.ABORTED)  # its next write shows once anybody has the filesystem synced
            assert outcome.state in expected, f"{type(actor).__name__}: {outcome.reason}"
    check(london, actors, outcomes)


@pytest.mark.parametrize("point", RECALL)
def test_nobody_loses_anything_while_a_file_is_recalled(agents: Server, tmp_path: Path, point: str) -> None:
    london = Location(agents, tmp_path, tmp_path)
    actors = grown(london)
    london.do(call("migrate", *(actor.path for actor in actors)))
    outcomes = raced(london, verb_on("recall"), point, actors, closed=True)
    states = dict(zip((kind.__name__ for kind in ACTORS), (outcome.state for outcome in outcomes), strict=False))
    assert states["Remover"] is FileState.ABORTED
    assert {states[name] for name in ("Renamer", "Newcomer", "Linker")} == {FileState.PROCESSED}
    check(london, actors, outcomes)


def test_a_stub_that_is_open_is_not_recalled_beside_whoever_has_it_open(agents: Server, tmp_path: Path) -> None:
    london = Location(agents, tmp_path, tmp_path)
    actors = grown(london)
    london.do(call("migrate", *(actor.path for actor in actors)))
    with ExitStack() as readers:
        for actor in actors:
            readers.enter_context(actor.path.open("rb"))
        outcomes = london.do(verb_on("recall")(actors))
    assert {(outcome.state, outcome.error) for outcome in outcomes} == {(FileState.ABORTED, "busy")}
    for actor in actors:
        assert Sight(actor.path).is_clean_stub


def arriving(agents: Server, tmp_path: Path) -> tuple[Location, list[Actor], Callable[[Sequence[Actor]], Call]]:
    """Return a site, somebody for each file there, and what brings others in the places of their files."""
    london, dublin = (Location(agents, tmp_path, tmp_path, name) for name in ("london", "dublin"))
    actors = grown(london)
    for actor in actors:
        path = dublin.tree / actor.path.relative_to(london.tree)
        path.parent.mkdir()
        write(path, COMING + type(actor).__name__.encode())
    copied = dublin.do(call("migrate", *sorted(dublin.tree.glob("*/f")), premigrate=True))
    entries = {os.fsdecode(entry.path): entry for entry in carried(copied, dublin, london)}

    def verb(some: Sequence[Actor]) -> Call:
        return call("reverse_stub", *(entries[str(actor.path)] for actor in some), overwrite=True, hydrate=True)

    return london, actors, verb


@pytest.mark.parametrize("point", ARRIVE)
def test_nobody_loses_anything_while_another_file_takes_the_place_of_his(
    agents: Server, tmp_path: Path, point: str
) -> None:
    london, actors, verb = arriving(agents, tmp_path)
    was = {actor: actor.old for actor in actors}
    there = point in {"publish", "trash"}
    if there:
        for actor in actors:
            if not actor.keeps_open:
                actor.old = COMING + type(actor).__name__.encode()
    outcomes = raced(london, verb, point, actors, closed=there)
    replaced = shelved(london, "versions")
    for actor in actors:
        coming = COMING + type(actor).__name__.encode()
        found = actor.where.read_bytes() if actor.where.exists() else b""
        if isinstance(actor, Newcomer | Remover):
            assert was[actor] in {found, *replaced} or isinstance(actor, Remover)
            continue
        assert actor.new() in {found, *replaced}, f"{type(actor).__name__}: what was written is nowhere"
        assert not there or actor.keeps_open or was[actor] in replaced, (
            f"{type(actor).__name__}: what was there is lost"
        )
        assert found in {coming, actor.new()}, f"{type(actor).__name__}: the file holds what nobody wrote"
    assert [(outcome.state, outcome.reason) for outcome in outcomes if outcome.state not in ENDS] == []
    assert leftovers(london) == []


@pytest.mark.parametrize(
    ("hydrate", "point"), [(False, "stage"), *((True, point) for point in ("stage", "fetch", "hash_check", "unmark"))]
)
def test_what_appears_while_a_file_arrives_stays(agents: Server, tmp_path: Path, point: str, hydrate: bool) -> None:
    london, actors, verb = arriving(agents, tmp_path)
    actor = next(actor for actor in actors if isinstance(actor, Replacer))
    actor.path.unlink()
    order = msgspec.structs.replace(verb([actor]), options={"hydrate": hydrate})
    agent = london.begin(order, failpoints=f"hsm:{point}=pause")
    agent.until(lambda: agent.hits(f"hsm:{point}"))
    actor.act()
    agent.go(f"hsm:{point}")
    (outcome,) = agent.wait().outcomes
    assert outcome.state is FileState.ABORTED
    assert actor.path.read_bytes() == actor.new()
    assert leftovers(london) == []


@pytest.mark.parametrize(("what", "overwrite"), [("file", True), ("directory", True), ("directory", False)])
def test_what_is_moved_away_while_a_file_arrives_stays_as_it_is(
    agents: Server, tmp_path: Path, what: str, overwrite: bool
) -> None:
    london, actors, verb = arriving(agents, tmp_path)
    actor = next(actor for actor in actors if isinstance(actor, Replacer))
    elsewhere = london.tree / "elsewhere"
    order = msgspec.structs.replace(verb([actor]), options={"hydrate": True, "overwrite": overwrite})
    if not overwrite:
        actor.path.unlink()
    agent = london.begin(order, failpoints="hsm:unmark=pause")
    agent.until(lambda: agent.hits("hsm:unmark"))
    (actor.path if what == "file" else actor.path.parent).rename(elsewhere)
    agent.go("hsm:unmark")
    (outcome,) = agent.wait().outcomes
    assert outcome.state is FileState.ABORTED
    assert not actor.path.exists()
    left = [path.read_bytes() for path in (elsewhere, *elsewhere.glob("f")) if path.is_file()]
    assert left == ([actor.old] if overwrite else [])
    assert leftovers(london) == []
