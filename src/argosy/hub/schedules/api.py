"""Schedules, what is subscribed to them, and runs by hand."""

from typing import Any

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_field, extend_schema_view
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.validators import UniqueValidator

from argosy.core.paths import to_json
from argosy.hub.common.fields import Named, StrictSerializer, Text, expect_nothing, read_path
from argosy.hub.jobs.models import Job
from argosy.hub.jobs.shapes import JobDetailSerializer
from argosy.hub.schedules import cron, queries, running, services
from argosy.hub.schedules.models import Schedule, Subscription
from argosy.hub.sites.models import Site

_TAKEN = "There is such a schedule already: change that one (`argosy schedule change`), or choose another name."
_HTTP = ["get", "post", "patch", "delete", "head", "options"]
_REFUSED = {
    400: OpenApiResponse(description="A value cannot be."),
    409: OpenApiResponse(description="It cannot be beside what is recorded."),
}


@extend_schema_field({"type": "array", "items": {"type": "string"}, "nullable": True})
class PathsField(serializers.Field):  # type: ignore[type-arg]
    """Paths: a string each, or an object with `path_b64` where it is not UTF-8; null for none."""

    def __init__(self, **more: Any) -> None:
        super().__init__(required=False, allow_null=True, **more)

    def to_internal_value(self, data: Any) -> list[dict[str, str]]:
        """Return them as they are kept."""
        if not isinstance(data, list):
            raise serializers.ValidationError(["Give a list of paths."])
        return [to_json(_read(item, number)) for number, item in enumerate(data)]

    def to_representation(self, value: list[dict[str, str]]) -> list[Any]:
        """Return them as JSON."""
        return [one["path"] if set(one) == {"path"} else one for one in value]


def _read(item: Any, number: int) -> bytes:
    sent = {"path": item} if isinstance(item, str) else item
    if not isinstance(sent, dict) or not {"path", "path_b64"} >= set(sent):
        raise serializers.ValidationError({str(number): ["A path is a string, or an object with path_b64."]})
    return read_path(sent, "path")


class ScheduleRunSerializer(serializers.Serializer[Any]):
    """A run of a schedule."""

    due = serializers.DateTimeField(allow_null=True, help_text="The minute; null: somebody ran it by hand.")
    began = serializers.DateTimeField()
    state = Text(allow_null=True, help_text="Of the worst of its jobs; null: they are gone.")
    jobs = serializers.ListField(child=serializers.IntegerField())
    reason = Text(help_text="What of it could not be begun, and why.")


class SkippedRunSerializer(serializers.Serializer[Any]):
    """A run that was left out, because the one before went on."""

    due = serializers.DateTimeField(allow_null=True)
    reason = Text()


