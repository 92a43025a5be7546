"""Requests, answers, and JSON with exact decimals."""

from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any, TypeVar
from urllib.parse import parse_qsl, unquote

import msgspec

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Header = tuple[bytes, bytes]

JSON = b"application/json; charset=utf-8"
PROBLEM = b"application/problem+json; charset=utf-8"

REST_HOST = "https://restapi.e-conomic.com"
"""Links carry the production host, as the real thing does; clients rebase or ignore them."""

encode = msgspec.json.Encoder(decimal_format="number").encode
_decode = msgspec.json.Decoder(float_hook=Decimal).decode
T = TypeVar("T")


@dataclass(slots=True)
class Answer:
    """What goes back to the caller; `body` is already serialised."""

    status: int
    body: bytes = b""
    content_type: bytes = JSON
    headers: list[Header] = field(default_factory=list)


class Refused(Exception):
    """Ends a request with an answer other than success, where the reason is known."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


class Request:
    """One HTTP request, read whole."""

    def __init__(self, method: str, path: str, query: bytes, headers: dict[bytes, bytes], body: bytes) -> None:
        self.method = method
        self.path = path
        self.raw_query = query
        self.headers = headers
        self.body = body

    @classmethod
    async def read(cls, scope: Scope, receive: Receive) -> "Request":
        """Collect the body; reading a GET's body is skipped unless it announces one."""
        headers = dict(scope["headers"])
        body = b""
        if scope["method"] not in ("GET", "HEAD") or b"content-length" in headers or b"transfer-encoding" in headers:
            chunks = []
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    break
                chunks.append(message.get("body", b""))
                if not message.get("more_body"):
                    break
            body = b"".join(chunks)
        return cls(scope["method"], scope["path"], scope["query_string"], headers, body)

    @cached_property
    def pairs(self) -> list[tuple[str, str]]:
        """The query parameters in the order they were sent."""
        return parse_qsl(self.raw_query.decode("latin-1"), keep_blank_values=True) if self.raw_query else []

    @cached_property
    def query(self) -> dict[str, str]:
        """The query parameters; names are case-insensitive, the last one wins."""
        return {name.lower(): value for name, value in self.pairs}

    @cached_property
    def segments(self) -> list[str]:
        """The path in parts, without empty ones."""
        return [unquote(part) for part in self.path.split("/") if part]

    @property
    def is_openapi(self) -> bool:
        """Whether the path belongs to an OpenAPI service, whose errors have another shape."""
        return self.path.startswith(("/q2capi/", "/webhooksapi/"))

    def header(self, name: bytes) -> str:
        """A header's value, or an empty string."""
        return self.headers.get(name, b"").decode("latin-1")

    def json(self) -> Any:
        """
        The body as JSON with `Decimal` for fractions.

        Raises:
            msgspec.DecodeError: the body is not JSON.
        """
        return _decode(self.body)

    def read_as(self, kind: type[T]) -> T:
        """
        The body as one of the control API's structures; an empty body is `{}`.

        Raises:
            msgspec.ValidationError: a field is unknown or of the wrong type.
        """
        return msgspec.json.decode(self.body or b"{}", type=kind)


def as_json(value: Any, status: int = 200) -> Answer:
    """A JSON answer."""
    return Answer(status, encode(value))
