"""
Where e-conomic is, and which app we are to it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from domain.errors import ConfigurationError

REST_URL = "https://restapi.e-conomic.com"
Q2C_URL = "https://apis.e-conomic.com/q2capi/v5.3.0"
WEBHOOKS_URL = "https://apis.e-conomic.com/webhooksapi/v1.0.0"
"""The services' addresses, versions included (e-conomic.md §§2, 3.1)."""


@dataclass(frozen=True, slots=True)
class EconomicConfig:
    """
    The service bases, with or without a trailing slash, and the app's secret; `timeout_s` bounds one try as a whole.

    Raises:
        ConfigurationError: a base is no plain http(s) address.
    """

    rest_url: str = REST_URL
    q2c_url: str = Q2C_URL
    webhooks_url: str = WEBHOOKS_URL
    app_secret_token: str = field(default="", repr=False)
    timeout_s: float = 30.0

    def __post_init__(self) -> None:
        for name in ("rest_url", "q2c_url", "webhooks_url"):
            object.__setattr__(self, name, _base(name, getattr(self, name)))


def _base(name: str, url: str) -> str:
    try:
        parts = urlsplit(url)
        plain = parts.scheme in ("http", "https") and bool(parts.hostname) and not (parts.query or parts.fragment)
        _ = parts.port  # raises ValueError when it is not a number
    except ValueError:
        plain = False
    if not plain or not url.isascii() or not url.isprintable() or " " in url:
        raise ConfigurationError(f"DEBITOR_ECONOMIC_{name.upper()} must be an address such as {REST_URL}")
    return url.rstrip("/")
