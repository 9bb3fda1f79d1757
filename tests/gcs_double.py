"""A server that behaves as Google's manual says Cloud Storage does; it has never been held against Google.

The pages it follows, all below cloud.google.com/storage/docs:

* `json_api/v1/objects` (get, list, insert, rewrite, delete) and `json_api/v1/status-codes`: paths, fields, errors;
* `request-preconditions` and `generations-preconditions`: `ifGenerationMatch`, 0 for a name that is free, 412;
* `resumable-uploads` and `performing-resumable-uploads`: sessions, `Content-Range`, 308 with `Range`, and that a
  finished upload that is asked again answers as it did;
* `data-validation`: `crc32c` of the resource, or `X-Goog-Hash` of the last part, that does not fit: 400, and nothing is
  stored;
* `object-versioning`: what is replaced is gone, unless the bucket keeps it.

The token endpoint follows developers.google.com/identity/protocols/oauth2/service-account.
"""

import base64
import json
import multiprocessing
import re
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import crc32c
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import jwt

PAGE = 1000


class Refusal(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        self.status = status
        self.reason = reason
        self.message = message


@dataclass(frozen=True)
class Kept:
    """An object."""

    name: str
    data: bytes
    generation: int
    resource: dict[str, Any]


@dataclass
class Session:
    """A resumable upload."""

    resource: dict[str, Any]
    conditions: dict[str, str]
    data: bytearray = field(default_factory=bytearray)
    done: Kept | None = None


@dataclass
class Bucket:
    """A bucket."""

    name: str
    live: dict[str, Kept] = field(default_factory=dict)
    old: list[Kept] = field(default_factory=list)
    versioning: bool = False


class Double:
    """What the server holds. Misbehaves as it is told: `lying` of checksums (none is looked at), `mangling` what it
    keeps, `forgetting` the next upload that has begun, `halving` the next part.
    """

    def __init__(self) -> None:
        self.buckets: dict[str, Bucket] = {}
        self.sessions: dict[str, Session] = {}
        self.tokens: set[str] = set()
        self.lying = self.mangling = self.forgetting = self.halving = False
        self.lock = threading.RLock()
        self.generation = 1_700_000_000_000_000
        self.key = rsa.generate_private_key(65537, 2048)
        self.url = ""

    def bucket(self, *, versioning: bool = False) -> str:
        """Make a bucket and return its name."""
        name = f"test-{secrets.token_hex(8)}"
        self.buckets[name] = Bucket(name, versioning=versioning)
        return name

    def account(self) -> dict[str, str]:
        """Return the JSON file of a service account that is let in."""
        pem = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return {
            "type": "service_account",
            "project_id": "tests",
            "private_key_id": "1",
            "private_key": pem.decode(),
            "client_email": "tests@tests.iam.gserviceaccount.com",
            "token_uri": f"{self.url}/token",
        }

    def settings(self, bucket: str) -> dict[str, str]:
        """Return the settings of a datastore in that bucket, as a configuration holds them."""
        return {"bucket": bucket, "endpoint": self.url, "credentialsfile": json.dumps(self.account())}

    # What can be asked.

    def token(self, assertion: str) -> dict[str, Any]:
        public = self.key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        try:
            claims = jwt.decode(assertion, certs=public, audience="https://oauth2.googleapis.com/token")
        except ValueError as error:
            raise Refusal(400, "invalid_grant", str(error)) from error
        assert claims["scope"]
        token = secrets.token_hex(16)
        self.tokens.add(token)
        return {"access_token": token, "expires_in": 3600, "token_type": "Bearer"}

    def find_bucket(self, name: str) -> Bucket:
        if name not in self.buckets:
            raise Refusal(404, "notFound", "The specified bucket does not exist.")
        return self.buckets[name]

    def find(self, bucket: Bucket, name: str, query: dict[str, str], *, prefix: str = "") -> Kept:
        """Return the object that is asked for, of `generation` where that is given, if the conditions hold."""
        wanted = query.get("sourceGeneration" if prefix else "generation")
        known = [bucket.live.get(name), *bucket.old]
        found = [kept for kept in known if kept and kept.name == name and wanted in {None, str(kept.generation)}]
        if not found or (wanted is None and name not in bucket.live):
            raise Refusal(404, "notFound", f"No such object: {bucket.name}/{name}")
        match = query.get("ifSourceGenerationMatch" if prefix else "ifGenerationMatch")
        if match not in {None, str(found[0].generation)}:
            raise _unmet()
        return found[0]

    def check(self, bucket: Bucket, name: str, query: dict[str, str]) -> None:
        """Return if what is to be written may be."""
        present = bucket.live.get(name)
        if query.get("ifGenerationMatch") not in {None, str(present.generation if present else 0)}:
            raise _unmet()

    def store(self, bucket: Bucket, resource: dict[str, Any], data: bytes, query: dict[str, str], sum_: str) -> Kept:
        """Make an object, if the conditions hold and the checksum fits."""
        if self.mangling:
            data = data[:-1] + bytes([data[-1] ^ 1])
        calculated = checksum(data)
        for given in {resource.get("crc32c"), sum_} - {None, ""}:
            if given != calculated and not self.lying:
                said = f'Provided CRC32C "{given}" doesn\'t match calculated CRC32C "{calculated}".'
                raise Refusal(400, "invalid", said)
        with self.lock:
            self.check(bucket, resource["name"], query)
            self.generation += 1
            self.retire(bucket, resource["name"])
            now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
            key = query.get("kmsKeyName") or query.get("destinationKmsKeyName")
            resource = {**resource, **({"kmsKeyName": key} if key else {})}
            made = Kept(resource["name"], data, self.generation, {**resource, "crc32c": calculated, "updated": now})
            bucket.live[made.name] = made
        return made

    def retire(self, bucket: Bucket, name: str) -> None:
        present = bucket.live.pop(name, None)
        if present and bucket.versioning:
            bucket.old.append(present)

    def describe(self, bucket: Bucket, kept: Kept) -> dict[str, Any]:
        return {
            "kind": "storage#object",
            "storageClass": "STANDARD",
            **kept.resource,
            "bucket": bucket.name,
            "generation": str(kept.generation),
            "metageneration": "1",
            "etag": base64.b64encode(str(kept.generation).encode()).decode(),
            "size": str(len(kept.data)),
            "timeCreated": kept.resource["updated"],
        }

    def list(self, bucket: Bucket, query: dict[str, str]) -> dict[str, Any]:
        with self.lock:
            names = sorted(name for name in bucket.live if name.startswith(query.get("prefix", "")))
            names = [name for name in names if name > query.get("pageToken", "")]
            page = [self.describe(bucket, bucket.live[name]) for name in names[:PAGE]]
        more = {"nextPageToken": names[PAGE - 1]} if len(names) > PAGE else {}
        return {"kind": "storage#objects", **({"items": page} if page else {}), **more}


def checksum(data: bytes) -> str:
    """Return the CRC32C as Google writes it."""
    return base64.b64encode(crc32c.crc32c(bytes(data)).to_bytes(4, "big")).decode()


def _unmet() -> Refusal:
    return Refusal(412, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.")


OBJECTS = r"(?:/download|/upload)?/storage/v1/b/([^/]+)/o"


class Handler(BaseHTTPRequestHandler):
    """One request. Answers are JSON but for media."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    double: Double

    def handle_one(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        split = urlsplit(self.path)
        self.query = {name: values[-1] for name, values in parse_qs(split.query, keep_blank_values=True).items()}
        try:
            self.route(split.path)
        except Refusal as no:
            error = {"code": no.status, "message": no.message, "errors": [{"reason": no.reason, "message": no.message}]}
            self.answer(no.status, {"error": no.reason if split.path == "/token" else error})

    do_GET = do_PUT = do_POST = do_DELETE = handle_one  # noqa: N815 - names of http.server

    def route(self, path: str) -> None:
        if path == "/token":
            form = parse_qs(self.body.decode())
            self.answer(200, self.double.token(form["assertion"][0]))
            return
        if self.headers.get("Authorization", "").removeprefix("Bearer ") not in self.double.tokens:
            raise Refusal(401, "authError", "Invalid Credentials")
        routes: list[tuple[str, str, Callable[..., None]]] = [
            ("GET", OBJECTS, self.list),
            ("POST", OBJECTS, self.insert),
            ("PUT", OBJECTS, self.resume),
            ("GET", OBJECTS + r"/([^/]+)", self.get),
            ("DELETE", OBJECTS + r"/([^/]+)", self.delete),
            ("POST", OBJECTS + r"/([^/]+)/rewriteTo/b/([^/]+)/o/([^/]+)", self.rewrite),
        ]
        for verb, pattern, action in routes:
            if verb == self.command and (match := re.fullmatch(pattern, path)):
                bucket, *rest = map(unquote, match.groups())
                action(self.double.find_bucket(bucket), *rest)
                return
        raise Refusal(404, "notFound", "Not Found")

    def list(self, bucket: Bucket) -> None:
        found = self.double.list(bucket, self.query)
        if wanted := re.search(r"items\(([\w,]+)\)", self.query.get("fields", "")):
            names = wanted[1].split(",")
            found["items"] = [{name: item[name] for name in names} for item in found.get("items", ())]
        self.answer(200, found)

    def get(self, bucket: Bucket, name: str) -> None:
        with self.double.lock:
            kept = self.double.find(bucket, name, self.query)
        if self.query.get("alt") != "media":
            self.answer(200, self.double.describe(bucket, kept))
            return
        headers = {
            "X-Goog-Generation": str(kept.generation),
            "X-Goog-Metageneration": "1",
            "X-Goog-Hash": f"crc32c={kept.resource['crc32c']}",
            "Content-Type": "application/octet-stream",
        }
        span = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not span:
            self.send(200, headers, kept.data)
            return
        size = len(kept.data)
        start, end = int(span[1]), min(int(span[2] or size), size - 1)
        if start >= size:
            self.send(416, {"Content-Range": f"bytes */{size}"}, b"The requested range cannot be satisfied.")
            return
        self.send(206, {**headers, "Content-Range": f"bytes {start}-{end}/{size}"}, kept.data[start : end + 1])

    def insert(self, bucket: Bucket) -> None:
        if self.query["uploadType"] == "multipart":
            boundary = re.search(r'boundary="?([^";]+)', self.headers["Content-Type"])
            assert boundary
            _, first, second, _ = self.body.split(b"--" + boundary[1].encode())
            resource = json.loads(first.partition(b"\r\n\r\n")[2])
            data = second.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n")
            made = self.double.store(bucket, resource, data, self.query, "")
            self.answer(200, self.double.describe(bucket, made))
            return
        resource = json.loads(self.body)
        with self.double.lock:
            self.double.check(bucket, resource["name"], self.query)
        upload = secrets.token_hex(16)
        self.double.sessions[upload] = Session(resource, self.query)
        host = self.headers["Host"]
        location = f"http://{host}/upload/storage/v1/b/{bucket.name}/o?uploadType=resumable&upload_id={upload}"
        self.send(200, {"Location": location}, b"")

    def resume(self, bucket: Bucket) -> None:
        session = self.double.sessions.get(self.query["upload_id"])
        if session is None or self.double.forgetting:
            self.double.forgetting = False
            raise Refusal(404, "notFound", "No such upload")
        if session.done is None:
            self.take(bucket, session)
        if session.done:
            self.answer(200, self.double.describe(bucket, session.done))
            return
        self.send(308, {"Range": f"bytes=0-{len(session.data) - 1}"} if session.data else {}, b"")

    def take(self, bucket: Bucket, session: Session) -> None:
        """Keep what came, once; where it was the last, make the object."""
        span = re.fullmatch(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)", self.headers["Content-Range"])
        assert span
        if span[1] is not None:
            start = int(span[1])
            assert start <= len(session.data)
            session.data[start:] = self.body
            if self.double.halving:
                self.double.halving = False
                del session.data[start + (len(self.body) // 2 & -(256 << 10)) :]
                return
        if span[3] == "*":
            assert len(session.data) % (256 << 10) == 0
        elif len(session.data) == int(span[3]):
            given = re.search(r"crc32c=([\w+/=]+)", self.headers.get("X-Goog-Hash", ""))
            sum_ = given[1] if given else ""
            session.done = self.double.store(bucket, session.resource, bytes(session.data), session.conditions, sum_)

    def rewrite(self, bucket: Bucket, name: str, other: str, target: str) -> None:
        """Copy; what is larger than a MiB takes two requests."""
        into = self.double.find_bucket(other)
        with self.double.lock:
            kept = self.double.find(bucket, name, self.query, prefix="source")
            self.double.check(into, target, self.query)
            size = str(len(kept.data))
            if len(kept.data) > 1 << 20 and "rewriteToken" not in self.query:
                part = {"done": False, "totalBytesRewritten": str(1 << 20), "objectSize": size, "rewriteToken": "1"}
                self.answer(200, part)
                return
            resource = {**kept.resource, **(json.loads(self.body) if self.body else {}), "name": target}
            resource.pop("crc32c", None)
            made = self.double.store(into, resource, kept.data, self.query, "")
        described = self.double.describe(into, made)
        self.answer(200, {"done": True, "totalBytesRewritten": size, "objectSize": size, "resource": described})

    def delete(self, bucket: Bucket, name: str) -> None:
        with self.double.lock:
            kept = self.double.find(bucket, name, self.query)
            if "generation" in self.query and kept in bucket.old:
                bucket.old.remove(kept)
            else:
                self.double.retire(bucket, name)
        self.send(204, {}, b"")

    def answer(self, status: int, document: Any) -> None:
        self.send(status, {"Content-Type": "application/json"}, json.dumps(document).encode())

    def send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def running_double() -> Iterator[Double]:
    """Run the server on loopback."""
    double = Double()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"double": double}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    double.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield double
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def double_apart() -> Iterator[dict[str, str]]:
    """Run the server in a process of its own; yields the settings of a datastore there."""
    spawning = multiprocessing.get_context("spawn")
    ours, theirs = spawning.Pipe()
    process = spawning.Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        process.kill()
        process.join()


def _serve(pipe: Connection) -> None:
    with running_double() as double:
        pipe.send(double.settings(double.bucket()))
        pipe.recv()
