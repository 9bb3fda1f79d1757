"""What fields of a definition can be: names of sites and datastores that there are, choices where they are read."""

import re

import pytest

from argosy.hub.workflows.models import Workflow
from tests.hub.fake import start
from tests.hub.test_workflow_definitions import STAT, A, definition, field, rule, wrong

pytestmark = pytest.mark.usefixtures("two_sites")


@pytest.fixture(autouse=True)
def _own_ones_go():
    yield
    Workflow.objects.filter(installed__isnull=True).delete()


P = {"label": "P", "value": "paris"}


@pytest.mark.parametrize(
    ("kind", "more"),
    [("string", {"default": "paris"}), ("string", {"default": ""}), ("choices", {"choices": [P]})],
)
def test_a_field_that_can_name_what_is_no_site_or_datastore_is_refused_when_it_is_made(api, kind, more):
    one = field(kind, **more)
    said = wrong(api, definition(rule(STAT | {"site": "*f"}), fields=[one]))["filter_rules[0].action[0].site"]
    assert re.match("field 'f' can be that: unknown site '(paris)?': known are dublin, london", said)
    recall = {"name": "dynamo.tasks.recall", "endpoint": "*f"}
    said = wrong(api, definition(rule(recall), fields=[one]))["filter_rules[0].action[0].endpoint"]
    assert re.match("field 'f' can be that: unknown datastore '(paris)?': known are cloud", said)


def test_a_datastore_that_there_is_not_is_refused_and_one_that_there_is_is_taken(api):
    recall = {"name": "dynamo.tasks.recall", "endpoint": "nowhere"}
    found = wrong(api, definition(rule(recall)))
    assert found == {"filter_rules[0].action[0].endpoint": "unknown datastore 'nowhere': known are cloud"}
    good = [field(default="cloud"), field(name="g")]
    rules = [rule(recall | {"endpoint": name}) for name in ("cloud", "*f", "*g")]
    assert api.post("/api/workflows/", definition(*rules, fields=good)).status_code == 201


@pytest.mark.parametrize("kind", ["string", "int", "bool", "enum[site]", "list"])
def test_choices_are_for_fields_of_that_type_alone(api, agent, kind):
    one = field(kind, choices=[A])
    said = wrong(api, definition(fields=[one]))["fields[0].choices"]
    assert said.startswith(f"a field of type {kind} offers no choices: make it one of type choices")
    assert api.post("/api/workflows/", definition(fields=[one | {"choices": []}])).status_code == 201
    Workflow.objects.filter(name="mine").update(fields=[one | {"default": None}])
    assert start("mine").pk  # as it was made before
