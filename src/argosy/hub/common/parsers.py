"""Bodies of requests."""

import json
from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from rest_framework import parsers, serializers

LIMIT: int = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
"""Bytes of the largest body."""


class BoundedJSON(parsers.JSONParser):
    """JSON of at most `LIMIT` bytes."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return the value of the body.

        Raises:
            RequestDataTooBig: it is larger.
            serializers.ValidationError: some text in it is none.
        """
        request = (parser_context or {})["request"]
        if int(request.META.get("CONTENT_LENGTH") or LIMIT + 1) > LIMIT:
            raise RequestDataTooBig
        value: dict[str, Any] = super().parse(stream, media_type, parser_context)
        _refuse_surrogates(value)
        return value


def _refuse_surrogates(body: object) -> None:
    """Refuse what JSON can say and neither UTF-8 nor the database can hold."""
    fields = body if isinstance(body, dict) else {"non_field_errors": body}
    for name, value in fields.items():
        try:
            json.dumps({name: value}, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            shown = name.encode(errors="backslashreplace").decode()
            message = "This holds lone surrogates; send a path that is not UTF-8 as `path_b64`."
            raise serializers.ValidationError({shown: [message]}) from error
