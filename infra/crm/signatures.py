"""
Standard Webhooks: signing and checking (https://github.com/standard-webhooks/standard-webhooks, spec, 1.0.0).

The reference library `standardwebhooks` knows one secret at a time and lets a malformed header out as an error of its
base64 decoder; the whole of it is less than what would be needed around it.
"""

from __future__ import annotations

import base64
import hmac
import secrets
from collections.abc import Sequence
from hashlib import sha256

PREFIX = "whsec_"
TOLERANCE_S = 300
MAX_ID = 200

_LEAST, _MOST = 24, 64  # bytes of a key


class BadSignature(Exception):
    """Not signed by whoever has the secret, or not now; the message says which, and nothing secret."""


def new_secret() -> str:
    """A fresh secret, as both sides write it down: `whsec_…`, 32 random bytes."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def key_of(secret: str) -> bytes:
    """The key behind a secret: base64 of 24 to 64 bytes, after `whsec_` or alone. Raises ValueError when it is none."""
    text = secret.removeprefix(PREFIX)
    key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    if not _LEAST <= len(key) <= _MOST:
        raise ValueError(f"a secret holds {_LEAST} to {_MOST} bytes, this one {len(key)}")
    return key


def sign(keys: Sequence[bytes], message_id: str, timestamp: int, body: bytes) -> str:
    """The header `webhook-signature`: one signature for each key, so that a receiver may have any of them."""
    content = f"{message_id}.{timestamp}.".encode("latin-1") + body
    return " ".join(f"v1,{base64.b64encode(hmac.digest(key, content, sha256)).decode()}" for key in keys)


def check(
    keys: Sequence[bytes],
    message_id: str | None,
    timestamp: str | None,
    signature: str | None,
    body: bytes,
    *,
    now: int,
) -> str:
    """
    The message's id, once one of its signatures fits one of the keys (constant time) and it is not older or newer than
    five minutes.

    Args:
        message_id, timestamp, signature: the headers `webhook-id`, `webhook-timestamp` and `webhook-signature`; None
            where there is none.
        now: seconds since 1970.

    Raises:
        BadSignature: whatever is wrong with any of them.
    """
    if not message_id or not timestamp or not signature:
        raise BadSignature("webhook-id, webhook-timestamp and webhook-signature are needed")
    if len(message_id) > MAX_ID or not message_id.isascii() or not message_id.isprintable():
        raise BadSignature(f"webhook-id must be at most {MAX_ID} printable characters")
    if not (timestamp.isascii() and timestamp.isdigit()) or len(timestamp) > 12:
        raise BadSignature("webhook-timestamp must be whole seconds since 1970")
    sent_at = int(timestamp)
    if sent_at < now - TOLERANCE_S:
        raise BadSignature("webhook-timestamp is too old")
    if sent_at > now + TOLERANCE_S:
        raise BadSignature("webhook-timestamp is in the future")
    given = [each.encode("utf-8", "replace") for each in signature.split()]
    for key in keys:
        expected = sign([key], message_id, sent_at, body).encode()
        if any([hmac.compare_digest(expected, each) for each in given]):  # noqa: C419 - all of them, always
            return message_id
    raise BadSignature("no webhook-signature fits")
