"""Jobs, tasks and their files; submission."""

from typing import Any

import msgspec
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from argosy.core.ready import ready
from argosy.core.states import JobState
from argosy.hub.common.asked import Query, asked_of
from argosy.hub.common.fields import Choice, IdField, StrictSerializer, Text, expect_nothing
from argosy.hub.jobs import downloads, queries, removal, resubmission, services
from argosy.hub.jobs.files import JobFiles, task_files
from argosy.hub.jobs.filters import (
    DownloadQuery,
    JobFilesQuery,
    JobQuery,
    TaskFilesQuery,
    TaskQuery,
    file_state,
)
from argosy.hub.jobs.models import Job, Task
from argosy.hub.jobs.shapes import (
    FileSerializer,
    GivenSerializer,
    JobDetailSerializer,
    JobSerializer,
    StatsSerializer,
    TaskDetailSerializer,
    TaskSerializer,
)

RECENT = 5
"""How many jobs `recent` shows."""


class SubmitSerializer(StrictSerializer):
    """A workflow to run over paths."""

    site = Text()
    workflow = Text()
    paths = serializers.ListField(child=GivenSerializer(), allow_empty=False)
    fields = serializers.DictField(required=False)  # type: ignore[assignment]  # the metaclass takes it off the class
    discovery = Text(required=False, allow_null=True)
    job = IdField(required=False, allow_null=True)
    include = serializers.ListField(child=Text(), required=False, allow_null=True)
    exclude = serializers.ListField(child=Text(), required=False, allow_null=True)
    ignore_site_includes = serializers.BooleanField(required=False)
    ignore_site_excludes = serializers.BooleanField(required=False)
    dry_run = serializers.BooleanField(
        required=False, help_text="Change nothing: the job is a plan, which says what its steps would do."
    )


class SubmitView(APIView):
    """Run a workflow."""

    @extend_schema(request=SubmitSerializer, responses={201: SubmitSerializer})
    def post(self, request: Request) -> Response:
        """Answer 201 with what was sent and the job's id: it has been recorded, not yet done."""
        sent = SubmitSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        asked = msgspec.convert(dict(sent.validated_data), ready(services.Asked), from_attributes=True)
        job = services.submit(asked, owner=_owner(request))
        return Response(dict(request.data) | {"job": job.pk}, status.HTTP_201_CREATED)


def _owner(request: Request) -> User | None:
    return request.user if isinstance(request.user, User) else None


class Listed(viewsets.GenericViewSet[Any]):
    """Lists of files below a job or task."""

    def files_page(self, files: Any) -> Response:
        """Answer one page of the files."""
        page = self.paginate_queryset(files)
        return self.get_paginated_response(FileSerializer(page, many=True).data)


class RegisterSerializer(StrictSerializer):
    """A job that submissions are to give work to."""

    also_known = ("clientkey", "schedule", "owner", "id", "url")

    jobtype = Text()
    site = Text()
    discovery = Text(required=False, allow_null=True, default=None)
    paths = serializers.ListField(child=GivenSerializer(), required=False)
    state = Choice(choices=[JobState.PENDING.value], required=False)


