"""
Short-lived links to one form, for people without an account: who has the link may say what one conversion lacks.
"""

from __future__ import annotations

from collections.abc import Sequence

from itsdangerous import BadData, SignatureExpired, URLSafeTimedSerializer

GOOD_S = 3 * 86_400
"""Over a weekend; a new event, with a new link, is sent whenever the conversion asks again."""

PATH = "/conversion"


class Expired(Exception):
    """The link was good once."""


class FormLinks:
    """
    Makes and reads links, signed with the first of the keys of DEBITOR_SECRET_KEY, readable with any of them.

    Args:
        address: DEBITOR_PUBLIC_URL.
    """

    def __init__(self, keys: Sequence[str], address: str) -> None:
        self._signer = URLSafeTimedSerializer(list(reversed(keys)), salt="debitor conversion form")
        self._address = address.rstrip("/")

    def url(self, conversion: int) -> str:
        return f"{self._address}{PATH}/{self._signer.dumps(conversion)}"

    def read(self, token: str) -> int | None:
        """The conversion a link is for; None: it is none of ours. Raises Expired."""
        try:
            conversion = self._signer.loads(token, max_age=GOOD_S)
        except SignatureExpired as error:
            raise Expired from error
        except BadData:
            return None
        return conversion if isinstance(conversion, int) else None
