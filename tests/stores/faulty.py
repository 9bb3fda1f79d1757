"""A proxy in front of a real S3 server that misbehaves as it is told."""

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

Fault = str
"""`503`, `507`, `hang` (no reply), `lost` (done, but the reply is lost), `truncate` (half of the body),
`yes` (success, but nothing was done), `flip` (one bit of the request's body is turned)."""


class Faulty:
    """The proxy. Each fault is used once, on the first request it fits; `seen` holds all requests."""

    def __init__(self, upstream: str) -> None:
        self.upstream = urlsplit(upstream)
        self.seen: list[str] = []
        self.faults: list[tuple[Callable[[str], bool], Fault]] = []
        self.always: Fault = ""
        self.released = threading.Event()
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
        if fault in {"503", "507"}:
            self.answer(int(fault), [], b"<Error><Code>Trouble</Code></Error>")
            return
        if fault == "yes":
            self.answer(200, [("ETag", '"0"')], b"")
            return
        status, headers, reply = self.forward(body, fault)
        if fault == "lost":
            self.close_connection = True
            return
        self.answer(status, headers, reply, cut=fault == "truncate")

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_one  # noqa: N815 - names of http.server

    def forward(self, body: bytes, fault: Fault) -> tuple[int, list[tuple[str, str]], bytes]:
        headers = dict(self.headers.items())
        if fault == "flip":
            body = bytes([body[0] ^ 1]) + body[1:]
        upstream = http.client.HTTPConnection(self.faulty.upstream.hostname, self.faulty.upstream.port)
        try:
            upstream.request(self.command, self.path, body=body or None, headers=headers)
            reply = upstream.getresponse()
            return reply.status, reply.getheaders(), reply.read()
        finally:
            upstream.close()

    def answer(self, status: int, headers: list[tuple[str, str]], body: bytes, *, cut: bool = False) -> None:
        self.send_response(status)
        names = {name.lower() for name, _ in headers}
        for name, value in headers:
            if name.lower() not in {"connection", "transfer-encoding"}:
                self.send_header(name, value)
        if "content-length" not in names:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[: len(body) // 2] if cut else body)
        self.close_connection |= cut

    def log_message(self, *args: object) -> None:
        pass


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
