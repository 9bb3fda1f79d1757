"""Syncs: looked at, and confirmed."""

from typing import Any

from django.contrib.auth.models import User
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from argosy.core.paths import display
from argosy.hub.common.fields import Text, expect_nothing
from argosy.hub.jobs.shapes import JobDetailSerializer
from argosy.hub.sync import services, undoing, unlocking
from argosy.hub.sync.models import Run
from argosy.sync.planner.trees import SIDES


class SyncSerializer(serializers.ModelSerializer[Run]):
    """A sync and how far it is."""

    sides = serializers.SerializerMethodField()
    base = serializers.SerializerMethodField()
    counts = serializers.SerializerMethodField()
    refusals = serializers.ListField(child=Text(), read_only=True)

    class Meta:
        """Fields."""

        model = Run
        fields = (
            "job", "state", "round", "one_way", "policy", "sides", "base", "confirmed", "confirmed_by", "refusals",
            "reason", "counts", "created", "completed",
        )  # fmt: skip

    @extend_schema_field(OpenApiTypes.OBJECT)
    def get_sides(self, run: Run) -> Any:
        """Return site and path of both sides; a one-way sync goes from the first to the second."""
        return [{"site": run.site(side).name, "path": display(run.top(side))} for side in SIDES]

    @extend_schema_field(OpenApiTypes.INT)
    def get_base(self, run: Run) -> int:
        """Return the generation of what both agree on by now; 0: they never agreed."""
        return int(run.pair.generation)

    @extend_schema_field(OpenApiTypes.OBJECT)
    def get_counts(self, run: Run) -> Any:
        """Return what was planned: operations of each side, bytes that cross, names that stay as they are."""
        return run.counts


class SyncViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Run]):
    """Syncs, by the jobs that they are."""

    queryset = Run.objects.select_related("pair", "site_one", "site_two")
    serializer_class = SyncSerializer
    lookup_field = "job"
    lookup_url_kwarg = "id"
    lookup_value_regex = "[0-9]+"


class ConfirmView(APIView):
    """Confirm what a guard refused."""

    @extend_schema(request=None, responses={201: JobDetailSerializer})
    def post(self, request: Request, pk: int) -> Response:
        """Begin a job that does the sync which a guard refused, and answer it: that guard lets it pass this once."""
        expect_nothing(request)
        owner = request.user if isinstance(request.user, User) else None
        job = services.confirm(pk, owner=owner)
        return Response(JobDetailSerializer(job, context={"request": request}).data, status.HTTP_201_CREATED)


class UndoSerializer(serializers.Serializer[Any]):
    """The plan that is made."""

    job = serializers.IntegerField(help_text="The sync.")
    plan = serializers.IntegerField()
    note = Text(help_text="What whoever applies it should know; empty where there is nothing.")


class UndoView(APIView):
    """Undo a sync."""

    @extend_schema(request=None, responses={201: UndoSerializer})
    def post(self, request: Request, pk: int) -> Response:
        """Begin a plan that gives back what a sync replaced or deleted; nothing is changed until it is applied."""
        expect_nothing(request)
        owner = request.user if isinstance(request.user, User) else None
        planned = undoing.undo(pk, owner=owner)
        said = {"job": pk, "plan": planned.job.pk, "note": planned.note}
        return Response(said, status.HTTP_201_CREATED)


class UnlockView(APIView):
    """Release the lock of a fileset."""

    @extend_schema(request=None, responses={201: JobDetailSerializer})
    def post(self, request: Request, pk: int) -> Response:
        """Begin a job that releases the lock which a sync left that is no more; 409 where whoever holds it goes on."""
        expect_nothing(request)
        owner = request.user if isinstance(request.user, User) else None
        job = unlocking.unlock(pk, owner=owner)
        return Response(JobDetailSerializer(job, context={"request": request}).data, status.HTTP_201_CREATED)
