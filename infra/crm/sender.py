"""
One attempt to deliver one event: a POST on a connection of its own, to an address that was checked.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterable
from email.utils import parsedate_to_datetime
from typing import Any

import httpcore
import httpx

from domain.deliveries import TIMEOUT_S, Answer
from infra.crm.addresses import AddressRefused, Resolve, choose, resolve

_AGENT = b"Debitor (Standard Webhooks)"
_Options = Iterable[httpcore.SOCKET_OPTION] | None


class Sender:
    """
    Posts to endpoints.

    It speaks httpcore, not httpx: no redirects, cookies or proxies of the environment, and the connection is ours to
    open, so that the address that was checked is the one connected to. Host name and certificate stay those of the URL.
    """

    def __init__(self, *, resolve: Resolve = resolve, timeout_s: float = TIMEOUT_S) -> None:
        self._resolve = resolve
        self._timeout_s = timeout_s
        self._tls: ssl.SSLContext | None = None

    def post(self, url: str, headers: dict[str, str], body: bytes, *, internal: bool) -> Answer:
        """What the endpoint said within 15 seconds, from the first look-up to its status; never raises for the way."""
        parsed = httpx.URL(url)
        deadline = time.monotonic() + self._timeout_s
        backend = _Checked(self._resolve, deadline, internal=internal)
        origin = httpcore.Origin(parsed.raw_scheme, parsed.raw_host, parsed.port or _PORTS[parsed.scheme])
        request = httpcore.Request(
            b"POST",
            httpcore.URL(scheme=origin.scheme, host=origin.host, port=origin.port, target=parsed.raw_path),
            headers=[
                (b"Host", parsed.netloc),
                (b"User-Agent", _AGENT),
                (b"Content-Length", str(len(body)).encode()),
                (b"Connection", b"close"),
                *((name.encode(), value.encode()) for name, value in headers.items()),
            ],
            content=body,
            extensions={"timeout": dict.fromkeys(("connect", "read", "write"), self._timeout_s)},
        )
        tls = self._tls_context() if parsed.scheme == "https" else None
        try:
            with httpcore.HTTPConnection(origin, ssl_context=tls, network_backend=backend) as connection:
                response = connection.handle_request(request)
                response.close()
        except AddressRefused as error:
            return Answer(None, str(error))
        except httpcore.TimeoutException:
            return Answer(None, f"no answer within {self._timeout_s:g} seconds")
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError) as error:
            return Answer(None, _said(error))
        return Answer(response.status, _problem(response.status), _retry_after_s(response))

    def _tls_context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = httpx.create_ssl_context(trust_env=False)
        return self._tls


_PORTS = {"http": 80, "https": 443}


class _Checked(httpcore.NetworkBackend):
    """Resolves a name, checks what it leads to, and connects to that very address."""

    def __init__(self, resolve: Resolve, deadline: float, *, internal: bool) -> None:
        self._resolve = resolve
        self._deadline = deadline
        self._internal = internal
        self._plain = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: _Options = None,
    ) -> httpcore.NetworkStream:
        failed: Exception = OSError(f"{host} has no address")
        for address in choose(host, port, internal=self._internal, resolve=self._resolve):
            try:
                stream = self._plain.connect_tcp(address, port, _left(self._deadline), socket_options=socket_options)
            except httpcore.ConnectError as error:
                failed = error  # the next address may answer
            else:
                return _Timed(stream, self._deadline)
        raise failed


class _Timed(httpcore.NetworkStream):
    """A stream whose reads and writes all end by one moment: a sender of single bytes does not hold a thread."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(self._deadline))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(self._deadline))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Timed(self._stream.start_tls(ssl_context, server_hostname, _left(self._deadline)), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _left(deadline: float) -> float:
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise httpcore.ReadTimeout
    return seconds


def _problem(status: int) -> str | None:
    if 200 <= status < 300:
        return None
    return f"it answered {status}" + (", and redirects are not followed" if 300 <= status < 400 else "")


def _retry_after_s(response: httpcore.Response) -> float | None:
    """`Retry-After` in seconds, or as a date (RFC 9110 §10.2.3)."""
    text = next((value for name, value in response.headers if name.lower() == b"retry-after"), b"").decode("latin-1")
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text[:12])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def _said(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:200]
