"""Workflows, what they are made of, and what they would do."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from django.db import transaction
from django.db.models import QuerySet
from django.forms.models import model_to_dict
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.validators import UniqueValidator

from argosy.core import paths
from argosy.core.entry import Entry, Kind
from argosy.core.options import described
from argosy.discoveries.base import DISCOVERIES
from argosy.hub.common.fields import Choice, StrictSerializer, Text, expect_nothing, read_path
from argosy.hub.workflows import (
    declared,
    offered,
    openapi,  # noqa: F401 - so that the OpenAPI document knows of rules and fields
    services,
)
from argosy.hub.workflows.definition import faults
from argosy.hub.workflows.models import RESERVED, Workflow
from argosy.hub.workflows.rules import unfound
from argosy.hub.workflows.trial import Tried, tried
from argosy.steps.base import STEPS

_CHECKED_TOGETHER: Final[dict[str, Any]] = {
    "filter_rules": [], "fields": [], "discovery": None, "discovery_options": {}
}  # fmt: skip
ENDINGS = (".json", ".yaml", ".yml")
"""What names of workflows do not end in, for names of files with a definition do."""
_TAKEN = (
    "There is such a workflow already: change that one (`argosy workflow update NAME FILE`), or choose another name."
)


class RulesField(serializers.JSONField):
    """Filter rules."""


class DeclaredField(serializers.JSONField):
    """Runtime fields."""


class WorkflowSerializer(StrictSerializer, serializers.ModelSerializer[Workflow]):
    """A workflow definition. `shipped`: it comes with Argosy; `changed`: the keys in which it was changed here."""

    name = Text(max_length=255, validators=[UniqueValidator(queryset=Workflow.objects.all(), message=_TAKEN)])
    label = Text(max_length=255)  # type: ignore[assignment]  # the metaclass takes it off the class
    icon_classes = serializers.ListField(child=Text(), default=list)
    filter_rules = RulesField()
    fields = DeclaredField()  # type: ignore[assignment]  # the metaclass takes it off the class
    discovery = Text(max_length=64, allow_null=True, default=None)
    discovery_options = serializers.DictField(default=dict)
    enabled = serializers.BooleanField(default=True)
    visible = serializers.BooleanField(default=True)
    schedule_only = serializers.BooleanField(default=False)
    allow_missing_paths = serializers.BooleanField(default=False)
    shipped = serializers.BooleanField(read_only=True)
    changed = serializers.ListField(child=Text(), read_only=True)
    also_known: ClassVar[tuple[str, ...]] = ("icon",)  # older definitions have it, and it means nothing any more

    class Meta:
        """Fields."""

        model = Workflow
        fields = (
            "id", "name", "label", "icon_classes", "filter_rules", "fields", "discovery", "discovery_options",
            "enabled", "visible", "schedule_only", "allow_missing_paths", "shipped", "changed",
        )  # fmt: skip

    def validate_name(self, value: str) -> str:
        """Refuse what cannot be typed as one word."""
        if not value.isprintable() or any(sign.isspace() for sign in value):
            raise serializers.ValidationError("A name is one word: use the label for what people read.")
        if value == RESERVED:
            raise serializers.ValidationError("Jobs of the hub's own are called so: choose another name.")
        kept = isinstance(self.instance, Workflow) and self.instance.name == value
        if not kept and (value.isdecimal() or value.startswith("-") or "/" in value or value.endswith(ENDINGS)):
            raise serializers.ValidationError("Commands take this for an id, an option or a file: choose another.")
        return value

    def to_internal_value(self, data: Any) -> Any:
        """Return the values; refuse what is not well, and what could not run, naming each place at once."""
        try:
            values = super().to_internal_value(data)
        except serializers.ValidationError as error:
            if isinstance(data, Mapping) and isinstance(error.detail, dict):
                raise serializers.ValidationError({**error.detail, **self._faults(data, set(error.detail))}) from error
            raise
        if wrong := self._faults(values, set()):
            raise serializers.ValidationError(wrong)
        return values

    def _faults(self, sent: Mapping[str, Any], bad: set[str]) -> dict[str, list[str]]:
        """Return why it could not run, but for keys that are bad already; a change of others asks nothing of these."""
        if self.partial and not _CHECKED_TOGETHER.keys() & set(sent):
            return {}
        now = model_to_dict(self.instance) if isinstance(self.instance, Workflow) else {}
        good = {key: sent[key] for key in _CHECKED_TOGETHER.keys() & sent.keys() - bad}
        definition = _CHECKED_TOGETHER | now | good
        found = faults(definition)
        declared.check_unread(definition["fields"], found)
        if definition["discovery"] is None and definition["discovery_options"]:
            found.add("discovery_options", "there is no discovery that they would go to: leave them out")
        return {place: said for place, said in found.by_place.items() if re.split(r"[.[]", place)[0] not in bad}


class TriedPathSerializer(serializers.Serializer[Any]):
    """A path to try rules on: a string, or an object with `path` (or `path_b64`), and perhaps `state` and `type`."""

    path = Text(required=False)
    path_b64 = Text(required=False)
    state = Text(required=False, allow_blank=True)
    type = Choice(choices=["file", "directory", "symlink"], default="file")

    def to_internal_value(self, data: Any) -> Any:
        """Return an entry."""
        sent = {"path": data} if isinstance(data, str) else data
        if isinstance(sent, dict) and (unknown := sorted(set(sent) - set(self.fields))):
            raise serializers.ValidationError([f"A path has no {unknown[0]!r}: known are {', '.join(self.fields)}."])
        known = super().to_internal_value(sent)
        if known.get("state") and (why := unfound(known["state"])):
            raise serializers.ValidationError({"state": [why]})
        path = paths.absolute(read_path(sent, "path"))
        return Entry(path=path, state=known.get("state", ""), kind=Kind(known["type"]))


class TrialSerializer(StrictSerializer):
    """A workflow, by its name or as a definition that need not be recorded, and paths to try it on."""

    workflow = serializers.JSONField(help_text="A name, or a definition.")
    site = Text()
    paths = serializers.ListField(child=TriedPathSerializer(), allow_empty=False)
    fields = serializers.DictField(required=False)  # type: ignore[assignment]  # the metaclass takes it off the class
    include = serializers.ListField(child=Text(), required=False, allow_null=True)
    exclude = serializers.ListField(child=Text(), required=False, allow_null=True)
    ignore_site_includes = serializers.BooleanField(required=False)
    ignore_site_excludes = serializers.BooleanField(required=False)

    def validate_workflow(self, value: Any) -> Workflow:
        """Return the workflow; one that was sent whole is not recorded."""
        if isinstance(value, str):
            return services.named(value)
        name = value.get("name") if isinstance(value, dict) else None
        instance = Workflow.objects.filter(name=name).first() if isinstance(name, str) else None
        sent = WorkflowSerializer(instance, data=value)
        sent.is_valid(raise_exception=True)
        return Workflow(**sent.validated_data)


class TriedStepSerializer(serializers.Serializer[Any]):
    """One link of a chain, values of fields in place."""

    name = Text()
    site = Text()
    options = serializers.DictField()


class TriedRuleSerializer(serializers.Serializer[Any]):
    """A rule, by its place in `filter_rules`, and its chain."""

    rule = serializers.IntegerField()
    steps = TriedStepSerializer(many=True)


class TriedEntrySerializer(serializers.Serializer[Any]):
    """A path, and the rules that match it."""

    path = Text()
    path_b64 = Text(required=False)
    state = Text()
    type = Text()
    rules = serializers.ListField(child=serializers.IntegerField())


class TriedSerializer(serializers.Serializer[Any]):
    """What a run would begin with, and do with each path as it is given."""

    discovery = Text(allow_null=True)
    discovery_options = serializers.DictField()
    rules = TriedRuleSerializer(many=True)
    paths = TriedEntrySerializer(many=True)


class WorkflowViewSet(viewsets.ModelViewSet[Workflow]):
    """Workflows."""

    queryset = Workflow.objects.all()
    serializer_class = WorkflowSerializer

    def get_queryset(self) -> QuerySet[Workflow]:
        """Return the workflows; what is to be changed is held until it is."""
        rows: QuerySet[Workflow] = super().get_queryset()
        return rows.select_for_update() if self.action in {"update", "partial_update", "reset"} else rows

    def create(self, request: Request, *args: Any, **more: Any) -> Response:
        """Make a workflow; what could not run is refused, each thing with its place in the definition."""
        return super().create(request, *args, **more)

    def perform_create(self, serializer: serializers.BaseSerializer[Workflow]) -> None:
        """Record it."""
        serializer.instance = services.create(serializer.validated_data)

    @transaction.atomic
    def update(self, request: Request, *args: Any, **more: Any) -> Response:
        """Set all keys, those that are not sent to their defaults."""
        return super().update(request, *args, **more)

    def partial_update(self, request: Request, *args: Any, **more: Any) -> Response:
        """Set the keys that are sent; 409 for the name of one that comes with Argosy."""
        return super().partial_update(request, *args, **more)

    def perform_update(self, serializer: serializers.BaseSerializer[Workflow]) -> None:
        """Record what was changed."""
        assert serializer.instance is not None
        serializer.instance = services.change(serializer.instance, serializer.validated_data)

    def destroy(self, request: Request, *args: Any, **more: Any) -> Response:
        """Remove a workflow; 409 where it comes with Argosy."""
        expect_nothing(request)
        return super().destroy(request, *args, **more)

    def perform_destroy(self, instance: Workflow) -> None:
        """Remove it."""
        services.delete(instance)

    @extend_schema(request=None, responses=WorkflowSerializer)
    @action(detail=True, methods=["post"])
    @transaction.atomic
    def reset(self, request: Request, pk: str) -> Response:
        """Make a workflow that comes with Argosy what the release says it is; 409 for others."""
        expect_nothing(request)
        return Response(self.get_serializer(services.reset(self.get_object())).data)

    @extend_schema(request=TrialSerializer, responses=TriedSerializer)
    @action(detail=False, methods=["post"], filter_backends=[], pagination_class=None)
    def test(self, request: Request) -> Response:
        """Answer what a workflow would do with paths, taken as they are given: nothing is looked at, nothing done."""
        sent = TrialSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        asked = {"fields": {}} | sent.validated_data
        workflow, entries = asked.pop("workflow"), asked.pop("paths")
        return Response(_told(tried(workflow, entries, **asked), entries), status.HTTP_200_OK)


def _told(found: Tried, entries: list[Entry]) -> dict[str, Any]:
    rules = [
        {
            "rule": number,
            "steps": [
                {"name": link.step, "site": found.sites[link.site], "options": link.options} for link in rule.chain
            ],
        }
        for number, rule in enumerate(found.rules)
    ]
    listed = [
        {**paths.to_json(entry.path), "state": entry.state, "type": entry.kind.value, "rules": matched}
        for entry, matched in zip(entries, found.matched, strict=True)
    ]
    begins = {"discovery": found.discovery, "discovery_options": found.options}
    return {**begins, "rules": rules, "paths": listed}


class PluginSerializer(serializers.Serializer[Any]):
    """A step or discovery: its name, what it does, its options as JSON Schema, and why it cannot be used."""

    name = Text()
    description = Text()
    options = serializers.DictField()
    trouble = Text()


class PluginView(generics.GenericAPIView[Any]):
    """What workflows are made of."""

    serializer_class = PluginSerializer
    queryset = Workflow.objects.none()

    def listed(self, plugins: dict[str, type[Any]], broken: dict[str, str]) -> Response:
        """Answer a page of the plugins, those that cannot be used at the end."""
        good = [
            {"name": name, "description": one.__doc__ or "", "options": described(one), "trouble": ""}
            for name, one in plugins.items()
        ]
        bad = [{"name": name, "description": "", "options": {}, "trouble": why} for name, why in broken.items()]
        return self.get_paginated_response(self.paginate_queryset([*good, *bad]))


class StepsView(PluginView):
    """Steps."""

    @extend_schema(operation_id="steps_list", responses=PluginSerializer(many=True))
    def get(self, request: Request) -> Response:
        """List the steps that actions may name, those of other distributions included."""
        return self.listed(offered.steps(), STEPS.broken())


class DiscoveriesView(PluginView):
    """Discoveries."""

    @extend_schema(operation_id="discoveries_list", responses=PluginSerializer(many=True))
    def get(self, request: Request) -> Response:
        """List the discoveries that workflows may name, those of other distributions included."""
        return self.listed(offered.discoveries(), DISCOVERIES.broken())
