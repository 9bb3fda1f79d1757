"""Bodies of requests."""

from collections.abc import Mapping
from typing import IO, Any

from django.core.exceptions import RequestDataTooBig
from rest_framework import parsers

LIMIT = 64 << 20
"""Bytes of the largest body: some 500,000 paths."""


class BoundedJSON(parsers.JSONParser):
    """JSON of at most `LIMIT` bytes."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return the value of the body.

        Raises:
            RequestDataTooBig: it is larger.
        """
        request = (parser_context or {})["request"]
        if int(request.META.get("CONTENT_LENGTH") or LIMIT + 1) > LIMIT:
            raise RequestDataTooBig
        value: dict[str, Any] = super().parse(stream, media_type, parser_context)
        return value
