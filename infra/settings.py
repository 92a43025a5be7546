"""
Settings from the environment (and `.env` in development), design.md §5.1.
"""

from __future__ import annotations

import difflib
import os
import re
import secrets
import time
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from domain.errors import ConfigurationError
from infra.mail.server import Post, post_of

PREFIX = "DEBITOR_"
_IGNORED = re.compile(r"DEBITOR_(TEST_|PORT|SERVICE_)")
VAR = Path("var")


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


class Settings(BaseSettings):
    """One process's settings; secrets never show in its repr."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_file=".env", extra="ignore")

    database_url: str = Field(default="sqlite:///./var/debitor.db", repr=False)  # both may hold a password
    broker_url: str = Field(default="memory://", repr=False)
    secret_key: SecretStr | None = None
    economic_rest_url: str = "https://restapi.e-conomic.com"
    economic_q2c_url: str = "https://apis.e-conomic.com/q2capi/v5.3.0"
    economic_webhooks_url: str = "https://apis.e-conomic.com/webhooksapi/v1.0.0"
    economic_app_secret_token: SecretStr | None = None
    economic_app_public_token: SecretStr | None = None
    public_url: str = "http://127.0.0.1:8000"
    listen: str = "127.0.0.1:8000"
    hooks_listen: str | None = None
    metrics_listen: str | None = None
    trusted_proxies: Annotated[list[str], NoDecode] = Field(default_factory=list)
    smtp_url: SecretStr | None = None
    mail_from: str | None = None
    retention_days: int = Field(default=90, ge=7)
    frame_ancestors: Annotated[list[str], NoDecode] = Field(default_factory=list)
    licence_public_key: str | None = None
    licence_order_url: str | None = None

    _split_lists = field_validator("trusted_proxies", "frame_ancestors", mode="before")(_split)

    @field_validator("database_url")
    @classmethod
    def _psycopg(cls, url: str) -> str:
        """Any PostgreSQL URL means psycopg 3."""
        return re.sub(r"^postgres(ql)?(\+psycopg)?://", "postgresql+psycopg://", url)

    @field_validator("listen", "hooks_listen", "metrics_listen")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is not None:
            listen_address(value)
        return value

    @property
    def embedded(self) -> bool:
        """One process: the broker lives in memory."""
        return self.broker_url.startswith("memory:")

    @property
    def sqlite(self) -> bool:
        return self.database_url.startswith("sqlite")

    @property
    def post(self) -> Post | None:
        """How mails are sent; None without a mail server. Raises ConfigurationError."""
        return None if self.smtp_url is None else post_of(self.smtp_url.get_secret_value(), self.mail_from)

    @property
    def mail_domain(self) -> str | None:
        """Of the address mails come from; None without a mail server. Raises ConfigurationError."""
        return None if self.post is None else self.post.sender.domain

    @property
    def secure_cookies(self) -> bool:
        return urlsplit(self.public_url).scheme == "https"


def listen_address(value: str) -> tuple[str, int]:
    """Split `host:port`. Raises ValueError."""
    host, _, port = value.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{value!r} is not host:port, for example 127.0.0.1:8000")
    return host.strip("[]"), int(port)


def load(environ: dict[str, str] | None = None) -> Settings:
    """
    Read and check the settings.

    Raises:
        ConfigurationError: an unknown `DEBITOR_*` name (a misspelt setting must not be ignored) or a bad value.
    """
    names = set(os.environ if environ is None else environ) | {key for key in dotenv_values(".env") if key}
    check_names(names)
    try:
        settings = Settings()
    except ValidationError as error:
        lines = [f"{PREFIX}{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors() if e["loc"]]
        raise ConfigurationError("; ".join(lines)) from None
    _ = settings.post
    return settings


def check_names(names: set[str]) -> None:
    """Refuse unknown `DEBITOR_*` names, naming the nearest known one."""
    known = {PREFIX + field.upper() for field in Settings.model_fields}
    for name in sorted(names):
        if name.startswith(PREFIX) and name not in known and not _IGNORED.match(name):
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
            raise ConfigurationError(f"{name} is not a setting of Debitor; did you mean {near[0]}?")


def secret_keys(settings: Settings, var: Path = VAR) -> list[str]:
    """
    The keys for sessions and stored secrets; the first encrypts, all decrypt.

    Without the setting one is made once in `var/`, so that a laptop needs no set-up.
    """
    if settings.secret_key is not None:
        keys = [key.strip() for key in settings.secret_key.get_secret_value().split(",") if key.strip()]
        if not keys or min(map(len, keys)) < 16:
            raise ConfigurationError("DEBITOR_SECRET_KEY needs at least 16 characters for each key")
        return keys
    return [stored_key(var)]


def stored_key(var: Path) -> str:
    """The key kept in `var`, made there when there is none (O_EXCL, mode 600)."""
    path = var / "secret.key"
    var.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _written_key(path)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(32))
        file.flush()
        os.fsync(file.fileno())
    return path.read_text().strip()


def _written_key(path: Path) -> str:
    """The key another process made; it may be writing it in this very moment."""
    deadline = time.monotonic() + 2
    while not (key := path.read_text().strip()):
        if time.monotonic() > deadline:
            raise ConfigurationError(f"{path} is empty: remove it, unless secrets are stored that need its key")
        time.sleep(0.01)
    return key
