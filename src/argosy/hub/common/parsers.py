"""Bodies of requests."""

import json
import os
from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from rest_framework import parsers, serializers
from rest_framework.exceptions import ParseError
from rest_framework.utils.json import strict_constant

from argosy.core import once
from argosy.core.errors import Invalid

LIMIT: int = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
"""Bytes of the largest body."""


class Measured(ASGIRequest):
    """A request that says how long its body is: one that came in pieces did not, and nothing would read it."""

    def __init__(self, scope: dict[str, Any], body_file: IO[bytes]) -> None:
        super().__init__(scope, body_file)
        self.META["CONTENT_LENGTH"] = str(body_file.seek(0, os.SEEK_END))
        body_file.seek(0)


class Handler(ASGIHandler):
    """Django, with such requests."""

    request_class = Measured


class BoundedJSON(parsers.JSONParser):
    """JSON of at most `LIMIT` bytes."""

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,  # noqa: ARG002 - as the framework calls it
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Return the value of the body.

        Raises:
            RequestDataTooBig: it is larger.
            serializers.ValidationError: some text in it is none, or an object gives a key twice.
            ParseError: it is no JSON.
        """
        request = (parser_context or {})["request"]
        if int(request.META.get("CONTENT_LENGTH") or LIMIT + 1) > LIMIT:
            raise RequestDataTooBig
        encoding = (parser_context or {}).get("encoding", settings.DEFAULT_CHARSET)
        value = _decoded(stream.read(), encoding)
        _refuse_surrogates(value)
        return value


def _decoded(body: bytes, encoding: str) -> dict[str, Any]:
    try:
        value: dict[str, Any] = once.loads(body.decode(encoding), parse_constant=strict_constant)
    except Invalid as error:
        message = error.message.encode(errors="backslashreplace").decode()
        place, _, said = message.partition(": ")
        raise serializers.ValidationError({place: [said]}) from error
    except ValueError as error:
        raise ParseError(f"JSON parse error - {error}") from error
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
