"""Rooms: what other distributions bring is loaded where it harms nobody, and checked before anybody has it."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from argosy.core import others
from argosy.core.errors import Invalid
from argosy.core.options import misfits, parse
from argosy.core.room import Room
from argosy.steps.base import CUSTOM, STEPS, Batched, Step
from tests.installed import install

HEAD = """
import sys, time
from dataclasses import dataclass, field
from typing import Annotated
import msgspec

class Odd(BaseException):
    def __str__(self):
        raise RuntimeError("no words")
"""


def step(fields: str = "", *, doc: str = "'A step.'", apply: str = "def apply(self, entry, site): ...") -> str:
    return f"{HEAD}@dataclass(kw_only=True)\nclass S:\n    __doc__ = {doc}\n    {fields or 'pass'}\n    {apply}\n"


@pytest.fixture
def room() -> Room[Any]:
    return Room("argosy.steps", noun="step", prefix="dynamo.tasks.", custom=CUSTOM, contract=(Step, Batched))


def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, distribution: str, **modules: str) -> None:
    points = {"argosy.steps": {name: f"{name}:S" for name in modules}}
    monkeypatch.syspath_prepend(install(tmp_path / distribution, distribution, modules, points))


@pytest.mark.parametrize(
    ("name", "source", "why"),
    [
        ("quits", "import sys\nsys.exit(4)", "SystemExit: 4"),
        ("interrupts", "raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("odd", f"{HEAD}raise Odd", "Odd"),
        ("raw", "raise RuntimeError('caf\\udce9')", "RuntimeError: caf\ufffd"),
        ("default_no_json", step("n: int = object()"), "TypeError"),
        ("default_no_number", step("n: float = float('nan')"), "ValueError"),
        ("default_breaks", step("n: list = field(default_factory=lambda: 1 / 0)"), "ZeroDivisionError"),
        ("raw_help", step("n: Annotated[int, '\\udcff'] = 1"), "UnicodeEncodeError"),
        ("raw_doc", step(doc="'\\udcff'"), "UnicodeEncodeError"),
        ("number_for_doc", step(doc="7"), "TypeError: .* is no text"),
        ("number_for_method", step(apply="apply: int = 3"), "has none of the methods"),
    ],
)
def test_one_that_cannot_be_used_is_told_of_and_takes_nothing_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: Room[Any], name: str, source: str, why: str
) -> None:
    installed(tmp_path, monkeypatch, f"bad-{name.replace('_', '-')}", **{name: source, f"{name}_fine": step()})
    assert CUSTOM + f"{name}_fine" in room.names()
    assert CUSTOM + name not in room.names()
    with pytest.raises(Invalid, match=rf"step dynamo.custom.{name} of bad-.* cannot be used: .*{why}"):
        room.get(CUSTOM + name)
    (told,) = (said for broken, said in room.broken().items() if broken == CUSTOM + name)
    told.encode()


def test_those_that_are_never_loaded_are_waited_for_together_and_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: Room[Any]
) -> None:
    monkeypatch.setattr(others, "PATIENCE", 0.3)
    hangs = "import threading\nthreading.Event().wait(60)"
    names = {f"hangs{number}": hangs for number in range(5)}
    installed(tmp_path, monkeypatch, "hanging-steps", **names, calm=step())
    began = time.monotonic()
    assert CUSTOM + "calm" in room.names()
    assert {name for name, why in room.broken().items() if "not loaded within 0.3 s" in why} == {
        CUSTOM + name for name in names
    }
    assert time.monotonic() - began < 1.4, "five that hang are waited for no longer than one"
    assert sum(thread.name.startswith("load-hangs") for thread in threading.enumerate()) == len(names)


def test_those_that_are_still_being_loaded_keep_nobody_who_asks_for_all_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: Room[Any]
) -> None:
    monkeypatch.setattr(others, "GLANCE", 0.2)
    gate = tmp_path / "gate"
    wait = f"import pathlib, time\nwhile not pathlib.Path({str(gate)!r}).exists(): time.sleep(0.01)\n"
    installed(tmp_path, monkeypatch, "late-steps", late=wait + step(), ready=step())
    began = time.monotonic()
    assert [name for name in room.names() if name.startswith(CUSTOM)] == [CUSTOM + "ready"]
    assert "is still being loaded" in room.broken()[CUSTOM + "late"]
    with pytest.raises(Invalid, match="unknown step"):
        room.get("dynamo.tasks.nothing")
    assert time.monotonic() - began < others.PATIENCE / 4
    threading.Timer(0.2, gate.touch).start()
    assert room.get(CUSTOM + "late").__name__ == "S", "who asks for it by name waits for it"


def test_one_that_was_slow_to_load_can_be_used_once_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: Room[Any]
) -> None:
    monkeypatch.setattr(others, "PATIENCE", 0.05)
    gate = tmp_path / "gate"
    wait = f"import pathlib, time\nwhile not pathlib.Path({str(gate)!r}).exists(): time.sleep(0.01)\n"
    installed(tmp_path, monkeypatch, "slow-steps", slow=wait + step())
    assert CUSTOM + "slow" not in room.names()
    gate.touch()
    (load,) = room._others._loads.values()
    load.join(10)
    assert room.get(CUSTOM + "slow").__name__ == "S"
    assert room.broken() == {}


def test_two_distributions_with_a_step_of_the_same_name_are_both_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: Room[Any]
) -> None:
    installed(tmp_path, monkeypatch, "first-steps", twin=step())
    installed(tmp_path, monkeypatch, "second-steps", twin=step())
    said = "step dynamo.custom.twin of first-steps and second-steps cannot be used: they have entry points of the same"
    assert room.broken()[CUSTOM + "twin"].startswith(said)
    with pytest.raises(Invalid, match=said):
        room.get(CUSTOM + "twin")


def test_an_entry_point_whose_name_no_step_can_have_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: Room[Any]
) -> None:
    points = {"argosy.steps": {"my-step": "mine:S"}}
    monkeypatch.syspath_prepend(install(tmp_path, "dashing-steps", {"mine": step()}, points))
    assert "step dynamo.custom.my-step of dashing-steps cannot be used: a name is" in str(room.broken())
    assert CUSTOM + "my-step" not in room.names()


def test_limits_of_an_option_need_no_words_before_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: Room[Any]
) -> None:
    fields = "n: Annotated[int, msgspec.Meta(ge=1)] = 1"
    installed(tmp_path, monkeypatch, "wordless-steps", wordless=step(fields))
    assert misfits(room.get(CUSTOM + "wordless"), {"n": 0}, noun="it") == {"n": "Expected `int` >= 1"}


@pytest.mark.parametrize(
    ("raises", "said"),
    [("raise KeyError('post')", "KeyError: 'post'"), ("sys.exit(9)", "SystemExit: 9"), ("raise Odd", "Odd")],
)
def test_a_class_that_breaks_on_its_options_refuses_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: Room[Any], raises: str, said: str
) -> None:
    name = "post" + "".join(filter(str.isalpha, raises)).lower()
    installed(tmp_path, monkeypatch, f"{name}-steps", **{name: step(apply=f"""def __post_init__(self): {raises}
    def apply(self, entry, site): ...""")})  # fmt: skip
    with pytest.raises(Invalid, match=f"step it: {said}"):
        parse(room.get(CUSTOM + name), {}, noun="step it")


def test_a_name_that_was_meant_comes_first() -> None:
    with pytest.raises(
        Invalid, match=r"unknown step 'dynamo.tasks.migarte': did you mean dynamo.tasks.migrate\? known"
    ):
        STEPS.get("dynamo.tasks.migarte")
    with pytest.raises(Invalid, match="unknown step 'nothing-like-it': known are"):
        STEPS.get("nothing-like-it")


@pytest.mark.parametrize(
    ("given", "meant"), [("dynamo.tasks.stat", "stat_paths"), ("migrate", "migrate"), ("reverse_stub", "reverse_stub")]
)
def test_a_name_cut_short_or_without_what_stands_before_it_is_known_for_what_was_meant(given: str, meant: str) -> None:
    from argosy.steps.base import STEPS

    with pytest.raises(Invalid, match=rf"did you mean dynamo\.tasks\.{meant}\?"):
        STEPS.get(given)
