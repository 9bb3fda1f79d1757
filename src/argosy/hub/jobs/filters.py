"""What lists of jobs, tasks and files can be asked for."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request

from argosy.core.states import FileState, JobState, TaskState
from argosy.hub.common.fields import IdField
from argosy.hub.jobs import queries
from argosy.hub.jobs.given import LONGEST


class ManyField(serializers.ListField):
    """Values as repeated keys, or with commas between them."""

    def to_internal_value(self, data: Any) -> list[Any]:
        """Return all of them."""
        return super().to_internal_value([part for text in data for part in str(text).split(",") if part])


class OrderField(serializers.ChoiceField):
    """By what a list is sorted; with a `-` before it the other way round."""

    def __init__(self, *names: str) -> None:
        super().__init__(choices=[*names, *(f"-{name}" for name in names)], required=False)


class JobQuery(serializers.Serializer[Any]):
    """Which jobs."""

    created = serializers.ChoiceField(choices=[*queries.WINDOWS, "null"], required=False)
    created_time_from = serializers.DateTimeField(required=False)
    created_time_to = serializers.DateTimeField(required=False)
    completed_time_from = serializers.DateTimeField(required=False)
    completed_time_to = serializers.DateTimeField(required=False)
    jobtype = serializers.CharField(required=False)
    state = ManyField(child=serializers.ChoiceField(choices=[state.value for state in JobState]), required=False)
    owner_ids = ManyField(child=IdField(), required=False)
    site_id = IdField(required=False)
    hide_noop = serializers.BooleanField(required=False, allow_null=True, default=None)
    clientkey_ids = ManyField(child=IdField(), required=False)
    schedule_ids = ManyField(child=IdField(), required=False)
    input_paths_prefix = serializers.CharField(required=False)
    input_path_prefix = serializers.CharField(required=False, help_text="Another name of input_paths_prefix.")
    ordering = OrderField("id", "jobtype", "site", "owner", "created", "started", "completed", "state")

    def validate_input_paths_prefix(self, value: str) -> str:
        """Refuse what is longer than what is kept to look for it."""
        if len(value.encode()) > LONGEST:
            raise serializers.ValidationError(f"Give {LONGEST} bytes at most.")
        return value

    validate_input_path_prefix = validate_input_paths_prefix

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Return what is asked under the names that queries know."""
        if prefix := attrs.pop("input_path_prefix", None):
            attrs.setdefault("input_paths_prefix", prefix)
        return attrs


class TaskQuery(serializers.Serializer[Any]):
    """Which tasks."""

    tasktype = serializers.CharField(required=False)
    state = ManyField(child=serializers.ChoiceField(choices=[state.value for state in TaskState]), required=False)
    job_id = IdField(required=False)
    site_id = IdField(required=False)
    ordering = OrderField("id", "tasktype", "site", "created", "started", "completed", "state")


class JobFilesQuery(serializers.Serializer[Any]):
    """Which files of a job."""

    category = serializers.ChoiceField(choices=[*(state.value for state in FileState), "failures"], required=False)


class DownloadQuery(JobFilesQuery):
    """Which files of a job, and as what."""

    # not `format`, by which the framework would choose who renders the answer
    file_format = serializers.ChoiceField(choices=["json", "csv"], default="json")


class TaskFilesQuery(serializers.Serializer[Any]):
    """Which files of a task."""

    state = serializers.ChoiceField(choices=[*(state.value for state in FileState), "failures"], required=False)
    type = serializers.ChoiceField(choices=["file", "directory", "symlink", "other"], required=False)
    site = serializers.CharField(required=False)


def asked_of(query: type[serializers.Serializer[Any]], request: Request) -> dict[str, Any]:
    """Return what the query parameters ask for.

    Raises:
        serializers.ValidationError: one of them cannot be.
    """
    asked = query(data=request.query_params)
    asked.is_valid(raise_exception=True)
    return dict(asked.validated_data)


def file_state(name: str | None) -> FileState | None:
    """Return the state; `failures` is an older name of `failed`."""
    return FileState("failed" if name == "failures" else name) if name else None
