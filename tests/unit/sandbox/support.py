"""Calling the stand-in without a socket, and a clock that stands still."""

import asyncio
import json
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from sandbox.app import Sandbox
from sandbox.world import World

AGREEMENT = 1442871
TOKENS = {"X-AppSecretToken": "sandbox-app-secret", "X-AgreementGrantToken": f"sandbox-grant-{AGREEMENT}"}
MINIMAL: dict[str, Any] = {
    "name": "Anders And",
    "currency": "DKK",
    "customerGroup": {"customerGroupNumber": 1},
    "paymentTerms": {"paymentTermsNumber": 1},
    "vatZone": {"vatZoneNumber": 1},
}


class Clock:
    """Noon of 2026-05-04 UTC until told otherwise."""

    def __init__(self) -> None:
        self.seconds = 1_777_896_000.0

    def now(self) -> float:
        """Seconds since 1970."""
        return self.seconds

    def today(self) -> int:
        """The ordinal of that day."""
        return date(2026, 5, 4).toordinal()


@dataclass
class Reply:
    """An answer, read whole."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body; fractions are Decimals, as they were written."""
        return json.loads(self.body, parse_float=Decimal)


class Caller:
    """Calls the application in this process, on one event loop that also sends its webhooks."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self.clock = Clock()
        self.world = World(clock=self.clock)
        self.app = Sandbox(self.world)
        self.runner = runner

    def __call__(
        self, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None, **query: Any
    ) -> Reply:
        """One call with the default tokens; `headers` replace them when given."""
        sent = dict(TOKENS if headers is None else headers)
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        if raw and "Content-Type" not in sent:
            sent["Content-Type"] = "application/json"
        return self.runner.run(self._call(method, path, raw, sent, urlencode(query)))

    def keyed(self, key: str, method: str, path: str, body: Any = None) -> Reply:
        """One call with an idempotency key."""
        return self(method, path, body, headers={**TOKENS, "Idempotency-Key": key})

    def control(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """One control call below the default agreement, which must succeed."""
        return self.plain_control(method, f"agreements/{AGREEMENT}/{path}", body, **query)

    def plain_control(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """One control call, which must succeed."""
        reply = self(method, f"/_control/{path}", body, headers={}, **query)
        assert reply.status < 300, reply.body
        return reply.json if reply.body else None

    async def _call(self, method: str, path: str, body: bytes, headers: dict[str, str], query: str) -> Reply:
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query.encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
            "client": None,
        }
        await self.app(scope, receive, send)
        found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return Reply(sent[0]["status"], found, b"".join(message["body"] for message in sent[1:]))


@dataclass
class Arrived:
    """One webhook as it came over the wire."""

    line: str
    headers: dict[str, str]
    body: str


class Receiver:
    """A webhook receiver on a free port; answers are taken from `statuses`, then 202."""

    def __init__(self) -> None:
        self.arrived: list[Arrived] = []
        self.statuses: list[int] = []
        self._server: asyncio.Server | None = None
        self._writers: list[asyncio.StreamWriter] = []

    async def start(self) -> str:
        """Listen; returns the base URL."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()
        return f"http://{host}:{port}"

    async def stop(self) -> None:
        """Stop listening, and hang up: from Python 3.12 on closing waits for the connections."""
        if self._server:
            self._server.close()
            for writer in self._writers:
                writer.close()
            await self._server.wait_closed()

    @property
    def bodies(self) -> list[str]:
        """The bodies in order of arrival."""
        return [one.body for one in self.arrived]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).decode():
                line, *rest = head.rstrip().split("\r\n")
                headers = {name.lower(): value for name, _, value in (header.partition(": ") for header in rest)}
                body = (await reader.readexactly(int(headers.get("content-length", "0")))).decode()
                self.arrived.append(Arrived(line, headers, body))
                status = self.statuses.pop(0) if self.statuses else 202
                writer.write(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status)
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()