class ScheduleSerializer(StrictSerializer, serializers.ModelSerializer[Schedule]):
    """When workflows run over which paths of a site. The five times are those of cron, in UTC."""

    name = Text(max_length=255, validators=[UniqueValidator(queryset=Schedule.objects.all(), message=_TAKEN)])
    site = Named(queryset=Site.objects.all())
    managed_paths = PathsField(help_text="Paths that it looks after.")
    discovery = Text(
        max_length=64, required=False, allow_null=True, help_text="How entries are found; null: the paths themselves."
    )
    discovery_options = serializers.DictField(required=False)
    next_runs = serializers.SerializerMethodField(help_text="When it is due next; none while it is disabled.")
    last_run = serializers.SerializerMethodField(help_text="The latest run that was begun, and how it stands.")
    last_skipped = serializers.SerializerMethodField(help_text="A run that was left out since; null: none was.")

    class Meta:
        """Fields."""

        model = Schedule
        fields = (
            "id", "url", "name", "site", "managed_paths", "discovery", "discovery_options", "minute", "hour",
            "day_of_week", "day_of_month", "month_of_year", "enabled", "next_runs", "last_run", "last_skipped",
        )  # fmt: skip

    def validate_name(self, value: str) -> str:
        """Refuse what cannot be shown on one line or is taken for something else where it is typed."""
        if not value.isprintable():
            raise serializers.ValidationError("A name is one line of signs that can be seen.")
        if value.isdecimal() or value.startswith("-"):
            raise serializers.ValidationError("Commands take this for an id or an option: choose another.")
        return value

    def validate_managed_paths(self, value: list[dict[str, str]] | None) -> list[dict[str, str]]:
        """Take null for none."""
        return value or []

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse times that cannot be, each by its name."""
        now = {name: attrs.get(name, getattr(self.instance, name, "*")) for name in cron.FIELDS}
        if wrong := cron.faults(now):
            raise serializers.ValidationError({name: [why] for name, why in wrong.items()})
        return attrs

    @extend_schema_field(serializers.ListField(child=serializers.DateTimeField()))
    def get_next_runs(self, schedule: Schedule) -> Any:
        """Return when it is due next."""
        return [_shown(due) for due in queries.next_runs(schedule, timezone.now())]

    @extend_schema_field(ScheduleRunSerializer(allow_null=True))
    def get_last_run(self, schedule: Schedule) -> Any:
        """Return the latest run that was begun, or was to be."""
        found = queries.last_run(schedule)
        return found and ScheduleRunSerializer(found).data

    @extend_schema_field(SkippedRunSerializer(allow_null=True))
    def get_last_skipped(self, schedule: Schedule) -> Any:
        """Return the latest run, where it was left out."""
        found = queries.last_skipped(schedule)
        return found and SkippedRunSerializer(found).data


def _shown(due: Any) -> Any:
    return serializers.DateTimeField().to_representation(due)


class SubscriptionSerializer(StrictSerializer):
    """A workflow that runs when the schedule does. `trouble`: why it does not."""

    id = serializers.IntegerField(read_only=True)
    url = serializers.SerializerMethodField()
    site = Text(source="schedule.site.name", help_text="The site of the schedule.")
    workflow = Text(source="called")
    fields = serializers.DictField(required=False)  # type: ignore[assignment]  # the metaclass takes it off the class
    trouble = serializers.SerializerMethodField()

    @extend_schema_field(OpenApiTypes.URI)
    def get_url(self, subscription: Subscription) -> str:
        """Return its address."""
        where = {"schedule": subscription.schedule_id, "pk": subscription.pk}
        return reverse("subscription-detail", kwargs=where, request=self.context.get("request"))

    def get_trouble(self, subscription: Subscription) -> str:
        """Return why it does not run."""
        return queries.trouble(subscription)

    @property
    def asked(self) -> dict[str, Any]:
        """What was sent, under its names."""
        return {name: self.initial_data[name] for name in ("site", "workflow", "fields") if name in self.initial_data}


class BegunSerializer(JobDetailSerializer):
    """The job that was begun, the first of several; `jobs` are all of them."""

    jobs = serializers.SerializerMethodField()
    reason = serializers.SerializerMethodField(help_text="What of the run could not be begun, and why.")

    class Meta(JobDetailSerializer.Meta):
        """Fields."""

        fields: tuple[str, ...] = (*JobDetailSerializer.Meta.fields, "jobs", "reason")

    @extend_schema_field(serializers.ListField(child=serializers.IntegerField()))
    def get_jobs(self, _job: Job) -> Any:
        """Return the ids of all jobs of the run."""
        return self.context["run"].jobs

    def get_reason(self, _job: Job) -> str:
        """Return why not all of it was begun."""
        return str(self.context["run"].reason)


@extend_schema_view(
    create=extend_schema(responses={201: ScheduleSerializer, **_REFUSED}),
    partial_update=extend_schema(responses={200: ScheduleSerializer, **_REFUSED}),
)
class ScheduleViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Schedule]):
    """Schedules."""

    queryset = Schedule.objects.select_related("site")
    serializer_class = ScheduleSerializer
    http_method_names = _HTTP

    def create(self, request: Request) -> Response:
        """Record a schedule."""
        sent = self.get_serializer(data=request.data)
        sent.is_valid(raise_exception=True)
        made = services.create(sent.validated_data)
        return Response(self.get_serializer(made).data, status.HTTP_201_CREATED)

    def partial_update(self, request: Request, pk: str) -> Response:
        """Change the keys that are sent."""
        schedule = self.get_object()
        sent = self.get_serializer(schedule, data=request.data, partial=True)
        sent.is_valid(raise_exception=True)
        return Response(self.get_serializer(services.change(schedule, sent.validated_data)).data)

    def destroy(self, request: Request, pk: str) -> Response:
        """Remove a schedule; its jobs go on, and stay."""
        expect_nothing(request)
        services.remove(self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=None, responses={201: BegunSerializer, 409: OpenApiResponse(description="It runs already.")})
    @action(detail=True, methods=["post"])
    def run(self, request: Request, pk: str) -> Response:
        """Begin a run at once, enabled or not, and answer its first job; 409 while one goes on."""
        expect_nothing(request)
        owner = request.user if isinstance(request.user, User) else None
        run = running.run_now(self.get_object().pk, owner=owner)
        job = Job.objects.select_related("site", "owner").get(pk=run.jobs[0])
        context = {**self.get_serializer_context(), "run": run}
        return Response(BegunSerializer(job, context=context).data, status.HTTP_201_CREATED)


@extend_schema_view(
    create=extend_schema(responses={201: SubscriptionSerializer, **_REFUSED}),
    partial_update=extend_schema(responses={200: SubscriptionSerializer, **_REFUSED}),
)
class SubscriptionViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Subscription]):
    """Workflows that are subscribed to a schedule."""

    queryset = Subscription.objects.select_related("schedule__site", "workflow")
    serializer_class = SubscriptionSerializer
    http_method_names = _HTTP

    def get_queryset(self) -> QuerySet[Subscription]:
        """Return those of the schedule."""
        return super().get_queryset().filter(schedule=self._schedule())

    def create(self, request: Request, schedule: int) -> Response:
        """Subscribe a workflow."""
        of = self._schedule()
        sent = SubscriptionSerializer(data=request.data, context=self.get_serializer_context())
        sent.is_valid(raise_exception=True)
        made = services.subscribe(of, **{"fields": {}} | sent.asked)
        return Response(self.get_serializer(made).data, status.HTTP_201_CREATED)

    def partial_update(self, request: Request, schedule: int, pk: str) -> Response:
        """Change the keys that are sent."""
        subscription = self.get_object()
        context = self.get_serializer_context()
        sent = SubscriptionSerializer(subscription, data=request.data, partial=True, context=context)
        sent.is_valid(raise_exception=True)
        return Response(self.get_serializer(services.change_subscription(subscription, sent.asked)).data)

    def destroy(self, request: Request, schedule: int, pk: str) -> Response:
        """Unsubscribe a workflow."""
        expect_nothing(request)
        services.unsubscribe(self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _schedule(self) -> Schedule:
        return get_object_or_404(Schedule.objects.select_related("site"), pk=self.kwargs.get("schedule", 0))
