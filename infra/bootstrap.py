"""
The one place that wires a process together.
"""

from __future__ import annotations

from dataclasses import dataclass

from infra.database.engine import Database
from infra.encryption import SecretBox
from infra.settings import Settings, secret_keys


@dataclass(slots=True)
class Services:
    """What the entry points share; made once per process, after forking."""

    settings: Settings
    keys: list[str]
    secrets: SecretBox
    database: Database


def connect(settings: Settings) -> Services:
    """Open the database and the secrets; nothing is started yet."""
    keys = secret_keys(settings)
    return Services(settings=settings, keys=keys, secrets=SecretBox(keys), database=Database(settings.database_url))
