"""Jobs, tasks and their files; submission."""

from typing import Any

import msgspec
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field, extend_schema_view
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from argosy.core import paths
from argosy.core.entry import Entry
from argosy.core.states import FileState, JobState, TaskState
from argosy.hub.common.fields import IdField, StrictSerializer, read_path
from argosy.hub.jobs import queries, services
from argosy.hub.jobs.models import Job, Task

RECENT = 5
"""How many jobs `recent` shows."""


class GivenSerializer(serializers.Serializer[Any]):
    """A path to work on: a string, or an object with `path` (or `path_b64`) and perhaps `state` and `source`."""

    path = serializers.CharField(required=False)
    path_b64 = serializers.CharField(required=False)
    state = serializers.CharField(required=False)
    source = serializers.CharField(required=False)  # type: ignore[assignment]  # the metaclass takes it off the class
    source_b64 = serializers.CharField(required=False)

    def to_internal_value(self, data: Any) -> Any:
        """Return an entry of which path and state are known, and where it was before if that was said."""
        sent = {"path": data} if isinstance(data, str) else data
        if not isinstance(sent, dict):
            raise serializers.ValidationError(["A path is a string or an object with path, state and source."])
        if unknown := sorted(set(sent) - set(self.fields)):
            raise serializers.ValidationError([f"A path has no {unknown[0]!r}."])
        state = sent.get("state") or ""
        if not isinstance(state, str):
            raise serializers.ValidationError({"state": ["A state is a string."]})
        source = read_path(sent, "source") if {"source", "source_b64"} & set(sent) else None
        return Entry(path=read_path(sent, "path"), state=state, source=source)


class SubmitSerializer(StrictSerializer):
    """A workflow to run over paths."""

    site = serializers.CharField()
    workflow = serializers.CharField()
    paths = serializers.ListField(child=GivenSerializer(), allow_empty=False)
    fields = serializers.DictField(required=False)  # type: ignore[assignment]  # the metaclass takes it off the class
    discovery = serializers.CharField(required=False, allow_null=True)
    job = IdField(required=False, allow_null=True)
    include = serializers.ListField(child=serializers.CharField(), required=False, allow_null=True)
    exclude = serializers.ListField(child=serializers.CharField(), required=False, allow_null=True)
    ignore_site_includes = serializers.BooleanField(required=False)
    ignore_site_excludes = serializers.BooleanField(required=False)


class SubmitView(APIView):
    """Run a workflow."""

    @extend_schema(request=SubmitSerializer, responses={201: SubmitSerializer})
    def post(self, request: Request) -> Response:
        """Answer 201 with what was sent and the job's id: it has been recorded, not yet done."""
        sent = SubmitSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        asked = msgspec.convert(dict(sent.validated_data), services.Asked, from_attributes=True)
        job = services.submit(asked, owner=_owner(request))
        return Response(dict(request.data) | {"job": job.pk}, status.HTTP_201_CREATED)


def _owner(request: Request) -> User | None:
    return request.user if isinstance(request.user, User) else None


class ManyField(serializers.ListField):
    """Values as repeated keys, or with commas between them."""

    def to_internal_value(self, data: Any) -> list[Any]:
        """Return all of them."""
        return super().to_internal_value([part for text in data for part in str(text).split(",") if part])


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

    def validate_input_paths_prefix(self, value: str) -> str:
        """Refuse it: to leave it aside would show jobs that were not asked for."""
        raise serializers.ValidationError(f"To look for {value!r} among input paths is not available yet.")


class TaskQuery(serializers.Serializer[Any]):
    """Which tasks."""

    tasktype = serializers.CharField(required=False)
    state = ManyField(child=serializers.ChoiceField(choices=[state.value for state in TaskState]), required=False)
    job_id = IdField(required=False)


class JobFilesQuery(serializers.Serializer[Any]):
    """Which files of a job."""

    category = serializers.ChoiceField(choices=[*(state.value for state in FileState), "failures"], required=False)


class TaskFilesQuery(serializers.Serializer[Any]):
    """Which files of a task."""

    state = serializers.ChoiceField(choices=[*(state.value for state in FileState), "failures"], required=False)
    type = serializers.ChoiceField(choices=["file", "directory", "symlink", "other"], required=False)
    site = serializers.CharField(required=False)


class FileSerializer(serializers.Serializer[Any]):
    """One file and what became of it; paths that are not UTF-8 have their bytes in `..._b64`."""

    path = serializers.CharField()
    path_b64 = serializers.CharField(required=False)
    source = serializers.CharField(required=False)  # type: ignore[assignment]  # the metaclass takes it off the class
    source_b64 = serializers.CharField(required=False)
    state = serializers.CharField()
    reason = serializers.CharField()
    error = serializers.CharField()
    type = serializers.CharField()
    size = serializers.IntegerField()
    site = serializers.CharField()
    task = serializers.CharField()
    step = serializers.CharField()

    def to_representation(self, instance: queries.FileNote) -> dict[str, Any]:
        """Return it as JSON."""
        entry, outcome = instance.outcome.entry, instance.outcome
        source = paths.to_json(instance.source, "source") if instance.source else {}
        return {
            **paths.to_json(entry.path),
            **source,
            "state": instance.state,
            "reason": outcome.reason,
            "error": outcome.error,
            "type": entry.kind.value,
            "size": entry.size,
            "site": instance.site,
            "task": instance.task,
            "step": instance.step,
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
    "runtime", "dir_walk_complete", "fields", *_COUNTS, "numbytes",
)  # fmt: skip


