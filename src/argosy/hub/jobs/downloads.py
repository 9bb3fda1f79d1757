"""The files of a job as one file, written as it is read: however many there are, a piece is in memory at a time."""

import csv
import io
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping

import msgspec
from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import StreamingHttpResponse
from rest_framework.request import Request

from argosy.hub.jobs.files import FileNote, JobFiles
from argosy.hub.jobs.shapes import file_json

COLUMNS = (
    "path", "path_b64", "source", "source_b64", "state", "reason", "error", "type", "size", "site", "task", "step",
)  # fmt: skip
"""Of a CSV file. `..._b64` holds the bytes of what is not UTF-8, and is empty otherwise."""


def answer(request: Request, files: JobFiles, *, kind: str, name: str) -> StreamingHttpResponse:
    """Return the files as an answer that is kept as `name`.`kind`."""
    write, content_type = _KINDS[kind]
    pieces = write(files.pieces())
    # a server that waits for many requests at once would first read to its end what is not asynchronous
    content = _waited_for(pieces) if isinstance(request._request, ASGIRequest) else pieces  # noqa: SLF001
    headers = {"Content-Disposition": f'attachment; filename="{name}.{kind}"'}
    return StreamingHttpResponse(content, content_type=content_type, headers=headers)


async def _waited_for(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    while piece := await sync_to_async(_next)(pieces):
        yield piece


def _next(pieces: Iterator[bytes]) -> bytes:
    return next(pieces, b"")


def as_json(pieces: Iterator[list[FileNote]]) -> Iterator[bytes]:
    """Yield a JSON array, a file a line."""
    before = b"[\n"
    for notes in pieces:
        yield before + b",\n".join(msgspec.json.encode(file_json(note)) for note in notes)
        before = b",\n"
    yield b"\n]\n" if before == b",\n" else b"[]\n"


def as_csv(pieces: Iterator[list[FileNote]]) -> Iterator[bytes]:
    """Yield CSV (RFC 4180, UTF-8) with a header; line ends in a name stand between quotes."""
    yield _lines([dict(zip(COLUMNS, COLUMNS, strict=True))])
    for notes in pieces:
        yield _lines(map(file_json, notes))


def _lines(rows: Iterable[Mapping[str, object]]) -> bytes:
    text = io.StringIO(newline="")
    lines = ([row.get(column, "") for column in COLUMNS] for row in rows)
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows(lines)
    return text.getvalue().encode()


_KINDS: dict[str, tuple[Callable[[Iterator[list[FileNote]]], Iterator[bytes]], str]] = {
    "json": (as_json, "application/json"),
    "csv": (as_csv, "text/csv; charset=utf-8"),
}
