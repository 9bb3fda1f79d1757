"""Workflows, to be read."""

from rest_framework import serializers, viewsets

from argosy.hub.workflows.models import Workflow


class WorkflowSerializer(serializers.ModelSerializer[Workflow]):
    """A workflow definition."""

    class Meta:
        """Fields."""

        model = Workflow
        fields = (
            "id", "name", "label", "icon_classes", "filter_rules", "fields", "discovery", "discovery_options",
            "enabled", "visible", "schedule_only", "allow_missing_paths",
        )  # fmt: skip


class WorkflowViewSet(viewsets.ReadOnlyModelViewSet[Workflow]):
    """Workflows."""

    queryset = Workflow.objects.all()
    serializer_class = WorkflowSerializer
