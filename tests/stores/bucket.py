"""A bucket in memory that answers as Amazon S3 does where no server at hand would: archive classes, abilities amiss.

After these pages of the Amazon S3 API reference: PutObject, GetObject (`InvalidObjectState`), HeadObject
(`x-amz-storage-class`, `x-amz-restore`), RestoreObject (202, 200, `RestoreAlreadyInProgress`), CopyObject
(`ObjectNotInActiveTierError`), DeleteObject, ListObjectsV2, ListObjectVersions, CreateMultipartUpload, UploadPart,
UploadPartCopy, CompleteMultipartUpload.
Signatures are not looked at.
"""

import base64
import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import crc32c

ARCHIVED = {"GLACIER", "DEEP_ARCHIVE"}


@dataclass
class Kept:
    """One version of an object."""

    data: bytes
    etag: str
    version: str
    described: dict[str, str]
    kind: str
    ongoing: bool = False
    restored: bool = False

    @property
    def readable(self) -> bool:
        return self.kind not in ARCHIVED or self.restored


@dataclass
class Bucket:
    """The bucket: what it can do is set by whoever makes it, `seen` holds all requests with their headers."""

    trouble: int = 0
    """Status of all answers, where not 0."""
    word: str = "Trouble"
    """And their code."""
    conditions: bool = True
    checksums: bool = True
    versions: bool = False
    suspended: bool = False
    """Versions there were are kept; what is put now has the version `null`, which the next put replaces."""
    copies: bool = True
    parts: bool = True
    objects: dict[str, list[Kept]] = field(default_factory=dict)
    uploads: dict[str, dict[str, Any]] = field(default_factory=dict)
    seen: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    restores: list[bytes] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def keep(self, key: str, data: bytes, headers: dict[str, str], etag: str = "") -> Kept:
        described = {name: value for name, value in headers.items() if name.startswith("x-amz-meta-")}
        tag = etag or f'"{hashlib.md5(data).hexdigest()}"'
        version = "null" if self.suspended else f"v{len(self.seen)}" if self.versions else ""
        made = Kept(data, tag, version, described, headers.get("x-amz-storage-class", "STANDARD"))
        before = self.objects.get(key, []) if self.versions or self.suspended else []
        self.objects[key] = [*(one for one in before if one.version != "null"), made]
        return made

    def find(self, key: str, version: str = "") -> Kept | None:
        kept = self.objects.get(key, [])
        return next((one for one in reversed(kept) if version in {"", one.version}), None)

    def finish_restores(self) -> None:
        """Let hours pass."""
        for kept in self.objects.values():
            for one in kept:
                one.restored, one.ongoing = one.restored or one.ongoing, False