class JobSerializer(serializers.ModelSerializer[Job]):
    """A job in a list."""

    site = serializers.SlugRelatedField[Any](slug_field="name", read_only=True)
    owner = serializers.SlugRelatedField[Any](slug_field="username", read_only=True)
    clientkey = serializers.CharField(read_only=True, allow_null=True, default=None)
    schedule = serializers.CharField(read_only=True, allow_null=True, default=None)
    runtime = RuntimeField(source="*")

    class Meta:
        """Fields."""

        model = Job
        fields: tuple[str, ...] = _JOB
        read_only_fields = _JOB


class JobDetailSerializer(JobSerializer):
    """A job with its paths."""

    paths = serializers.SerializerMethodField()

    class Meta(JobSerializer.Meta):
        """Fields."""

        fields = (*_JOB, "discovery", "paths")

    @extend_schema_field(GivenSerializer(many=True))
    def get_paths(self, job: Job) -> list[Any]:
        """Return the submitted paths: text where they are UTF-8, else with their bytes."""
        return _shown(queries.given_paths(job))


class TaskSerializer(serializers.ModelSerializer[Task]):
    """A task in a list."""

    taskid = serializers.CharField(read_only=True)
    job = serializers.PrimaryKeyRelatedField[Any](read_only=True)
    site = serializers.SlugRelatedField[Any](slug_field="name", read_only=True)

    class Meta:
        """Fields."""

        model = Task
        fields: tuple[str, ...] = ("taskid", "url", "job", "site", "tasktype", "state", "started", "reason")
        extra_kwargs = {"url": {"lookup_field": "taskid"}}  # noqa: RUF012 - the framework reads it so


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
        return _shown(queries.paths_of(task))

    @extend_schema_field(OpenApiTypes.OBJECT)
    def get_results(self, task: Task) -> dict[str, Any]:
        """Return what became of each, by state."""
        found: dict[str, Any] = {}
        for note in queries.task_files(task, state=None, kind=None, site=None):
            found.setdefault(note.state, []).append(FileSerializer(note).data)
        return found


class Listed(viewsets.GenericViewSet[Any]):
    """Lists of files below a job or task."""

    def files_page(self, files: Any) -> Response:
        """Answer one page of the files."""
        page = self.paginate_queryset(files)
        return self.get_paginated_response(FileSerializer(page, many=True).data)


@extend_schema_view(list=extend_schema(parameters=[JobQuery], responses=JobSerializer(many=True)))
class JobViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, Listed):
    """Jobs."""

    queryset = Job.objects.select_related("site", "owner")
    serializer_class = JobDetailSerializer

    def get_serializer_class(self) -> type[serializers.BaseSerializer[Job]]:
        """Return the short form for lists."""
        return JobSerializer if self.action == "list" else JobDetailSerializer

    def get_queryset(self) -> QuerySet[Job]:
        """Return the jobs asked for."""
        jobs: QuerySet[Job] = super().get_queryset()
        return queries.matching(jobs, _asked(JobQuery, self.request)) if self.action == "list" else jobs

    @extend_schema(responses=JobDetailSerializer(many=True))
    @action(detail=False)
    def recent(self, request: Request) -> Response:
        """Answer the five newest jobs, whatever their state."""
        page = self.paginate_queryset(list(queries.matching(self.get_queryset(), {})[:RECENT]))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(parameters=[JobFilesQuery], responses=FileSerializer(many=True))
    @action(detail=True)
    def files(self, request: Request, pk: str) -> Response:
        """Answer the job's files and what became of them, page by page."""
        category = _file_state(_asked(JobFilesQuery, request).get("category"))
        return self.files_page(queries.JobFiles(self.get_object(), category))

    @extend_schema(request=None, responses={201: JobDetailSerializer})
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Cancel what of the job has not ended."""
        job = services.cancel(self.get_object().pk)
        return Response(self.get_serializer(job).data, status.HTTP_201_CREATED)


@extend_schema_view(list=extend_schema(parameters=[TaskQuery], responses=TaskSerializer(many=True)))
class TaskViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, Listed):
    """Tasks."""

    queryset = Task.objects.select_related("site")
    lookup_field = "taskid"
    lookup_value_regex = "[0-9a-fA-F-]{32,36}"

    def get_serializer_class(self) -> type[serializers.BaseSerializer[Task]]:
        """Return the short form for lists."""
        return TaskSerializer if self.action == "list" else TaskDetailSerializer

    def get_queryset(self) -> QuerySet[Task]:
        """Return the tasks asked for."""
        tasks: QuerySet[Task] = super().get_queryset()
        if self.action != "list":
            return tasks
        asked = _asked(TaskQuery, self.request)
        names = {"tasktype": "tasktype", "state": "state__in", "job_id": "job"}
        return tasks.filter(**{names[key]: value for key, value in asked.items()})

    @extend_schema(parameters=[TaskFilesQuery], responses=FileSerializer(many=True))
    @action(detail=True)
    def files(self, request: Request, taskid: str) -> Response:
        """Answer what became of the task's files."""
        asked = _asked(TaskFilesQuery, request)
        state = _file_state(asked.get("state"))
        files = queries.task_files(self.get_object(), state=state, kind=asked.get("type"), site=asked.get("site"))
        return self.files_page(files)


def _asked(query: type[serializers.Serializer[Any]], request: Request) -> dict[str, Any]:
    asked = query(data=request.query_params)
    asked.is_valid(raise_exception=True)
    return dict(asked.validated_data)


def _file_state(name: str | None) -> FileState | None:
    """Return the state; `failures` is an older name of `failed`."""
    return FileState("failed" if name == "failures" else name) if name else None


def _shown(found: list[bytes]) -> list[Any]:
    shown = [paths.to_json(path) for path in found]
    return [one["path"] if set(one) == {"path"} else one for one in shown]
