"""The CRM: what it signs."""

from __future__ import annotations

import json
import time
from typing import Any

from infra.crm.signatures import key_of, sign

NORDVIND: dict[str, Any] = {"id": "crm-17", "name": "Nordvind Service A/S", "zip": "8700"}


def signed(
    secret: str,
    name: str,
    kind: str = "company.upserted",
    data: dict[str, Any] | None = None,
    *,
    timestamp: str = "2026-05-04T12:00:00Z",
) -> tuple[bytes, dict[str, str]]:
    """Body and headers of one event, signed now; `name` is its webhook-id."""
    body = json.dumps({"type": kind, "timestamp": timestamp, "data": NORDVIND if data is None else data}).encode()
    now = int(time.time())
    return body, {
        "content-type": "application/json",
        "webhook-id": name,
        "webhook-timestamp": str(now),
        "webhook-signature": sign([key_of(secret)], name, now, body),
    }
