"""
JSON bodies as they arrive: what must be mended before a database can store the text.
"""

from __future__ import annotations

import re

_NUL = b"\\u0000"
_PAIR = rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_ESCAPE = re.compile(rb"(\\[^u]|" + _PAIR + rb")|(\\u0000)|\\u[dD][89a-fA-F][0-9a-fA-F]{2}", re.DOTALL)


class Misfit(ValueError):
    """A record does not have the shape it must have; the message says where."""


def without_nul(body: bytes) -> bytes:
    """The body itself unless text in it holds NUL, which PostgreSQL cannot store."""
    return mended(body) if _NUL in body else body


def mended(body: bytes) -> bytes:
    r"""
    Drop `\u0000` and a byte order mark; replace what is no Unicode text.

    A text cut inside a character (a lone surrogate, half a UTF-8 sequence) would otherwise cost the whole page.
    """
    text = body.decode("utf-8-sig", "replace").encode()
    return _ESCAPE.sub(lambda match: match[1] or (b"" if match[2] else rb"\ufffd"), text)
