"""
Agreements and their secrets.
"""

from __future__ import annotations

import datetime as dt
import secrets as random_secrets
from typing import Any, NamedTuple

from domain.accounting_api import Identity
from domain.errors import ConfigurationError, CredentialsMissing
from infra.database.dialect import as_time, text
from infra.database.engine import Database
from infra.database.work import create_rows, start_now
from infra.encryption import SecretBox


class Agreement(NamedTuple):
    """One e-conomic account as stored; secrets are not in it."""

    number: int
    firm_id: int
    name: str | None
    user_id: str | None
    base_currency: str | None
    has_grant: bool
    ask_every_time: bool
    checked_at: dt.datetime | None
    paused_at: dt.datetime | None


_COLUMNS = (
    "number, firm_id, name, user_id, base_currency, grant_token IS NOT NULL, ask_every_time, identity_checked_at,"
    " paused_at"
)


class Agreements:
    """Adds, changes and finds agreements. Unknown numbers raise ConfigurationError."""

    def __init__(self, database: Database, box: SecretBox) -> None:
        self._database = database
        self._box = box
        self._sql = database.sql

    def add(
        self,
        number: int,
        *,
        firm_id: int,
        user_id: str | None = None,
        grant_token: str | None = None,
        ask_every_time: bool = False,
        hook_secret: str | None = None,
    ) -> str:
        """Store a new agreement, or take a removed one back, and return its webhook secret."""
        secret = hook_secret or random_secrets.token_urlsafe(24)
        if not set(secret) <= _SECRET_ALPHABET or len(secret) < 8:
            raise ConfigurationError(
                "a webhook secret needs at least 8 letters, digits, '-' or '_': it stands in an address"
            )
        values = {
            "number": number,
            "firm_id": firm_id,
            "user_id": user_id,
            "grant_token": self._box.seal(grant_token) if grant_token else None,
            "ask_every_time": ask_every_time,
            "hook_secret": self._box.seal(secret),
        }
        with self._database.write() as connection:
            existing = connection.execute(
                text("SELECT removed_at, firm_id FROM agreement WHERE number = :number"), {"number": number}
            ).first()
            if existing is not None and (existing.removed_at is None or existing.firm_id != firm_id):
                raise ConfigurationError(f"agreement {number} is already connected; change it with `debitor agreement`")
            if existing is None:
                statement = (
                    "INSERT INTO agreement (number, firm_id, user_id, grant_token, ask_every_time, hook_secret,"
                    " created_at) VALUES (:number, :firm_id, :user_id, :grant_token, :ask_every_time, :hook_secret,"
                    f" {self._sql.now})"
                )
            else:
                statement = (
                    "UPDATE agreement SET user_id = :user_id, grant_token = :grant_token, removed_at = NULL,"
                    " paused_at = NULL, ask_every_time = :ask_every_time, hook_secret = :hook_secret,"
                    " identity_checked_at = NULL WHERE number = :number"
                )
            connection.execute(text(statement), values)
            create_rows(connection, number)
        return secret

    def get(self, number: int) -> Agreement:
        with self._database.quick() as connection:
            row = connection.execute(
                text(f"SELECT {_COLUMNS} FROM agreement WHERE number = :number AND removed_at IS NULL"),
                {"number": number},
            ).first()
        if row is None:
            raise _not_connected(number)
        return _agreement(row)

    def all(self) -> list[Agreement]:
        """Connected agreements, sorted by number."""
        with self._database.quick() as connection:
            rows = connection.execute(
                text(f"SELECT {_COLUMNS} FROM agreement WHERE removed_at IS NULL ORDER BY number")
            )
            return [_agreement(row) for row in rows]

    def hook_secret(self, number: int) -> str | None:
        """The secret that a hook must carry; None for an unknown agreement."""
        with self._database.quick() as connection:
            sealed = connection.execute(
                text("SELECT hook_secret FROM agreement WHERE number = :number AND removed_at IS NULL"),
                {"number": number},
            ).scalar()
        return None if sealed is None else self._box.open(sealed)

    def hook_secrets(self) -> dict[int, str]:
        """The same for every connected agreement."""
        with self._database.quick() as connection:
            rows = connection.execute(text("SELECT number, hook_secret FROM agreement WHERE removed_at IS NULL"))
            return {number: self._box.open(sealed) for number, sealed in rows}

    def grant_token(self, number: int) -> str:
        """Raises CredentialsMissing when none is stored."""
        return self.with_token(number)[1]

    def with_token(self, number: int) -> tuple[Agreement, str]:
        """An agreement and its grant token. Raises CredentialsMissing when none is stored."""
        with self._database.quick() as connection:
            row = connection.execute(
                text(f"SELECT {_COLUMNS}, grant_token FROM agreement WHERE number = :number AND removed_at IS NULL"),
                {"number": number},
            ).first()
        if row is None:
            raise _not_connected(number)
        if row.grant_token is None:
            raise CredentialsMissing(
                f"no grant token is stored for agreement {number}: `debitor agreement credentials {number}` takes one"
            )
        return _agreement(row[:-1]), self._box.open(row.grant_token)

    def set_credentials(self, number: int, *, grant_token: str | None, ask_every_time: bool) -> None:
        """Replace the grant token; what waits for it may start at once, after /self named the agreement again."""
        self.get(number)
        with self._database.write() as connection:
            connection.execute(
                text(
                    "UPDATE agreement SET grant_token = :token, ask_every_time = :ask, identity_checked_at = NULL"
                    " WHERE number = :number"
                ),
                {
                    "number": number,
                    "token": self._box.seal(grant_token) if grant_token else None,
                    "ask": ask_every_time,
                },
            )
            start_now(connection, number)

    def identified(self, number: int, identity: Identity) -> None:
        """/self named this very agreement: its lists may be believed from now on."""
        with self._database.write() as connection:
            connection.execute(
                text(
                    "UPDATE agreement SET name = COALESCE(:name, name), base_currency = :currency, kind = :kind,"
                    f" identity_checked_at = {self._sql.now} WHERE number = :number"
                ),
                {
                    "number": number,
                    "name": identity.company,
                    "currency": identity.base_currency,
                    "kind": identity.kind,
                },
            )

    def doubt(self, number: int) -> None:
        """Another agreement answered: nothing is believed until /self names this one again."""
        with self._database.write() as connection:
            connection.execute(
                text("UPDATE agreement SET identity_checked_at = NULL WHERE number = :number"), {"number": number}
            )

    def pause(self, number: int, *, paused: bool) -> None:
        """A paused agreement's events are taken in and wait."""
        self.get(number)
        with self._database.write() as connection:
            moment = self._sql.now if paused else "NULL"
            connection.execute(
                text(f"UPDATE agreement SET paused_at = {moment} WHERE number = :number"), {"number": number}
            )
            if not paused:
                start_now(connection, number)

    def remove(self, number: int) -> None:
        """
        Disconnect: tokens and webhook secret are blanked, hooks are answered 404.

        What was mirrored stays in the database, out of sight, until the agreement is added again.
        """
        self.get(number)
        with self._database.write() as connection:
            connection.execute(
                text(
                    f"UPDATE agreement SET removed_at = {self._sql.now}, grant_token = NULL, hook_secret = :nothing"
                    " WHERE number = :number"
                ),
                {"number": number, "nothing": self._box.seal(random_secrets.token_urlsafe(24))},
            )


_SECRET_ALPHABET = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")


def _not_connected(number: int) -> ConfigurationError:
    return ConfigurationError(f"agreement {number} is not connected; add it with `debitor agreement add {number}`")


def _agreement(row: Any) -> Agreement:
    number, firm_id, name, user_id, currency, has_grant, ask, checked_at, paused_at = row
    return Agreement(
        number,
        firm_id,
        name,
        user_id,
        currency,
        bool(has_grant),
        bool(ask),
        None if checked_at is None else as_time(checked_at),
        None if paused_at is None else as_time(paused_at),
    )
