"""Every error of the API has one shape: a problem document (RFC 9457), never a stack trace."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from django.core.exceptions import BadRequest, RequestDataTooBig, SuspiciousOperation
from django.db import DataError, IntegrityError
from django.db import Error as DatabaseTrouble
from django.http import Http404, HttpRequest, JsonResponse
from rest_framework import exceptions, views
from rest_framework.response import Response
from rest_framework_simplejwt.exceptions import TokenError

from argosy.core.errors import (
    ArgosyError,
    Changed,
    Corrupt,
    Denied,
    Exhausted,
    Exists,
    Invalid,
    NotFound,
    Unavailable,
    Unsupported,
)
from argosy.hub.common.disk import explained, is_full
from argosy.hub.common.errors import Conflict, TimedOut
from argosy.hub.common.trouble import is_busy

log = structlog.get_logger()

CONTENT_TYPE = "application/problem+json"

STATUS: dict[type[ArgosyError], int] = {
    Invalid: 400,
    Unsupported: 400,
    Denied: 403,
    NotFound: 404,
    Exists: 409,
    Changed: 409,
    Conflict: 409,
    Corrupt: 500,
    TimedOut: 504,
    Unavailable: 503,
    Exhausted: 507,
}
LONGEST = 2000
"""Characters of a sentence, which may hold what was sent."""
_UNSENT = "the hub could not answer; its log says why"


def handle(error: Exception, context: Mapping[str, Any]) -> Response:
    """Return the problem document of an error that left a view."""
    if is_full(error):
        error = Exhausted(explained())  # which has logged it, now and then
    if isinstance(error, TokenError):
        error = exceptions.AuthenticationFailed(str(error))
    if isinstance(error, Http404):
        error = exceptions.NotFound(_missing(context))
    known = views.exception_handler(error, dict(context))
    if known is not None:
        code = getattr(error, "default_code", "not_found")
        document = problem(known.status_code, code=code, **_explained(known.data))
        headers = {name: known[name] for name in ("WWW-Authenticate", "Retry-After", "Allow") if name in known}
        return Response(document, known.status_code, headers=headers, content_type=CONTENT_TYPE)
    status, code, detail = _classified(error)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR and not isinstance(error, Exhausted):
        log.error("request failed", status=status, error=type(error).__name__, exc_info=error)
    return Response(problem(status, code=code, detail=detail), status, content_type=CONTENT_TYPE)


def _missing(context: Mapping[str, Any]) -> str:
    """Say `there is no job 99` where a view looked for one."""
    view, given = context.get("view"), list((context.get("kwargs") or {}).values())
    queryset = getattr(view, "queryset", None)
    if queryset is None or not given:
        return "there is nothing at this address"
    return f"there is no {queryset.model.__name__.lower()} {given[0]}"


def problem(status: int, *, code: str, detail: str, errors: Any = None) -> dict[str, Any]:
    """Return the document."""
    document: dict[str, Any] = {
        "type": f"urn:argosy:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": _shortened(detail),
    }
    return document | ({"errors": _shortened(errors)} if errors else {})


def _shortened(said: Any) -> Any:
    """Return what is said, each sentence of a length that can be read: it may hold what was sent."""
    if isinstance(said, Mapping):
        return {str(_shortened(key)): _shortened(value) for key, value in said.items()}
    if isinstance(said, (list, tuple)):
        return [_shortened(value) for value in said]
    return f"{said[:LONGEST]} ..." if isinstance(said, str) and len(said) > LONGEST else said


def refused(errors: Mapping[str, list[str]]) -> JsonResponse:
    """Answer a request that is refused before a view has seen it, for what is wrong with its parts."""
    return JsonResponse(problem(400, code="invalid", **_explained(errors)), status=400, content_type=CONTENT_TYPE)


def bad_request(request: HttpRequest, exception: Exception) -> JsonResponse:
    """Answer a request that could not even be read."""
    return _plain(request, 400, "invalid", "the request cannot be read", exception)


def forbidden(request: HttpRequest, exception: Exception) -> JsonResponse:
    """Answer a request that is not allowed."""
    return _plain(request, 403, "denied", "you may not do this", exception)


def not_found(request: HttpRequest, exception: Exception) -> JsonResponse:
    """Answer a request for an address that does not exist."""
    hint = "" if request.path.endswith("/") else ": addresses end in /"
    return _plain(request, 404, "not_found", f"there is nothing at {request.path}{hint}", exception)


def server_error(request: HttpRequest) -> JsonResponse:
    """Answer a request that broke the hub."""
    return _plain(request, 500, "error", _UNSENT)


def _plain(request: HttpRequest, status: int, code: str, detail: str, error: Exception | None = None) -> JsonResponse:
    log.info("request refused", path=request.path, status=status, error=type(error).__name__)
    return JsonResponse(problem(status, code=code, detail=detail), status=status, content_type=CONTENT_TYPE)


def _classified(error: Exception) -> tuple[int, str, str]:
    if isinstance(error, ArgosyError):
        kind = next((known for known in type(error).__mro__ if known in STATUS), None)
        return STATUS[kind] if kind else 500, error.code, error.message
    if isinstance(error, DatabaseTrouble):
        return _of_database(error)
    if isinstance(error, RequestDataTooBig):
        return 413, "invalid", "the request is too large"
    if isinstance(error, (RecursionError, SuspiciousOperation, BadRequest)):
        return 400, "invalid", "the request cannot be read"
    return 500, "error", _UNSENT


def _of_database(error: DatabaseTrouble) -> tuple[int, str, str]:
    if is_busy(error):
        return 503, "unavailable", "the hub is busy, with recording or with many requests: try again in a moment"
    if isinstance(error, DataError):
        return 400, "invalid", f"this cannot be recorded: {str(error).partition(chr(10))[0]}"
    if isinstance(error, IntegrityError):
        return 409, "conflict", "this conflicts with what is recorded: read it again"
    return 500, "error", _UNSENT


def _explained(data: Any) -> dict[str, Any]:
    """Return one sentence and, where single fields are at fault, what is wrong with each."""
    if isinstance(data, dict) and "detail" in data and set(data) <= {"detail", "code", "messages"}:
        return {"detail": str(data["detail"])}
    return {"detail": "; ".join(_sentences(data)), "errors": data}


def _sentences(data: Any, name: str = "") -> list[str]:
    if isinstance(data, Mapping):
        return [
            text
            for key, value in data.items()
            for text in _sentences(value, name if key == "non_field_errors" else f"{name}.{key}".strip("."))
        ][:10]
    if isinstance(data, (list, tuple)):
        return [text for value in data for text in _sentences(value, name)][:10]
    said = str(data).removesuffix(".")
    return [f"{name}: {said}" if name else said]
