"""What every request has to keep to: addresses end in a slash, and what writes says so in its body alone."""

from collections.abc import Callable
from typing import Any, Final

from django.http import HttpRequest, HttpResponseBase
from django.middleware.common import CommonMiddleware
from django.utils.deprecation import MiddlewareMixin

from argosy.hub.common import problems
from argosy.hub.common.fields import MOST_NAMED

_READING: Final = {"GET", "HEAD", "OPTIONS"}
_MISPLACED: Final = "Unknown parameter: what is written is said in the body alone."


class SlashMiddleware(CommonMiddleware):
    """Redirect readers who forgot the slash; refuse everybody else: a redirect would lose the body of a POST."""

    def should_redirect_with_slash(self, request: HttpRequest) -> bool:
        """Say whether the request only reads, and there is something at the address with a slash."""
        return request.method in {"GET", "HEAD"} and super().should_redirect_with_slash(request)


class WritingMiddleware(MiddlewareMixin):
    """Refuse parameters beside a body, whether the body is read, empty or not there: nothing would look at them."""

    def process_view(
        self, request: HttpRequest, _view: Callable[..., Any], _args: object, _kwargs: object
    ) -> HttpResponseBase | None:
        """Answer 400 in the view's place, or nothing."""
        if request.method in _READING or not request.GET:
            return None
        return problems.refused({name: [_MISPLACED] for name in sorted(request.GET)[:MOST_NAMED]})
