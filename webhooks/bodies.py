"""
Reading a request straight from WSGI, for the paths that do without Flask.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

MAX_BODY = 64 * 1024


def is_agreement(text: str) -> bool:
    """Whether a piece of a path is an agreement's number."""
    return text.isascii() and text.isdigit() and len(text) <= 12


def declared_length(environ: WSGIEnvironment) -> int:
    """The body's length as its sender says it; 0 when it does not."""
    length = environ.get("CONTENT_LENGTH") or ""
    return int(length[:20]) if length.isascii() and length.isdigit() else 0


def read_body(environ: WSGIEnvironment) -> bytes | None:
    """The body, or None when it is larger than MAX_BODY."""
    if environ.get("CONTENT_LENGTH"):
        size = declared_length(environ)
        if size > MAX_BODY:
            return None
        return environ["wsgi.input"].read(size) if size else b""
    chunked = "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower()
    if not chunked and not environ.get("SERVER_PROTOCOL", "").startswith("HTTP/2"):
        return b""
    body: bytes = environ["wsgi.input"].read(MAX_BODY + 1)
    return body if len(body) <= MAX_BODY else None
