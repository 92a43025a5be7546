"""
Who may send e-conomic's hooks.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from hashlib import sha256

from infra.intake.remembered import Remembered

_NOBODY = b"\0" * 32  # no secret hashes to this


class HookKeys:
    """Checks an agreement's webhook secret in constant time, from memory."""

    def __init__(self, secret_of: Callable[[int], str | None]) -> None:
        def digest(agreement: int) -> bytes | None:
            secret = secret_of(agreement)
            return None if secret is None else sha256(secret.encode()).digest()

        self._digests = Remembered(digest)

    def accepts(self, agreement: int, secret: str) -> bool:
        """
        Whether this secret belongs to this agreement; an unknown agreement and a wrong secret look the same.

        Raises:
            NotStored: the agreement is not in memory and the database is away.
        """
        expected = (self._digests.get(agreement) if secret else None) or _NOBODY
        return hmac.compare_digest(sha256(secret.encode("utf-8", "surrogateescape")).digest(), expected)
