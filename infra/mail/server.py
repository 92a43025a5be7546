"""
What DEBITOR_SMTP_URL and DEBITOR_MAIL_FROM say.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.policy import SMTP
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from domain.errors import ConfigurationError

_PORTS = {"smtp": 587, "smtps": 465}
_LONGEST = 254  # RFC 5321 §4.5.3.1.3, without its angle brackets


@dataclass(frozen=True, slots=True)
class MailServer:
    """
    Where mails are handed in.

    Attributes:
        tls: from the first byte on (`smtps://`); otherwise by STARTTLS, where the server offers it.
    """

    host: str
    port: int
    tls: bool
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    @property
    def local(self) -> bool:
        """On this machine: it may be spoken to in the clear."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


class Post(NamedTuple):
    """Where mails are handed in, and whom they come from."""

    server: MailServer
    sender: Address


def post_of(url: str, sender: str | None) -> Post:
    """Raises ConfigurationError, in which no password is."""
    return Post(server_of(url), sender_of(sender))


def server_of(url: str) -> MailServer:
    """`smtp://user:password@host:587`, or `smtps://…`. Raises ConfigurationError."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigurationError("DEBITOR_SMTP_URL: its port is no number, or a '/' of it is not escaped") from None
    if parts.scheme not in _PORTS or not parts.hostname or parts.path.strip("/") or parts.query or parts.fragment:
        raise ConfigurationError(
            "DEBITOR_SMTP_URL must be smtp://HOST:PORT or smtps://HOST:PORT, with USER:PASSWORD@ before the host where"
            " the server asks for them; special letters of these are escaped (@ is %40)"
        )
    if (parts.username is None) != (parts.password is None):
        raise ConfigurationError("DEBITOR_SMTP_URL: a user needs a password, and the other way round")
    return MailServer(
        parts.hostname,
        port or _PORTS[parts.scheme],
        parts.scheme == "smtps",
        None if parts.username is None else unquote(parts.username),
        None if parts.password is None else unquote(parts.password),
    )


def sender_of(text: str | None) -> Address:
    """`debitor@fjordlys.example`, or `Debitor <debitor@fjordlys.example>`. Raises ConfigurationError."""
    address = address_of(text or "")
    if address is None:
        raise ConfigurationError(
            "DEBITOR_MAIL_FROM must be the one address that mails come from, like debitor@fjordlys.example"
        )
    return address


def address_of(text: str) -> Address | None:
    """The one address of ASCII letters that a text is; None for anything else, such as two of them, or two lines."""
    if not text.isascii() or not text.isprintable() or len(text) > _LONGEST:
        return None
    try:
        header = SMTP.header_factory("To", text)
    except (HeaderParseError, IndexError):  # the parser trips over an address that ends in its "@"
        return None
    if header.defects or len(header.addresses) != 1 or header.groups[0].display_name is not None:
        return None
    address: Address = header.addresses[0]
    return address
