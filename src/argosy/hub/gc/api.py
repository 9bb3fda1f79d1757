"""Runs of garbage collection: begun, and looked at."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from argosy.hub.common.fields import Choice, StrictSerializer
from argosy.hub.gc import services
from argosy.hub.gc.models import Run


class BeginSerializer(StrictSerializer):
    """A run to begin."""

    kind = Choice(choices=[Run.Kind.PLAN.value, Run.Kind.RUN.value])
    take_over = serializers.BooleanField(default=False)


class RunSerializer(serializers.ModelSerializer[Run]):
    """A run and what it found."""

    counts = serializers.SerializerMethodField()

    class Meta:
        """Fields."""

        model = Run
        fields = ("id", "kind", "state", "job", "created", "completed", "reason", "counts")

    @extend_schema_field(OpenApiTypes.OBJECT)
    def get_counts(self, run: Run) -> Any:
        """Return objects and bytes, by why they go or stay."""
        return run.counts


class RunViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Run]):
    """Runs of garbage collection."""

    queryset = Run.objects.all()
    serializer_class = RunSerializer

    @extend_schema(request=BeginSerializer, responses={201: RunSerializer})
    def create(self, request: Request) -> Response:
        """Begin a run and answer 201: it has been recorded, not yet done; 409 while another goes on."""
        sent = BeginSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        values = sent.validated_data
        run = services.begin(Run.Kind(values["kind"]), take_over=values["take_over"])
        return Response(RunSerializer(run).data, status.HTTP_201_CREATED)
