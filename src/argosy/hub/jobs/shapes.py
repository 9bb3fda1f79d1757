"""How jobs, tasks and files look in the API."""

from typing import Any

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from argosy.core import paths
from argosy.core.entry import Entry
from argosy.hub.common.fields import Text, read_path
from argosy.hub.jobs import leads
from argosy.hub.jobs.files import FileNote, task_files
from argosy.hub.jobs.given import given_paths, paths_of
from argosy.hub.jobs.models import Job, Task
from argosy.hub.workflows.rules import unfound


class GivenSerializer(serializers.Serializer[Any]):
    """A path to work on: a string, or an object with `path` (or `path_b64`) and perhaps `state` and `source`."""

    path = Text(required=False)
    path_b64 = Text(required=False)
    state = Text(required=False)
    source = Text(required=False)  # type: ignore[assignment]  # the metaclass takes it off the class
    source_b64 = Text(required=False)

    def to_internal_value(self, data: Any) -> Any:
        """Return an entry of which path and state are known, and where it was before if that was said."""
        sent = {"path": data} if isinstance(data, str) else data
        if not isinstance(sent, dict):
            raise serializers.ValidationError(["A path is a string or an object with path, state and source."])
        if unknown := sorted(set(sent) - set(self.fields)):
            raise serializers.ValidationError([f"A path has no {unknown[0]!r}: known are {', '.join(self.fields)}."])
        state = "" if sent.get("state") is None else sent["state"]
        if not isinstance(state, str):
            raise serializers.ValidationError({"state": ["A state is a string."]})
        if sent.get("state") is not None and (why := unfound(state)):
            raise serializers.ValidationError({"state": [why]})
        source = read_path(sent, "source") if {"source", "source_b64"} & set(sent) else None
        return Entry(path=read_path(sent, "path"), state=state, source=source)


class FileSerializer(serializers.Serializer[Any]):
    """One file and what became of it; paths that are not UTF-8 have their bytes in `..._b64`."""

    path = Text()
    path_b64 = Text(required=False)
    source = Text(required=False)  # type: ignore[assignment]  # the metaclass takes it off the class
    source_b64 = Text(required=False)
    state = Text()
    reason = Text()
    error = Text()
    type = Text()
    size = serializers.IntegerField()
    site = Text()
    task = Text()
    step = Text()

    def to_representation(self, instance: FileNote) -> dict[str, Any]:
        """Return it as JSON."""
        return file_json(instance)


def file_json(note: FileNote) -> dict[str, Any]:
    """Return a file as JSON."""
    entry, outcome = note.outcome.entry, note.outcome
    source = paths.to_json(note.source, "source") if note.source else {}
    return {
        **paths.to_json(entry.path),
        **source,
        "state": note.state,
        "reason": outcome.reason,
        "error": outcome.error,
        "type": entry.kind.value,
        "size": entry.size,
        "site": note.site,
        "task": note.task,
        "step": leads.shown(note.step, entry.state),
    }


@extend_schema_field(OpenApiTypes.FLOAT)
class RuntimeField(serializers.ReadOnlyField):
    """Seconds from start to end, or until now; null before the start."""

    def to_representation(self, value: Any) -> float | None:
        """Return the seconds."""
        if value.started is None:
            return None
        seconds: float = ((value.completed or timezone.now()) - value.started).total_seconds()
        return max(0.0, seconds)


_COUNTS = (
    "numfiles", "numprocessedfiles", "numskippedfiles", "numfailedfiles", "numabortedfiles", "numcancelledfiles",
    "moved_data",
)  # fmt: skip
_JOB = (
    "id", "url", "jobtype", "site", "owner", "clientkey", "schedule", "state", "created", "started", "completed",
    "runtime", "dir_walk_complete", "fields", *_COUNTS, "numbytes", "resubmission_of", "dry_run",
)  # fmt: skip


class JobSerializer(serializers.ModelSerializer[Job]):
    """A job in a list."""

    site = serializers.SlugRelatedField[Any](slug_field="name", read_only=True)
    owner = serializers.SlugRelatedField[Any](slug_field="username", read_only=True)
    clientkey = Text(read_only=True, allow_null=True, default=None)
    schedule = serializers.SerializerMethodField()
    runtime = RuntimeField(source="*")

    class Meta:
        """Fields."""

        model = Job
        fields: tuple[str, ...] = _JOB
        read_only_fields = _JOB

    def get_schedule(self, job: Job) -> str | None:
        """Return the name of the schedule that began it."""
        return job.schedule_name or None


class JobDetailSerializer(JobSerializer):
    """A job with its paths."""

    paths = serializers.SerializerMethodField()

    class Meta(JobSerializer.Meta):
        """Fields."""

        fields: tuple[str, ...] = (*_JOB, "discovery", "paths")

    @extend_schema_field(GivenSerializer(many=True))
    def get_paths(self, job: Job) -> list[Any]:
        """Return the submitted paths: text where they are UTF-8, else with their bytes."""
        return _shown(given_paths(job))


class StatsSerializer(serializers.Serializer[Any]):
    """How many jobs there are, by what they are."""

    type = serializers.DictField(child=serializers.IntegerField())
    state = serializers.DictField(child=serializers.IntegerField())
    created = serializers.DictField(child=serializers.IntegerField(), help_text="By day.")
    site = serializers.DictField(child=serializers.IntegerField())


class TaskSerializer(serializers.ModelSerializer[Task]):
    """A task in a list."""

    taskid = Text(read_only=True)
    tasktype = serializers.SerializerMethodField()
    job = serializers.PrimaryKeyRelatedField[Any](read_only=True)
    site = serializers.SlugRelatedField[Any](slug_field="name", read_only=True)

    class Meta:
        """Fields."""

        model = Task
        fields: tuple[str, ...] = ("taskid", "url", "job", "site", "tasktype", "state", "started", "reason")
        extra_kwargs = {"url": {"lookup_field": "taskid"}}  # noqa: RUF012 - the framework reads it so

    def get_tasktype(self, task: Task) -> str:
        """Return the documented name of the step."""
        return leads.shown(task.tasktype)


class TaskDetailSerializer(TaskSerializer):
    """A task with its results."""

    runtime = RuntimeField(source="*")
    paths = serializers.SerializerMethodField()
    results = serializers.SerializerMethodField()

    class Meta(TaskSerializer.Meta):
        """Fields."""

        fields = (
            *TaskSerializer.Meta.fields, "created", "completed", "runtime", *_COUNTS, "attempt", "node", "error",
            "paths", "results",
        )  # fmt: skip

    @extend_schema_field(GivenSerializer(many=True))
    def get_paths(self, task: Task) -> list[Any]:
        """Return the paths it was given."""
        return _shown(paths_of(task))

    @extend_schema_field(OpenApiTypes.OBJECT)
    def get_results(self, task: Task) -> dict[str, Any]:
        """Return what became of each, by state."""
        found: dict[str, Any] = {}
        for note in task_files(task, state=None, kind=None, site=None):
            found.setdefault(note.state, []).append(FileSerializer(note).data)
        return found


def _shown(found: list[bytes]) -> list[Any]:
    shown = [paths.to_json(path) for path in found]
    return [one["path"] if set(one) == {"path"} else one for one in shown]
