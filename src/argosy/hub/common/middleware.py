"""Addresses end in a slash."""

from django.http import HttpRequest
from django.middleware.common import CommonMiddleware


class SlashMiddleware(CommonMiddleware):
    """Redirect readers who forgot the slash; refuse everybody else: a redirect would lose the body of a POST."""

    def should_redirect_with_slash(self, request: HttpRequest) -> bool:
        """Say whether the request only reads, and there is something at the address with a slash."""
        return request.method in {"GET", "HEAD"} and super().should_redirect_with_slash(request)
