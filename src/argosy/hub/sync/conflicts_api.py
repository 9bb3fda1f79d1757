"""Conflicts: looked at, and settled."""

from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from django.contrib.auth.models import User
from django.db.models import Q, QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_field, extend_schema_view
from rest_framework import mixins, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from argosy.core.paths import display, to_json
from argosy.hub.common.asked import Query, asked_of
from argosy.hub.common.fields import Choice, IdField, StrictSerializer, Text
from argosy.hub.jobs.filters import ManyField, OrderField
from argosy.hub.sites.queries import site_named
from argosy.hub.sync import conflicts, keeping
from argosy.hub.sync.models import Conflict
from argosy.sync.planner.trees import SIDES, Kind, Side
from argosy.sync.rounds.quarrels import Version

STATES: Final = (Conflict.State.OPEN.value, conflicts.SETTLING, Conflict.State.SETTLED.value)


class ConflictQuery(Query):
    """Which conflicts."""

    state = ManyField(child=Choice(choices=STATES), required=False)
    job_id = IdField(required=False, help_text="The sync that met them, by the job that it was.")
    site = Text(required=False, help_text="Name of one of the two sites.")
    ordering = OrderField("id", "created", "settled", "state")


class VersionSerializer(serializers.Serializer[Any]):
    """A version of what both sites claimed."""

    site = Text(help_text="The site that wrote it.")
    path = Text(allow_null=True, help_text="Where it is in sight, below the top; null: nowhere.")
    path_b64 = Text(required=False)
    type = Text()
    size = serializers.IntegerField()
    mtime = serializers.DateTimeField(allow_null=True)
    mtime_ns = serializers.IntegerField()
    hash = Text(allow_null=True, help_text="BLAKE3 of a file, null where it is not known.")
    target = Text(required=False, help_text="Where a symlink points.")


class ConflictSerializer(serializers.ModelSerializer[Conflict]):
    """What both sites of a sync claimed differently. `this` has the name, `other` is what lost it."""

    job = serializers.IntegerField(source="run.job", read_only=True, help_text="The sync that met it.")
    state = Choice(source="now", choices=STATES, read_only=True)
    sides = serializers.SerializerMethodField()
    path = serializers.SerializerMethodField(help_text="The name, below the top of both filesets.")
    this = serializers.SerializerMethodField()
    other = serializers.SerializerMethodField()
    kept = serializers.SerializerMethodField(help_text="Which version was kept; null: nobody chose, or neither was.")
    keep_job = serializers.IntegerField(source="keeping", read_only=True, allow_null=True)
    kept_by = serializers.SerializerMethodField(help_text="Who chose; empty: nobody, or people did it with the files.")
    reason = serializers.SerializerMethodField(help_text="How it was settled, or why it could not be.")
    settled = serializers.DateTimeField(source="ended", read_only=True, allow_null=True)

    class Meta:
        """Fields."""

        model = Conflict
        fields = (
            "id", "job", "state", "dispute", "sides", "path", "this", "other", "why", "kept", "keep_job", "kept_by",
            "reason", "created", "settled",
        )  # fmt: skip

    def to_representation(self, instance: Conflict) -> dict[str, Any]:
        """Return the conflict, its path as text and, where that is not enough, as base64."""
        return super().to_representation(instance) | to_json(bytes(instance.path))

    @extend_schema_field(OpenApiTypes.OBJECT)
    def get_sides(self, row: Conflict) -> Any:
        """Return site and top of both filesets."""
        return [{"site": row.run.site(side).name, "path": display(row.run.top(side))} for side in SIDES]

    def get_path(self, row: Conflict) -> str:
        """Return it as text."""
        return display(bytes(row.path))

    @extend_schema_field(VersionSerializer(allow_null=True))
    def get_this(self, row: Conflict) -> Any:
        """Return what has the name."""
        return _told(row, row.this, Side(row.winner), bytes(row.path))

    @extend_schema_field(VersionSerializer(allow_null=True))
    def get_other(self, row: Conflict) -> Any:
        """Return what lost it."""
        return _told(row, row.other, Side(row.winner).other, bytes(row.copy))

    def get_kept(self, row: Conflict) -> str | None:
        """Return what was chosen, or what people did; nothing, where that could not be done."""
        return row.kept or None if row.now != Conflict.State.OPEN else None  # type: ignore[attr-defined]  # annotated

    def get_kept_by(self, row: Conflict) -> str:
        """Return the name of a user."""
        return row.by if row.now != Conflict.State.OPEN else ""  # type: ignore[attr-defined]  # annotated

    def get_reason(self, row: Conflict) -> str:
        """Return what is known."""
        return conflicts.reason(row)


def _told(row: Conflict, kept: Any, side: Side, path: bytes) -> dict[str, Any] | None:
    if kept is None:
        return None
    version = msgspec.convert(kept, Version)
    told: dict[str, Any] = {"site": row.run.site(side).name}
    told |= to_json(path) if path else {"path": None}
    told |= {"type": version.kind.name.lower(), "size": version.size, "mtime": _time(version.mtime_ns)}
    told |= {"mtime_ns": version.mtime_ns, "hash": None}
    if version.kind is Kind.FILE and version.content:
        told["hash"] = version.content.hex()
    elif version.kind is Kind.SYMLINK:
        told |= to_json(version.content, "target")
    return told


def _time(ns: int) -> str | None:
    try:
        return datetime.fromtimestamp(ns // 10**9, UTC).isoformat()
    except (OverflowError, ValueError, OSError):  # beyond the years that have a name
        return None


class KeepSerializer(StrictSerializer):
    """Which version is to have the name."""

    version = Choice(
        choices=Conflict.Kept.values,
        help_text="`this` that has it, the `other`, which replaces it, or `both`: all stays as it is.",
    )


@extend_schema_view(list=extend_schema(parameters=[ConflictQuery]))
class ConflictViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Conflict]):
    """Conflicts that syncs met."""

    queryset = Conflict.objects.all()
    serializer_class = ConflictSerializer
    asks: type[Query] = ConflictQuery
    lookup_value_regex = "[0-9]{1,18}"

    def get_queryset(self) -> QuerySet[Conflict]:
        """Return the conflicts asked for, the newest first."""
        rows = conflicts.as_they_stand()
        asked = asked_of(self) if self.action == "list" else {}
        if "state" in asked:
            rows = conflicts.in_states(rows, asked["state"])
        if "job_id" in asked:
            rows = rows.filter(run__job=asked["job_id"])
        if "site" in asked:
            site = site_named(asked["site"])
            rows = rows.filter(Q(run__site_one=site) | Q(run__site_two=site))
        by = asked.get("ordering", "-id")
        columns = {"state": "now", "settled": "ended"}
        column = columns.get(by.lstrip("-"), by.lstrip("-"))
        return rows.order_by(f"-{column}" if by.startswith("-") else column, "-id")

    @extend_schema(
        request=KeepSerializer,
        responses={
            200: ConflictSerializer,
            409: OpenApiResponse(description="It is settled otherwise, a job is at it, or no site can do it."),
        },
    )
    @action(detail=True, methods=["post"])
    def keep(self, request: Request, pk: str) -> Response:
        """Choose a version, and answer the conflict: `keep_job` does it at one site, and the next sync at the other.

        Chosen once more, it is no other choice.
        """
        sent = KeepSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        owner = request.user if isinstance(request.user, User) else None
        row = keeping.keep(int(pk), Conflict.Kept(sent.validated_data["version"]), owner=owner)
        return Response(self.get_serializer(row).data)
