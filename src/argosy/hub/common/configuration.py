"""The global settings at `/api/configurations/`."""

import structlog
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from argosy.hub.common.fields import StrictSerializer
from argosy.hub.common.models import Configuration

LONGEST_DAYS, LONGEST_MINUTES, LONGEST_SECONDS = 36_500, 525_600, 86_400

log = structlog.get_logger()


class ConfigurationSerializer(StrictSerializer):
    """The global settings."""

    jobs_ttl = serializers.IntegerField(
        min_value=1, max_value=LONGEST_DAYS, required=False, help_text="Days a job is kept after it has ended."
    )
    task_invalidation_timeout = serializers.IntegerField(
        min_value=1,
        max_value=LONGEST_MINUTES,
        required=False,
        help_text="Minutes a task that was begun may stay without an agent that runs it, before it fails.",
    )
    snapshot_create_delete_retry_timeout = serializers.IntegerField(
        min_value=0,
        max_value=LONGEST_SECONDS,
        required=False,
        help_text="Seconds for which it is tried again to make or delete a snapshot, six times in all; 0: once only.",
    )


class ConfigurationView(APIView):
    """The global settings."""

    @extend_schema(responses=ConfigurationSerializer)
    def get(self, _request: Request) -> Response:
        """Answer all of them."""
        return Response(ConfigurationSerializer(Configuration.current()).data)

    @extend_schema(request=ConfigurationSerializer, responses=ConfigurationSerializer)
    def patch(self, request: Request) -> Response:
        """Change those that are given, from now on, and answer all."""
        sent = ConfigurationSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        settings = Configuration.current()
        for name, value in sent.validated_data.items():
            setattr(settings, name, value)
        settings.save(update_fields=[*sent.validated_data])
        log.info("global settings changed", by=request.user.get_username(), **sent.validated_data)
        return Response(ConfigurationSerializer(settings).data)
