"""The CRM's side of a delivery: an HTTP server that keeps what it gets and answers as it is told."""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from infra.crm.signatures import check, key_of


class Received(NamedTuple):
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        said = json.loads(self.body)
        assert isinstance(said, dict)
        return said

    def checked_with(self, secret: str) -> str:
        """Its webhook-id, if this secret has signed it."""
        get = self.headers.get
        return check(
            [key_of(secret)],
            get("webhook-id"),
            get("webhook-timestamp"),
            get("webhook-signature"),
            self.body,
            now=int(time.time()),
        )


@dataclass
class Receiver:
    """Answers each path by its own status, after `before` has seen the request."""

    address: str
    got: list[Received] = field(default_factory=list)
    status: dict[str, int] = field(default_factory=lambda: defaultdict(lambda: 200))
    headers: dict[str, str] = field(default_factory=dict)
    before: Callable[[Received], None] = lambda request: None

    def ids(self, path: str = "/") -> list[str]:
        return [request.headers["webhook-id"] for request in self.got if request.path == path]


@contextmanager
def receiver() -> Iterator[Receiver]:
    """A receiver on loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            request = Received(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            this.got.append(request)
            this.before(request)
            self.send_response(this.status[self.path])
            for name, value in this.headers.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            pass  # the other side went away

    server = Server(("127.0.0.1", 0), Handler)
    this = Receiver(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=lambda: server.serve_forever(0.01), daemon=True)
    thread.start()
    try:
        yield this
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
