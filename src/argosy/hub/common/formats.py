"""How answers are written."""

from collections.abc import Iterable

from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer


class Formats(DefaultContentNegotiation):
    """`format` says how an answer is written where there are several ways; elsewhere it is for the view to judge."""

    def filter_renderers(self, renderers: Iterable[BaseRenderer], format: str) -> list[BaseRenderer]:  # noqa: A002
        """Return those of the format, or all."""
        known = list(renderers)
        return [one for one in known if one.format == format] or known
