"""What lists of jobs, tasks and files can be asked for."""

from typing import Any

from rest_framework import serializers

from argosy.core.states import FileState, TaskState
from argosy.hub.common.asked import Query
from argosy.hub.common.fields import Choice, IdField, Text, read_path
from argosy.hub.jobs import queries
from argosy.hub.jobs.given import LONGEST


class ManyField(serializers.ListField):
    """Values as repeated keys, or with commas between them."""

    def to_internal_value(self, data: Any) -> list[Any]:
        """Return all of them.

        Raises:
            serializers.SkipField: there are none: that asks for nothing, as it does in fields of one value.
        """
        parts = [part for text in data for part in str(text).split(",") if part]
        if not parts:
            raise serializers.SkipField
        return super().to_internal_value(parts)


class OrderField(Choice):
    """By what a list is sorted; with a `-` before it the other way round."""

    def __init__(self, *names: str) -> None:
        super().__init__(choices=[*names, *(f"-{name}" for name in names)], required=False)


class JobQuery(Query):
    """Which jobs."""

    created = Choice(choices=[*queries.WINDOWS, "null"], required=False)
    created_time_from = serializers.DateTimeField(required=False)
    created_time_to = serializers.DateTimeField(required=False)
    completed_time_from = serializers.DateTimeField(required=False)
    completed_time_to = serializers.DateTimeField(required=False)
    jobtype = Text(required=False)
    state = ManyField(child=Choice(choices=queries.STATES), required=False)
    owner_ids = ManyField(child=IdField(), required=False)
    site_id = IdField(required=False)
    hide_noop = serializers.BooleanField(required=False, allow_null=True, default=None)
    clientkey_ids = ManyField(child=IdField(), required=False)
    schedule_ids = ManyField(child=IdField(), required=False)
    input_paths_prefix = Text(required=False)
    input_paths_prefix_b64 = Text(required=False, help_text="Its bytes, where they are not UTF-8.")
    input_path_prefix = Text(required=False, help_text="Another name of input_paths_prefix.")
    ordering = OrderField("id", "jobtype", "site", "owner", "created", "started", "completed", "state")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Return what is asked under the names that queries know; refuse a prefix longer than what is kept of paths."""
        _under_one_name(attrs, "input_paths_prefix", "input_path_prefix")
        if {"input_paths_prefix", "input_paths_prefix_b64"} & set(attrs):
            prefix = read_path(attrs, "input_paths_prefix")
            if len(prefix) > LONGEST:
                raise serializers.ValidationError({"input_paths_prefix": [f"Give {LONGEST} bytes at most."]})
            attrs["input_paths_prefix"] = prefix
        return attrs


class TaskQuery(Query):
    """Which tasks."""

    tasktype = Text(required=False)
    state = ManyField(child=Choice(choices=[state.value for state in TaskState]), required=False)
    job_id = IdField(required=False)
    site_id = IdField(required=False)
    ordering = OrderField("id", "tasktype", "site", "created", "started", "completed", "state")


_STATES = [*(state.value for state in FileState), "failures"]


class JobFilesQuery(Query):
    """Which files of a job."""

    category = Choice(choices=_STATES, required=False)
    state = Choice(choices=_STATES, required=False, help_text="Another name of category.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Return what is asked under one name."""
        return _under_one_name(attrs, "category", "state")


class DownloadQuery(JobFilesQuery):
    """Which files of a job, and as what."""

    also_known = ()
    # not `format`, by which the framework would choose who renders the answer
    file_format = Choice(choices=["json", "csv"], default="json")


class TaskFilesQuery(Query):
    """Which files of a task."""

    state = Choice(choices=_STATES, required=False)
    type = Choice(choices=["file", "directory", "symlink", "other"], required=False)
    site = Text(required=False)


def _under_one_name(attrs: dict[str, Any], name: str, other: str) -> dict[str, Any]:
    """Return what is asked, with the value of a parameter under the one of its two names."""
    if other in attrs and attrs.setdefault(name, attrs[other]) != attrs.pop(other):
        raise serializers.ValidationError({other: [f"This is another name of {name}: give one of them."]})
    return attrs


def file_state(name: str | None) -> FileState | None:
    """Return the state; `failures` is an older name of `failed`."""
    return FileState("failed" if name == "failures" else name) if name else None
