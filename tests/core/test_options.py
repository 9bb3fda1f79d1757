from dataclasses import dataclass
from typing import Annotated

import pytest

from argosy.core.errors import Invalid
from argosy.core.options import options, parse, schema
from argosy.core.room import Room


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """A verb."""

    place: Annotated[str, "Where"]
    often: Annotated[int, "How often"] = 3
    gently: Annotated[bool, "Take care"] = False


def test_options_are_read_from_the_fields() -> None:
    assert [(o.name, o.help, o.required, o.default) for o in options(Verb)] == [
        ("place", "Where", True, None),
        ("often", "How often", False, 3),
        ("gently", "Take care", False, False),
    ]


def test_values_become_the_plugin() -> None:
    assert parse(Verb, {"place": "here", "gently": True}, noun="verb") == Verb(place="here", gently=True)


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({}, "place"),
        ({"place": "x", "speed": 1}, "speed"),
        ({"place": "x", "often": "3"}, "often"),
        ({"place": 1}, "place"),
    ],
)
def test_bad_values_are_refused_by_name(values: dict[str, object], named: str) -> None:
    with pytest.raises(Invalid, match=f"verb.*{named}"):
        parse(Verb, values, noun="verb")


def test_the_schema_says_what_parse_does() -> None:
    described = schema(Verb)
    assert described["required"] == ["place"]
    assert described["additionalProperties"] is False
    assert described["properties"]["often"] == {"type": "integer", "description": "How often"}


def test_a_room_knows_its_plugins_by_file_name_and_lists_them_when_asked_for_another() -> None:
    from argosy.steps.base import STEPS

    assert STEPS.get("dynamo.tasks.migrate").__name__ == "Migrate"
    assert STEPS.name_of(STEPS.get("dynamo.tasks.migrate")) == "dynamo.tasks.migrate"
    with pytest.raises(Invalid, match=r"unknown step 'nonsense'.*dynamo\.tasks\.migrate"):
        STEPS.get("nonsense")


def test_an_empty_room_says_so() -> None:
    with pytest.raises(Invalid, match="unknown thing"):
        Room[object]("argosy.core", noun="thing").get("x")