class Refusal(Exception):
    def __init__(self, status: int, code: str) -> None:
        self.status, self.code = status, code


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    bucket: Bucket

    def handle_one(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = urlsplit(self.path)
        self.sent = {name.lower(): value for name, value in self.headers.items()}
        self.asked = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        key = unquote(parts.path).lstrip("/").partition("/")[2]
        if self.sent["host"].startswith("bkt."):
            key = unquote(parts.path).lstrip("/")
        with self.bucket.lock:
            self.bucket.seen.append((self.command, self.path, self.sent))
            try:
                self.check_trouble()
                getattr(self, f"on_{self.command.lower()}")(key, body)
            except Refusal as refusal:
                self.answer(refusal.status, f"<Error><Code>{refusal.code}</Code></Error>")

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_one  # noqa: N815 - names of http.server

    def on_put(self, key: str, body: bytes) -> None:
        if "partNumber" in self.asked:
            self.on_part(body)
            return
        if origin := self.sent.get("x-amz-copy-source"):
            self.on_copy(key, origin)
            return
        self.check_sum(body)
        self.check_conditions(key)
        self.made(self.bucket.keep(key, body, self.sent))

    def on_part(self, body: bytes) -> None:
        upload, number = self.bucket.uploads[self.asked["uploadId"]], int(self.asked["partNumber"])
        if origin := self.sent.get("x-amz-copy-source"):
            first, last = map(int, self.sent["x-amz-copy-source-range"].removeprefix("bytes=").split("-"))
            upload["parts"][number] = self.origin(origin).data[first : last + 1]
            self.answer(200, '<CopyPartResult><ETag>"p"</ETag></CopyPartResult>')
            return
        self.check_sum(body)
        upload["parts"][number] = body
        self.answer(200, "", ETag='"p"')

    def on_copy(self, key: str, origin: str) -> None:
        if not self.bucket.copies:
            raise Refusal(501, "NotImplemented")
        found = self.origin(origin, "ObjectNotInActiveTierError")
        kind = {"x-amz-storage-class": self.sent.get("x-amz-storage-class", "STANDARD")}
        made = self.bucket.keep(key, found.data, found.described | kind, found.etag)
        self.answer(200, f"<CopyObjectResult><ETag>{made.etag}</ETag></CopyObjectResult>")

    def origin(self, origin: str, refusal: str = "InvalidObjectState") -> Kept:
        path, _, version = unquote(origin).lstrip("/").partition("?versionId=")
        found = self.present(path.partition("/")[2], version)
        if not found.readable:
            raise Refusal(403, refusal)
        if self.sent.get("x-amz-copy-source-if-match", found.etag) != found.etag:
            raise Refusal(412, "PreconditionFailed")
        return found

    def on_post(self, key: str, body: bytes) -> None:
        if "restore" in self.asked:
            self.on_restore(key, body)
        elif not self.bucket.parts:
            raise Refusal(501, "NotImplemented")
        elif "uploads" in self.asked:
            name = f"u{len(self.bucket.seen)}"
            self.bucket.uploads[name] = {"headers": self.sent, "parts": {}}
            said = f"<UploadId>{name}</UploadId>"
            self.answer(200, f"<InitiateMultipartUploadResult>{said}</InitiateMultipartUploadResult>")
        else:
            self.check_conditions(key)
            upload = self.bucket.uploads.pop(self.asked["uploadId"])
            data = b"".join(upload["parts"][number] for number in sorted(upload["parts"]))
            made = self.bucket.keep(key, data, upload["headers"], f'"{hashlib.md5(data).hexdigest()}-{len(data)}"')
            said = f"<ETag>{made.etag}</ETag>"
            answer = f"<CompleteMultipartUploadResult>{said}</CompleteMultipartUploadResult>"
            self.answer(200, answer, **{"x-amz-version-id": made.version})

    def on_restore(self, key: str, body: bytes) -> None:
        found = self.present(key)
        if found.kind not in ARCHIVED:
            raise Refusal(403, "InvalidObjectState")
        if found.ongoing:
            raise Refusal(409, "RestoreAlreadyInProgress")
        self.bucket.restores.append(body)
        found.ongoing = not found.restored
        self.answer(200 if found.restored else 202, "")

    def on_get(self, key: str, body: bytes) -> None:
        if "versions" in self.asked:
            self.on_list_versions()
        elif "list-type" in self.asked:
            self.on_list()
        else:
            found = self.present(key)
            if not found.readable:
                raise Refusal(403, "InvalidObjectState")
            if self.sent.get("if-match", found.etag) != found.etag:
                raise Refusal(412, "PreconditionFailed")
            self.answer_object(found)

    def answer_object(self, found: Kept) -> None:
        span = re.fullmatch(r"bytes=(\d+)-(\d*)", self.sent.get("range", ""))
        if not span:
            self.answer(200, found.data, **self.described(found))
            return
        first, last = int(span[1]), min(int(span[2] or len(found.data)), len(found.data) - 1)
        if first >= len(found.data):
            raise Refusal(416, "InvalidRange")
        window = f"bytes {first}-{last}/{len(found.data)}"
        self.answer(206, found.data[first : last + 1], **self.described(found), **{"Content-Range": window})

    def on_head(self, key: str, body: bytes) -> None:
        found = self.present(key)
        self.answer(200, found.data, **self.described(found))

    def described(self, found: Kept) -> dict[str, str]:
        said = {"ETag": found.etag, "Last-Modified": "Sun, 22 Nov 2026 06:00:00 GMT", **found.described}
        if found.version:
            said["x-amz-version-id"] = found.version
        if found.kind != "STANDARD":
            said["x-amz-storage-class"] = found.kind
        if found.ongoing or found.restored:
            said["x-amz-restore"] = f'ongoing-request="{str(found.ongoing).lower()}"'
        return said

    def on_delete(self, key: str, body: bytes) -> None:
        if upload := self.asked.get("uploadId"):
            self.bucket.uploads.pop(upload, None)
        elif version := self.asked.get("versionId", ""):
            left = [one for one in self.bucket.objects.get(key, []) if (one.version or "null") != version]
            self.bucket.objects[key] = left
        else:
            self.check_conditions(key)
            self.bucket.objects.pop(key, None)
        self.bucket.objects = {name: kept for name, kept in self.bucket.objects.items() if kept}
        self.answer(204, "")

    def on_list(self) -> None:
        rows = "".join(
            f"<Contents><Key>{key}</Key><Size>{len(kept[-1].data)}</Size><ETag>{kept[-1].etag}</ETag>"
            "<LastModified>2026-11-22T06:00:00.000Z</LastModified></Contents>"
            for key, kept in sorted(self.bucket.objects.items())
            if key.startswith(self.asked.get("prefix", ""))
        )
        self.answer(200, f"<ListBucketResult><IsTruncated>false</IsTruncated>{rows}</ListBucketResult>")

    def on_list_versions(self) -> None:
        rows = "".join(
            f"<Version><Key>{key}</Key><VersionId>{one.version or 'null'}</VersionId></Version>"
            for key, kept in self.bucket.objects.items()
            for one in kept
            if key.startswith(self.asked["prefix"])
        )
        self.answer(200, f"<ListVersionsResult><IsTruncated>false</IsTruncated>{rows}</ListVersionsResult>")

    def present(self, key: str, version: str = "") -> Kept:
        found = self.bucket.find(key, version or self.asked.get("versionId", ""))
        if found is None:
            raise Refusal(404, "NoSuchKey")
        return found

    def check_trouble(self) -> None:
        if self.bucket.trouble:
            raise Refusal(self.bucket.trouble, self.bucket.word)

    def check_sum(self, body: bytes) -> None:
        sums = {"sha256": hashlib.sha256(body).digest(), "crc32c": crc32c.crc32c(body).to_bytes(4, "big")}
        for name, right in sums.items():
            said = self.sent.get(f"x-amz-checksum-{name}")
            if self.bucket.checksums and said and base64.b64decode(said) != right:
                raise Refusal(400, "BadDigest")

    def check_conditions(self, key: str) -> None:
        if not self.bucket.conditions:
            return
        found = self.bucket.find(key)
        if found and self.sent.get("if-none-match") == "*":
            raise Refusal(412, "PreconditionFailed")
        if "if-match" in self.sent and not (found and found.etag == self.sent["if-match"]):
            raise Refusal(412 if found else 404, "PreconditionFailed" if found else "NoSuchKey")

    def made(self, kept: Kept) -> None:
        self.answer(200, "", ETag=kept.etag, **({"x-amz-version-id": kept.version} if kept.version else {}))

    def answer(self, status: int, body: str | bytes, **headers: str) -> None:
        data = body if isinstance(body, bytes) else body.encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def serving(bucket: Bucket, *, wrap: Any = None) -> Iterator[dict[str, str]]:
    """Serve the bucket, called `bkt`; yields the settings of a store. `wrap` makes a TLS socket of the server's."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"bucket": bucket}))
    server.daemon_threads = True
    if wrap:
        server.socket = wrap(server.socket)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    scheme = "https" if wrap else "http"
    try:
        yield {
            "bucket": "bkt",
            "endpoint": f"{scheme}://localhost:{server.server_address[1]}",
            "accesskeyid": "k",
            "secretaccesskey": "s",
        }
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
