"""What a plan that is made elsewhere needs of the hub: what two filesets agree on, and what time it is."""

import time
from typing import Any

from django.http import FileResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from argosy.core.errors import NotFound
from argosy.hub.sync.models import Pair


class AskedSerializer(serializers.Serializer[Any]):
    """Of which two filesets."""

    one = serializers.RegexField(r"\A[0-9a-f]{1,32}\Z", help_text="`fileset_id` of the first; one-way, of the source.")
    two = serializers.RegexField(r"\A[0-9a-f]{1,32}\Z", help_text="`fileset_id` of the second.")


class BaseView(APIView):
    """The base of a pair."""

    @extend_schema(parameters=[AskedSerializer], responses={(200, "application/octet-stream"): OpenApiTypes.BINARY})
    def get(self, request: Request) -> FileResponse:
        """Return what both filesets were last seen to agree on, for `argosy sync plan --base`; 404: they never were."""
        asked = AskedSerializer(data=request.query_params)
        asked.is_valid(raise_exception=True)
        pair = Pair.objects.filter(**asked.validated_data).exclude(chunks=[]).first()
        if pair is None:
            raise NotFound("these two filesets, in this order, never agreed on anything: sync them first")
        (chunk,) = pair.chunks
        try:
            return FileResponse((pair.base / chunk).open("rb"), filename=chunk, content_type="application/octet-stream")
        except FileNotFoundError as error:
            raise NotFound(f"{chunk}, what both agreed on, is lost, or was replaced just now: ask again") from error


class ClockSerializer(serializers.Serializer[Any]):
    """A time."""

    now_ns = serializers.IntegerField(help_text="ns since 1970")


class ClockView(APIView):
    """The hub's clock."""

    @extend_schema(responses=ClockSerializer)
    def get(self, _request: Request) -> Response:
        """Return what time it is at the hub: clocks of sites are compared with it."""
        return Response({"now_ns": time.time_ns()})
