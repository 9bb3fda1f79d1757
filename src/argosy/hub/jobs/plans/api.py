"""Plans: what they say, and how they are applied."""

from typing import Any

from django.contrib.auth.models import User
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from argosy.hub.common.fields import Text, expect_nothing
from argosy.hub.jobs.models import Plan
from argosy.hub.jobs.plans import applying, told


class SaidSerializer(serializers.Serializer[Any]):
    """What a step would do to files alike: `processed`, or nothing: `skipped`, or could not: `failed`, `aborted`."""

    state = Text()
    says = Text()
    files = serializers.IntegerField()
    size = serializers.IntegerField(help_text="Bytes of the files themselves.")
    bytes = serializers.IntegerField()
    requests = serializers.IntegerField()
    along = serializers.IntegerField()
    reason = Text()
    path = Text()
    path_b64 = Text(required=False)


class StepSerializer(serializers.Serializer[Any]):
    """One link of the chain of one rule; without a rule, what was to be found."""

    rule = serializers.IntegerField(allow_null=True)
    link = serializers.IntegerField()
    step = Text()
    site = Text()
    says = SaidSerializer(many=True)


class PlanSerializer(serializers.Serializer[Any]):
    """What a plan says."""

    plan = serializers.IntegerField()
    workflow = Text()
    site = Text()
    state = Text()
    complete = serializers.BooleanField()
    applied = serializers.IntegerField(allow_null=True)
    steps = StepSerializer(many=True)
    files = serializers.IntegerField()
    untouched = serializers.IntegerField()
    unable = serializers.IntegerField()
    untaken = serializers.IntegerField(help_text="Entries that were found and that no rule is for.")
    bytes = serializers.IntegerField()
    requests = serializers.IntegerField()
    uncounted = serializers.IntegerField(help_text="How often a step takes more than that, nobody can say how much.")


class AppliedSerializer(serializers.Serializer[Any]):
    """The job that applies a plan."""

    plan = serializers.IntegerField()
    job = serializers.IntegerField()


class PlanView(generics.GenericAPIView[Plan]):
    """What a plan says."""

    queryset = Plan.objects.filter(job__removed=False).select_related("job__site")
    lookup_field = "job__id"  # of a number beyond what the database holds this finds nothing, as `pk` would not
    lookup_url_kwarg = "id"

    @extend_schema(responses=PlanSerializer)
    def get(self, request: Request, **number: int) -> Response:
        """Answer what each step would do: to how many files, with how many bytes and requests, or why not."""
        return Response(told.tell(self.get_object()))

    def get_object(self) -> Plan:
        """Return the plan.

        Raises:
            NotFound: there is none; the message says whether the number is that of a job.
        """
        found = self.get_queryset().filter(job__id=self.kwargs["id"]).first()
        if found is None:
            raise applying.no_plan(self.kwargs["id"])
        return found


class ApplyView(APIView):
    """Apply a plan."""

    @extend_schema(request=None, responses={201: AppliedSerializer, 200: AppliedSerializer})
    def post(self, request: Request, pk: int) -> Response:
        """Answer 201 with the job that does what the plan says, 200 where one does already."""
        expect_nothing(request)
        owner = request.user if isinstance(request.user, User) else None
        job, new = applying.apply(pk, owner=owner)
        return Response({"plan": pk, "job": job.pk}, status.HTTP_201_CREATED if new else status.HTTP_200_OK)
