"""
Which addresses events may go to. A CRM's endpoint is text somebody typed: without this it could make Debitor speak to
the machines beside it, or to a cloud's metadata service.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence

import httpx

Resolve = Callable[[str, int], Sequence[str]]
"""The addresses of a host name. Raises OSError."""

_NEVER = [  # look public to this or that version of Python
    ipaddress.ip_network("168.63.129.16/32"),  # Azure's host
    ipaddress.ip_network("192.0.0.0/24"),  # protocols' own; Oracle's metadata
    ipaddress.ip_network("64:ff9b:1::/48"),  # local translation to IPv4
]
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class AddressRefused(Exception):
    """The endpoint is not marked internal, and leads to an address events must not go to."""


def resolve(host: str, port: int) -> Sequence[str]:
    """The system's own answer, in its order."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise OSError(f"{host} is no host name") from error
    return [str(address[0]) for *_, address in found]


def is_public(text: str) -> bool:
    """Whether an address is out on the internet: not private, link-local, loopback, shared, multicast or metadata."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        inner = _inner(address)
        if inner is not None:
            return is_public(str(inner))
    if any(address in network for network in _NEVER):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved)


def _inner(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 one stands for."""
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    if address.teredo is not None:
        return address.teredo[1]
    return address.ipv4_mapped or address.sixtofour


def choose(host: str, port: int, *, internal: bool, resolve: Resolve) -> list[str]:
    """
    The addresses of a host that may be connected to, in the resolver's order, at least one.

    Raises:
        AddressRefused: there are addresses, but none may be used.
        OSError: the name leads nowhere.
    """
    found = list(dict.fromkeys(resolve(host, port)))
    if not found:
        raise OSError(f"{host} has no address")
    allowed = found if internal else [address for address in found if is_public(address)]
    if not allowed:
        raise AddressRefused(f"{host} is {found[0]}, which is not a public address")
    return allowed


def check_url(text: str, *, internal: bool) -> str:
    """
    An address as it is stored.

    Raises ValueError, saying what is wrong with it: https (or http, to an internal endpoint), a host, and neither a
    password nor a fragment.
    """
    try:
        url = httpx.URL(text.strip())
        host = url.host  # decodes the name, which may fail
    except (httpx.InvalidURL, UnicodeError) as error:
        raise ValueError(f"that is no address: {error}") from None
    if url.scheme != "https" and not (internal and url.scheme == "http"):
        raise ValueError("an address begins with https:// (http:// only for an internal endpoint)")
    if not host or not 0 < (url.port or 443) < 65_536 or url.userinfo or url.fragment or len(text) > 2_000:
        raise ValueError(
            "an address has a host, a port up to 65535, no password, no fragment, at most 2,000 characters"
        )
    return str(url)