class ChangeSerializer(StrictSerializer):
    """A change to a job: it can be cancelled; all else of it is as it was submitted, and may be sent as it is."""

    also_known = ("discovery", "jobtype", "paths", "site")

    state = Choice(choices=[JobState.CANCELLED.value], required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse what differs from what the job is."""
        shown, sent = JobDetailSerializer(self.instance, context=self.context).data, self.initial_data
        if other := [key for key in self.also_known if key in sent and sent[key] != shown[key]]:
            raise serializers.ValidationError({key: ["A job keeps what it was submitted with."] for key in other})
        return attrs


class ResubmitSerializer(StrictSerializer):
    """What of a job is done again."""

    only_failed = serializers.BooleanField(
        default=False, help_text="Only the files that failed or were aborted, not all that was submitted."
    )


@extend_schema_view(
    list=extend_schema(parameters=[JobQuery], responses=JobSerializer(many=True)),
    destroy=extend_schema(responses={204: None}),
)
class JobViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, Listed):
    """Jobs."""

    queryset = Job.objects.filter(removed=False).select_related("site", "owner")
    serializer_class = JobDetailSerializer
    asks: type[Query] = JobQuery

    def get_serializer_class(self) -> type[serializers.BaseSerializer[Job]]:
        """Return the short form for lists."""
        return JobSerializer if self.action == "list" else JobDetailSerializer

    def get_queryset(self) -> QuerySet[Job]:
        """Return the jobs asked for."""
        jobs: QuerySet[Job] = super().get_queryset()
        return queries.matching(jobs, asked_of(self)) if self.action == "list" else jobs

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Answer a page of jobs, with the counts of `stats` beside it."""
        answer = super().list(request, *args, **kwargs)
        answer.data["stats"] = queries.stats(self.filter_queryset(self.queryset), asked_of(self))
        return answer

    @extend_schema(request=RegisterSerializer, responses={201: JobDetailSerializer})
    def create(self, request: Request) -> Response:
        """Record a job with nothing to do yet; submissions with its id as `job` give it work."""
        sent = RegisterSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        asked = sent.validated_data
        job = services.register(
            site=asked["site"],
            jobtype=asked["jobtype"],
            given=asked.get("paths", []),
            discovery=asked["discovery"],
            owner=_owner(request),
        )
        return Response(self.get_serializer(job).data, status.HTTP_201_CREATED)

    @extend_schema(request=ChangeSerializer, responses=JobDetailSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Cancel the job: its state is all that can be changed, and CANCELLED what it can be changed to."""
        job = self.get_object()
        sent = ChangeSerializer(job, data=request.data, context=self.get_serializer_context())
        sent.is_valid(raise_exception=True)
        changed = services.cancel(job.pk, by=request.user.get_username()) if "state" in sent.validated_data else job
        return Response(self.get_serializer(changed).data)

    def destroy(self, request: Request, pk: str) -> Response:
        """Remove a job that has ended, with its tasks and files; 409 where it has not."""
        expect_nothing(request)
        removal.remove(self.get_object().pk)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(responses=JobDetailSerializer(many=True))
    @action(detail=False, asks=Query)
    def recent(self, request: Request) -> Response:
        """Answer the five newest jobs, whatever their state."""
        page = self.paginate_queryset(list(queries.matching(self.filter_queryset(self.get_queryset()), {})[:RECENT]))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(parameters=[JobQuery], responses=StatsSerializer)
    @action(detail=False)
    def stats(self, request: Request) -> Response:
        """Answer how many jobs there are of each type, state, day and site: the last week's, unless asked otherwise."""
        return Response(queries.stats(self.filter_queryset(self.get_queryset()), asked_of(self)))

    @extend_schema(parameters=[JobFilesQuery], responses=FileSerializer(many=True))
    @action(detail=True, asks=JobFilesQuery)
    def files(self, request: Request, pk: str) -> Response:
        """Answer the job's files and what became of them, page by page."""
        category = file_state(asked_of(self).get("category"))
        return self.files_page(JobFiles(self.get_object(), category))

    @extend_schema(parameters=[DownloadQuery], responses={(200, "application/json"): FileSerializer(many=True)})
    @action(detail=True, url_path="files/download", asks=DownloadQuery, pagination_class=None)
    def download(self, request: Request, pk: str) -> StreamingHttpResponse:
        """Answer all of the job's files as one JSON or CSV file. What has arrived is whole if the answer ends well."""
        job, asked = self.get_object(), asked_of(self)
        files = JobFiles(job, file_state(asked.get("category")))
        name = "-".join(["job", str(job.pk), *filter(None, [asked.get("category")]), "files"])
        return downloads.answer(request, files, kind=asked["file_format"], name=name)

    @extend_schema(request=None, responses={201: JobDetailSerializer})
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Cancel what of the job has not ended."""
        expect_nothing(request)
        job = services.cancel(self.get_object().pk, by=request.user.get_username())
        return Response(self.get_serializer(job).data, status.HTTP_201_CREATED)

    @extend_schema(request=ResubmitSerializer, responses={201: JobDetailSerializer})
    @action(detail=True, methods=["post"])
    def resubmit(self, request: Request, pk: str) -> Response:
        """Do the job again, and answer the new one; the job itself while it has not ended, which changes nothing."""
        sent = ResubmitSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        job = resubmission.resubmit(self.get_object().pk, owner=_owner(request), **sent.validated_data)
        return Response(self.get_serializer(job).data, status.HTTP_201_CREATED)


@extend_schema_view(list=extend_schema(parameters=[TaskQuery], responses=TaskSerializer(many=True)))
class TaskViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, Listed):
    """Tasks."""

    queryset = Task.objects.exclude(job__in=Job.objects.filter(removed=True)).select_related("site")
    asks: type[Query] = TaskQuery
    lookup_field = "taskid"
    lookup_value_regex = "[0-9a-fA-F-]{32,36}"

    def get_serializer_class(self) -> type[serializers.BaseSerializer[Task]]:
        """Return the short form for lists."""
        return TaskSerializer if self.action == "list" else TaskDetailSerializer

    def get_queryset(self) -> QuerySet[Task]:
        """Return the tasks asked for."""
        tasks: QuerySet[Task] = super().get_queryset()
        return queries.matching_tasks(tasks, asked_of(self)) if self.action == "list" else tasks

    @extend_schema(parameters=[TaskFilesQuery], responses=FileSerializer(many=True))
    @action(detail=True, asks=TaskFilesQuery)
    def files(self, request: Request, taskid: str) -> Response:
        """Answer what became of the task's files."""
        asked = asked_of(self)
        state = file_state(asked.get("state"))
        files = task_files(self.get_object(), state=state, kind=asked.get("type"), site=asked.get("site"))
        return self.files_page(files)
