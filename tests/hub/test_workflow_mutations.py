"""A definition with one slip, wherever it is and whatever slipped in: taken or refused with its place, never broken."""

import json
from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from django.db import transaction

from argosy.hub.workflows.models import Workflow

pytestmark = pytest.mark.usefixtures("two_sites")

WHOLE = {
    "name": "mine", "label": "Mine", "icon_classes": ["fa fa-cloud"], "discovery": "recursive", "enabled": True,
    "discovery_options": {"skip_missing": True}, "visible": True, "schedule_only": False, "allow_missing_paths": False,
    "filter_rules": [
        {
            "state": "all", "type": "all", "include": ["*"], "exclude": ["*.x"], "ignore_site_includes": False,
            "description": "d",
            "action": [
                {"name": "dynamo.tasks.migrate", "site": "*s", "lock_level": "*l", "stub_size": "*i"},
                {
                    "name": "dynamo.tasks.move_paths_on_gpfs",
                    "source_missing_signature": {"name": "dynamo.tasks.reverse_stub", "hydrate": "*b"},
                },
            ],
        },
    ],
    "fields": [
        {
            "name": "l", "label": "L", "type": "choices", "default": "partial",
            "choices": [{"label": "P", "value": "partial"}, {"label": "I", "value": "implicit"}],
        },
        {"name": "b", "label": "B", "type": "bool", "default": True},
        {"name": "s", "label": "S", "type": "enum[site]", "default": "dublin"},
        {"name": "i", "label": "I", "type": "int", "default": 1},
        {"name": "t", "label": "T", "type": "string", "default": "x"},
        {"name": "li", "label": "LI", "type": "list", "default": ["a", 1]},
    ],
}  # fmt: skip
"""A definition that says all that definitions can say."""
DEEP: Any = []
for _ in range(200):
    DEEP = [{"name": DEEP}]
SLIPS = (
    None, True, 2**64, 1e308, "", "*nowhere", "a\0b", [], {}, [2**64], {"name": "dynamo.tasks.stat_paths"},
    [{"label": "A", "value": 2**64}], DEEP,
)  # fmt: skip


def places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield where something stands in a value of JSON, but for the whole of it."""
    within = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in within:
        yield (*place, key)
        yield from places(item, (*place, key))


def mutated(place: tuple[Any, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the definition without what is at the place, with something else there, and with something more."""
    for said, slip in [("left out", ...), *((f"{slip!r:.60}", slip) for slip in SLIPS)]:
        whole = deepcopy(WHOLE)
        holder: Any = whole
        for key in place[:-1]:
            holder = holder[key]
        if slip is ...:
            del holder[place[-1]]
        else:
            holder[place[-1]] = slip
        yield said, whole


@pytest.fixture(autouse=True)
def _own_ones_go():
    yield
    Workflow.objects.filter(installed__isnull=True).delete()


def test_the_definition_without_a_slip_is_taken(api):
    made = api.post("/api/workflows/", WHOLE)
    assert made.status_code == 201, made.content


@pytest.mark.parametrize("part", WHOLE)
def test_a_definition_with_one_slip_is_taken_or_refused_with_the_place(api, part):
    answers: Counter[int] = Counter()
    with transaction.atomic():  # one for all of them: what was made is seen by nobody, and gone afterwards
        for place in [(part,), *places(WHOLE[part], (part,))]:
            for said, whole in mutated(place):
                answer = api.post("/api/workflows/", json.dumps(whole), content_type="application/json")
                assert answer.status_code in (201, 400), (place, said, answer.content)
                assert answer.status_code == 201 or answer.json()["errors"], (place, said, answer.content)
                answers[answer.status_code] += 1
                Workflow.objects.filter(installed__isnull=True).delete()
        transaction.set_rollback(True)
    assert answers[400] > 0


def test_a_field_that_lost_its_name_is_refused_where_it_is_changed_too(api):
    number = api.post("/api/workflows/", WHOLE).json()["id"]
    fields = [
        {"label": "L", "type": "int", "default": 1},
        {"name": "l", "label": "L", "type": "choices", "choices": 2**64},
    ]
    for method in (api.patch, api.put):
        answer = method(f"/api/workflows/{number}/", {**WHOLE, "fields": fields})
        assert answer.status_code == 400, answer.content
        assert {"fields[0].name", "fields[1].choices"} <= set(answer.json()["errors"])
