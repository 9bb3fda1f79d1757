"""A proxy in front of a real S3 server that misbehaves as it is told."""

import base64
import hashlib
import http.client
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import crc32c
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.servers import ACCESS_KEY, SECRET_KEY

Fault = str
"""`503`, `507`, `404`, `busy` (503, and to come back in a second), `hang` (no reply), `lost` (done, but the reply is
lost), `page` (a page in the place of whatever was asked for), `truncate` (half of the body), `yes` (success, but
nothing was done), `flip` (one bit of the request's body is turned), `forge` (one bit of the body is turned, on its way
there or else back, and all checksums and signatures are made anew), `slow` (piece by piece)."""
PIECES = 20
PAUSE = 0.02
SUMS: dict[str, Callable[[bytes], bytes]] = {
    "content-md5": lambda body: hashlib.md5(body).digest(),
    "x-amz-checksum-sha256": lambda body: hashlib.sha256(body).digest(),
    "x-amz-checksum-sha1": lambda body: hashlib.sha1(body).digest(),
    "x-amz-checksum-crc32c": lambda body: crc32c.crc32c(body).to_bytes(4, "big"),
}
SIGNED = {"authorization", "x-amz-date", "x-amz-content-sha256"}


class Faulty:
    """The proxy. Each fault is used once, on the first request it fits; `seen` holds all requests."""

    def __init__(self, upstream: str) -> None:
        self.upstream = urlsplit(upstream)
        self.seen: list[str] = []
        self.faults: list[tuple[Callable[[str], bool], Fault]] = []
        self.always: Fault = ""
        self.released = threading.Event()
        self.sign: Callable[[str, str, dict[str, str]], dict[str, str]] | None = None
        """Returns the headers of a request with a signature of their own, where it is not as S3 wants it."""
        self._lock = threading.Lock()

    def add(self, fits: str, *faults: Fault) -> None:
        """Use these on the next requests whose line holds `fits`."""
        self.faults += [(lambda line: fits in line, fault) for fault in faults]

    def take(self, line: str) -> Fault:
        with self._lock:
            self.seen.append(line)
            for number, (fits, fault) in enumerate(self.faults):
                if fits(line):
                    del self.faults[number]
                    return fault
            return self.always


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    faulty: Faulty

    def handle_one(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fault = self.faulty.take(f"{self.command} {self.path}")
        if fault == "hang":
            self.faulty.released.wait(60)
            self.close_connection = True
            return
        if fault in {"503", "507", "404"}:
            code = "NoSuchKey" if fault == "404" else "Trouble"
            self.answer(int(fault), [], f"<Error><Code>{code}</Code></Error>".encode())
            return
        if fault == "busy":
            self.answer(503, [("Retry-After", "1")], b"")
            return
        if fault == "page":
            self.answer(200, [("Content-Type", "text/html")], b"<html>Who are you?</html>")
            return
        if fault == "yes":
            self.answer(200, [("ETag", '"0"')], b"")
            return
        status, headers, reply = self.forward(body, fault)
        if fault == "lost":
            self.close_connection = True
            return
        if fault == "forge" and not body:
            reply = flipped(reply)
            headers = list(resummed(headers, reply))
        self.answer(status, headers, reply, cut=fault == "truncate", slow=fault == "slow")

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_one  # noqa: N815 - names of http.server

    def forward(self, body: bytes, fault: Fault) -> tuple[int, list[tuple[str, str]], bytes]:
        headers = dict(self.headers.items())
        if fault == "flip":
            body = flipped(body)
        if fault == "forge" and body:
            body = flipped(body)
            headers = self.signed(dict(resummed(list(headers.items()), body)), body)
        upstream = http.client.HTTPConnection(self.faulty.upstream.hostname, self.faulty.upstream.port)
        try:
            upstream.request(self.command, self.path, body=body or None, headers=headers)
            reply = upstream.getresponse()
            return reply.status, reply.getheaders(), reply.read()
        finally:
            upstream.close()

    def signed(self, headers: dict[str, str], body: bytes) -> dict[str, str]:
        """Return the headers of a request as if our client had sent this body."""
        if self.faulty.sign:
            return self.faulty.sign(self.command, self.path, headers)
        kept = {name: value for name, value in headers.items() if name.lower() not in SIGNED}
        request = AWSRequest(self.command, f"http://{self.headers['Host']}{self.path}", headers=kept, data=body)
        S3SigV4Auth(Credentials(ACCESS_KEY, SECRET_KEY), "s3", "us-east-1").add_auth(request)
        return dict(request.headers.items())

    def answer(
        self, status: int, headers: list[tuple[str, str]], body: bytes, *, cut: bool = False, slow: bool = False
    ) -> None:
        self.send_response(status)
        names = {name.lower() for name, _ in headers}
        for name, value in headers:
            if name.lower() not in {"connection", "transfer-encoding"}:
                self.send_header(name, value)
        if "content-length" not in names:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            step = len(body) // PIECES + 1 if slow else len(body) + 1
            for start in range(0, len(body), step):
                self.wfile.write(body[start : start + step][: len(body) // 2 if cut else None])
                time.sleep(PAUSE if slow else 0)
        self.close_connection |= cut

    def log_message(self, *args: object) -> None:
        pass


def flipped(body: bytes) -> bytes:
    """Return the body with one bit turned."""
    return bytes([body[0] ^ 1]) + body[1:]


def resummed(headers: list[tuple[str, str]], body: bytes) -> Iterator[tuple[str, str]]:
    """Yield the headers with the checksums of this body."""
    for name, value in headers:
        make = SUMS.get(name.lower())
        yield name, base64.b64encode(make(body)).decode() if make else value


@contextmanager
def standing_before(upstream: str) -> Iterator[tuple[Faulty, str]]:
    """Run a proxy before the server; yields it and its URL."""
    faulty = Faulty(upstream)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"faulty": faulty}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield faulty, f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        faulty.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
