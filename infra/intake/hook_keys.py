"""
Who may send e-conomic's hooks.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from hashlib import sha256

from infra.intake.remembered import Remembered

_NOBODY = b"\0" * 32  # no secret hashes to this


class HookKeys:
    """Checks an agreement's webhook secret in constant time, from memory."""

    def __init__(self, secret_of: Callable[[int], str | None], known: Mapping[int, str] | None = None) -> None:
        """`known` = the secrets at the start."""

        def digest(agreement: int) -> bytes | None:
            secret = secret_of(agreement)
            return None if secret is None else _digest(secret)

        self._digests = Remembered(digest, {number: _digest(secret) for number, secret in (known or {}).items()})

    def accepts(self, agreement: int, secret: str) -> bool:
        """
        Whether this secret belongs to this agreement; an unknown agreement and a wrong secret look the same.

        Raises:
            NotStored: the agreement is not in memory and the database is away.
        """
        expected = (self._digests.get(agreement) if secret else None) or _NOBODY
        return hmac.compare_digest(_digest(secret), expected)


def _digest(secret: str) -> bytes:
    return sha256(secret.encode("utf-8", "surrogateescape")).digest()
