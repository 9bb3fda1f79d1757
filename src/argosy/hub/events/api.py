"""The stream of events, and tickets for it."""

from collections.abc import Collection
from functools import partial
from typing import Any

from django.contrib.auth.models import User
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.tokens import Token

from argosy.core.errors import NotFound
from argosy.hub.common import sight
from argosy.hub.common.asked import Query, asked_of
from argosy.hub.common.changes import Kind
from argosy.hub.common.fields import Choice, IdField, Text, expect_nothing
from argosy.hub.events import pictures
from argosy.hub.events.listener import Asked
from argosy.hub.events.stream import ADMITTED
from argosy.hub.events.tickets import LIFETIME, TicketAuthentication, ends, login_of, owner, ticket_for
from argosy.hub.jobs.api import JobViewSet
from argosy.hub.jobs.filters import ManyField

NAMED = 100
"""Jobs that one stream may name."""
_HEADER = OpenApiParameter(
    "Last-Event-ID", str, OpenApiParameter.HEADER, description="Id of the last event that was read."
)


class StreamQuery(Query):
    """Which events. Browsers give `ticket`, and `last_event_id` where they open a stream anew."""

    also_known = ()

    types = ManyField(child=Choice(choices=[kind.value for kind in Kind]), required=False)
    job_id = ManyField(child=IdField(), required=False, max_length=NAMED)
    last_event_id = Text(required=False, allow_blank=True, max_length=100)
    ticket = Text(required=False)


class EventsRenderer(JSONRenderer):
    """What a client means that accepts nothing but events; problems are JSON all the same."""

    media_type = "text/event-stream"


class StreamView(APIView):
    """Live events."""

    authentication_classes = (JWTAuthentication, TicketAuthentication)
    renderer_classes = (EventsRenderer, JSONRenderer)
    asks = StreamQuery

    @extend_schema(parameters=[StreamQuery, _HEADER], responses={(200, "text/event-stream"): OpenApiTypes.STR})
    def get(self, request: Request) -> Response:
        """Answer what changes from now on, or from the last event read: `job`, `task`, `site`, `deleted`, `reset`."""
        asked = _asked(request, asked_of(self))
        getattr(request, "scope", {})[ADMITTED] = asked
        headers = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}
        return Response(headers=headers)


def _asked(request: Request, sent: dict[str, Any]) -> Asked:
    token, user = _token(request), request.user
    assert isinstance(user, User)
    jobs = frozenset(sent["job_id"]) if sent.get("job_id") else None
    _check_known(jobs or frozenset(), user)
    kinds = frozenset(map(Kind, sent.get("types") or Kind))
    narrowed = _is_narrowed(user)
    return Asked(
        kinds=kinds,
        jobs=jobs,
        after=request.headers.get("Last-Event-ID") or sent.get("last_event_id", ""),
        until=ends(token),
        user=user.pk,
        login=(*login_of(token), narrowed),
        allowed=partial(_is_allowed, token, narrowed=narrowed),
        narrowed=narrowed,
        sees=partial(_seen, user.pk),
    )


def _is_narrowed(user: User) -> bool:
    return any(pictures.narrowed(user, kind) is not None for kind in Kind)


def _is_allowed(token: Token, *, narrowed: bool) -> bool:
    """Say whether a stream may go on: its owner may listen, and there is something to be hidden from him as before."""
    user = owner(token)
    return user is not None and _is_narrowed(user) == narrowed


def _seen(user: int, kind: Kind, rows: Collection[int]) -> frozenset[int]:
    """Return which of the rows somebody sees now."""
    seen = pictures.narrowed(User.objects.get(pk=user), kind)
    if seen is None:
        return frozenset(rows)
    wanted = sorted(rows)
    some = (wanted[start : start + pictures.AT_ONCE] for start in range(0, len(wanted), pictures.AT_ONCE))
    return frozenset(pk for each in some for pk in seen.filter(pk__in=each).values_list("pk", flat=True))


def _token(request: Request) -> Token:
    assert isinstance(request.auth, Token)
    return request.auth


def _check_known(jobs: frozenset[int], user: User) -> None:
    known = sight.shown(user, JobViewSet.queryset).filter(pk__in=jobs).values_list("pk", flat=True)
    if missing := sorted(jobs - set(known)):
        raise NotFound(f"there is no job {missing[0]}")


class TicketSerializer(serializers.Serializer[Any]):
    """A ticket, and for how many seconds it may be used."""

    ticket = Text()
    expires_in = serializers.IntegerField()


class TicketView(APIView):
    """Tickets for streams, for clients that cannot send headers."""

    authentication_classes = (JWTAuthentication,)

    @extend_schema(request=None, responses={201: TicketSerializer})
    def post(self, request: Request) -> Response:
        """Answer 201 with a ticket: `/api/events/stream/?ticket=...` is as good as the header, for a minute."""
        assert isinstance(request.user, User)
        expect_nothing(request)
        ticket = ticket_for(request.user, _token(request))
        return Response({"ticket": str(ticket), "expires_in": int(LIFETIME.total_seconds())}, status.HTTP_201_CREATED)
