"""Webhooks as they are set up, and the templates their requests are made from."""

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

_TOKEN = re.compile(r"\[([A-Z]+)\]")


@dataclass(frozen=True, slots=True)
class EventType:
    """A kind of event, and the merge fields its templates may use."""

    name: str
    description: str
    merge_fields: tuple[tuple[str, str], ...]


_NUMBERS = (("OLDNUMBER", "The number before the change."), ("NEWNUMBER", "The number after the change."))
EVENT_TYPES = {
    event.name: event
    for event in (
        EventType("INVOICE_BOOKED", "An invoice was booked.", (("INVOICENO", "The number of the invoice."),)),
        EventType(
            "DAYBOOK_BOOKED",
            "A day book was booked.",
            (
                ("DAYBOOKNO", "The number of the day book."),
                ("FROMSERIALNO", "The first serial number."),
                ("TOSERIALNO", "The last serial number."),
            ),
        ),
        EventType("CUSTOMER_UPDATED", "A customer was created, changed, re-numbered or deleted.", _NUMBERS),
        EventType("PRODUCT_UPDATED", "A product was created, changed, re-numbered or deleted.", _NUMBERS),
    )
}

CUSTOMER_UPDATED = "CUSTOMER_UPDATED"
INVOICE_BOOKED = "INVOICE_BOOKED"
DAYBOOK_BOOKED = "DAYBOOK_BOOKED"


@dataclass(slots=True)
class Webhook:
    """One webhook of an agreement; `owner` is the secret of the app that made it, None when made by a person."""

    event_type: str
    url: str
    owner: str | None = None
    name: str = ""
    content_type: str = "application/x-www-form-urlencoded"
    post_data: str | None = None
    custom_headers: list[tuple[str, str]] = field(default_factory=list)
    method: str = "POST"
    is_disabled: bool = False
    last_disabled: float | None = None
    last_updated: float = 0
    version: int = 1
    failures: int = 0  # in a row

    def origin(self) -> tuple[bool, str, int]:
        """Whether TLS, host and port."""
        parts = urlsplit(self.url)
        secure = parts.scheme == "https"
        return secure, parts.hostname or "", parts.port or (443 if secure else 80)

    def request(self, values: dict[str, Any]) -> bytes:
        """The whole HTTP request for one event; merge fields it does not know stay verbatim."""
        parts = urlsplit(self.url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        body = fill(self.post_data or "", values).encode() if self.method == "POST" else b""
        head = (
            f"{self.method} {fill(target, values)} HTTP/1.1\r\n"
            f"Host: {parts.netloc}\r\nUser-Agent: e-conomic webhooks\r\nContent-Type: {self.content_type}\r\n"
        )
        if self.method == "POST":
            head += f"Content-Length: {len(body)}\r\n"
        for key, value in self.custom_headers:
            head += f"{key}: {value}\r\n"
        return head.encode() + b"\r\n" + body


def fill(template: str, values: dict[str, Any]) -> str:
    """Replace the merge fields that have a value; an empty value is a value."""
    return _TOKEN.sub(lambda token: str(values.get(token[1], token[0])), template)
