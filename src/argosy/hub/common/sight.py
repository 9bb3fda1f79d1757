"""What somebody may see: asked by every answer of the API that shows rows, and by every stream of events."""

from typing import Any, TypeVar

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.db.models import Model, QuerySet
from rest_framework.filters import BaseFilterBackend
from rest_framework.request import Request
from rest_framework.views import APIView

M = TypeVar("M", bound=Model)


def shown(user: AbstractBaseUser | AnonymousUser, rows: QuerySet[M]) -> QuerySet[M]:  # noqa: ARG001 - all see all so far
    """Return what of the rows somebody may see who is logged in: all of them.

    Whatever is to narrow that does it here, for lists, single rows and streams at once. Where it returns the very
    query it was given, nobody asks the database again.
    """
    return rows


class Sight(BaseFilterBackend):
    """What views show of their rows, lists and single ones alike."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: APIView) -> QuerySet[Any]:  # noqa: ARG002
        """Return what of them whoever asks may see."""
        return shown(request.user, queryset)
