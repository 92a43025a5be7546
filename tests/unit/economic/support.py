"""What the tests of the e-conomic client share: recorded bodies, and a client that gets scripted answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import httpx
import msgspec

from domain.accounting_api import AccountingApi
from infra.economic import EconomicClient, EconomicConfig, Meter

NUMBER = 1442871
SECRET = "app-secret-never-shown"
GRANT = "grant-never-shown"
CONFIG = EconomicConfig("http://rest.example", "http://q2c.example/v5/", "http://hooks.example", SECRET)

Handler = Callable[[httpx.Request], httpx.Response]


def samples(name: str) -> list[bytes]:
    """Recorded bodies, one a line, from e-conomic.md."""
    path = Path(__file__).with_name("samples") / f"{name}.jsonl"
    return [line.encode() for line in path.read_text().splitlines()]


def edited(body: bytes, *without: str, **changes: Any) -> bytes:
    """A body without some properties, and with others changed; the rest keeps its very text."""
    fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    kept = {key: value for key, value in fields.items() if key not in without}
    return msgspec.json.encode(kept | changes)


def listed(records: Iterable[bytes], **pagination: Any) -> bytes:
    """A REST list page."""
    return msgspec.json.encode(
        {"collection": [msgspec.Raw(record) for record in records], "pagination": pagination, "self": "…"}
    )


def debtor(number: Any, **fields: Any) -> bytes:
    """A debtor as the lists give it."""
    return msgspec.json.encode({"customerNumber": number, "name": "Nordvind Service A/S", "currency": "DKK"} | fields)


def line(invoice: Any, number: Any, **fields: Any) -> bytes:
    """A line as q2capi gives it."""
    return msgspec.json.encode({"documentId": invoice, "number": number, "totalNetAmount": 50.0} | fields)


def lines_page(records: Iterable[bytes], cursor: Any = None) -> bytes:
    """A cursor list page."""
    page: dict[str, Any] = {"items": [msgspec.Raw(record) for record in records]}
    return msgspec.json.encode(page if cursor is None else page | {"cursor": cursor})


class Answers:
    """Gives its answers in turn, the last one for ever, and keeps the requests."""

    def __init__(self, *answers: bytes | httpx.Response | Exception) -> None:
        self._answers = list(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, bytes):
            return httpx.Response(200, content=answer)
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.read())

    @property
    def urls(self) -> list[str]:
        return [str(request.url) for request in self.requests]


def client(handler: Handler, *, config: EconomicConfig = CONFIG, meter: Meter | None = None) -> EconomicClient:
    """A client on scripted answers that waits for nothing."""
    return EconomicClient(config, httpx.MockTransport(handler), meter, retry_wait_s=0)


def agreement(handler: Handler, *, config: EconomicConfig = CONFIG, meter: Meter | None = None) -> AccountingApi:
    """One agreement on scripted answers."""
    return client(handler, config=config, meter=meter).agreement(NUMBER, GRANT)
