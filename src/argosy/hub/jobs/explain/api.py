"""Explanations of jobs and paths."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from argosy.hub.common.asked import Query, asked_of
from argosy.hub.common.fields import Text, read_path
from argosy.hub.jobs.explain import job as jobs
from argosy.hub.jobs.explain import path as paths
from argosy.hub.jobs.models import Job


class TroubleSerializer(serializers.Serializer[Any]):
    """One cause: how many files it concerns, one of them, what was recorded of that, and what to do."""

    cause = Text()
    title = Text()
    remedy = Text()
    state = Text()
    files = serializers.IntegerField()
    site = Text()
    step = Text()
    reason = Text()
    path = Text(allow_null=True)
    path_b64 = Text(required=False)
    next_try = serializers.DateTimeField(allow_null=True)
    since = serializers.DateTimeField(allow_null=True)
    jobs = serializers.ListField(child=serializers.IntegerField())


class ToldSerializer(serializers.Serializer[Any]):
    """Why a job is not done, or was not done well: what matters most first."""

    job = serializers.IntegerField()
    state = Text()
    summary = Text()
    causes = TroubleSerializer(many=True)
    examined = serializers.IntegerField()
    unwell = serializers.IntegerField()


class HappenedSerializer(serializers.Serializer[Any]):
    """What a job made of a path."""

    job = serializers.IntegerField()
    jobtype = Text()
    site = Text()
    step = Text()
    state = Text()
    reason = Text()
    error = Text()
    when = serializers.DateTimeField(allow_null=True)


class ObjectSerializer(serializers.Serializer[Any]):
    """The copy of a file."""

    datastore = Text()
    key = Text()


class PathToldSerializer(serializers.Serializer[Any]):
    """What jobs made of a path, the latest first, and what keeps it now."""

    path = Text()
    path_b64 = Text(required=False)
    sites = serializers.ListField(child=Text())
    summary = Text()
    causes = TroubleSerializer(many=True)
    history = HappenedSerializer(many=True)
    object = ObjectSerializer(allow_null=True)
    whole = serializers.BooleanField()


class PathQuery(Query):
    """Which path, and at which site if several have it."""

    also_known = ()

    path = Text(required=False)
    path_b64 = Text(required=False)
    site = Text(required=False)


class JobView(generics.GenericAPIView[Job]):
    """Why a job waits and what of it failed."""

    queryset = Job.objects.filter(removed=False).select_related("site")

    @extend_schema(responses=ToldSerializer)
    def get(self, request: Request, pk: str) -> Response:
        """Answer why the job waits, what of it failed by cause, what is tried again and when, and what to do."""
        return Response(jobs.explain(self.get_object(), timezone.now()).to_json())


class PathView(APIView):
    """What became of a path."""

    asks = PathQuery

    @extend_schema(parameters=[PathQuery], responses=PathToldSerializer)
    def get(self, request: Request) -> Response:
        """Answer which jobs had the path last, what became of it there, and what keeps it from being done now."""
        asked = asked_of(self)
        told = paths.explain(read_path(asked, "path"), timezone.now(), site=asked.get("site"))
        return Response(told.to_json())
