"""
Addresses of the CRM that events are delivered to, and their secrets.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from domain.errors import ConfigurationError
from domain.events import EventType
from infra.crm.addresses import check_url
from infra.crm.signatures import key_of, new_secret
from infra.database.engine import Database
from infra.database.tables_outbox import delivery as _delivery
from infra.database.tables_outbox import endpoint as _endpoint
from infra.encryption import SecretBox


class Endpoint(NamedTuple):
    """An endpoint and how it does; `types` is None when it takes all."""

    id: int
    firm_id: int
    url: str
    types: frozenset[str] | None
    internal: bool
    created_at: dt.datetime
    disabled_at: dt.datetime | None
    disabled_reason: str | None  # gone: it answered 410; person
    failures: int
    paused_at: dt.datetime | None
    paused_until: dt.datetime | None
    last_error: str | None
    last_attempt_at: dt.datetime | None
    last_success_at: dt.datetime | None
    pending: int  # deliveries

    @property
    def state(self) -> str:
        """disabled, paused, failing or active."""
        if self.disabled_at is not None:
            return "disabled"
        if self.paused_at is not None:
            return "paused"
        return "failing" if self.failures else "active"

    @property
    def shown_url(self) -> str:
        """Without its query, which may hold a secret."""
        return without_query(self.url)


def without_query(url: str) -> str:
    """An address as it may be shown and logged."""
    return urlunsplit(urlsplit(url)._replace(query=""))


def endpoints(connection: Connection, firms: Collection[int] | None = None) -> list[Endpoint]:
    """Every endpoint of these firms (None: of all), disabled ones included, sorted by id."""
    pending = (
        sa.select(sa.func.count())
        .where(_delivery.c.endpoint_id == _endpoint.c.id, _delivery.c.state == "pending")
        .scalar_subquery()
    )
    columns = [_endpoint.c[name] for name in Endpoint._fields[:-1]]
    query = sa.select(*columns, pending).order_by(_endpoint.c.id)
    if firms is not None:
        query = query.where(_endpoint.c.firm_id.in_(firms))
    found = [Endpoint._make(row) for row in connection.execute(query)]
    return [each._replace(types=frozenset(str(each.types).split()) if each.types else None) for each in found]


class Endpoints:
    """Adds and changes endpoints. An id there is not raises ConfigurationError."""

    def __init__(self, database: Database, box: SecretBox) -> None:
        self._database = database
        self._box = box
        self._sql = database.sql

    def add(
        self,
        firm: int,
        url: str,
        *,
        types: Iterable[str] = (),
        internal: bool = False,
        secret: str | None = None,
    ) -> tuple[int, str]:
        """
        Deliver a firm's events from now on; returns the endpoint's id and its secret.

        Args:
            types: of events, or none for all.
            internal: it may lie on a private, link-local or loopback address.

        Raises:
            ConfigurationError: an address, type or secret that is none.
        """
        wanted = sorted(set(types))
        unknown = set(wanted) - {kind.value for kind in EventType}
        if unknown:
            raise ConfigurationError(f"there is no event {', '.join(sorted(unknown))}")
        try:
            url = check_url(url, internal=internal)
        except ValueError as error:
            raise ConfigurationError(str(error)) from None
        with self._database.write() as connection:
            row = connection.execute(
                sa.insert(_endpoint)
                .values(
                    firm_id=firm,
                    url=url,
                    types=" ".join(wanted) or None,
                    internal=internal,
                    created_at=sa.literal_column(self._sql.now),
                    failures=0,
                )
                .returning(_endpoint.c.id)
            )
            endpoint = int(row.scalar_one())
            return endpoint, self._add_secret(connection, endpoint, secret)

    def list(self, firm: int | None = None) -> list[Endpoint]:
        """Every endpoint, sorted by id."""
        with self._database.read() as connection:
            return endpoints(connection, None if firm is None else [firm])

    def get(self, endpoint: int) -> Endpoint:
        found = [each for each in self.list() if each.id == endpoint]
        if not found:
            raise _missing(endpoint)
        return found[0]

    def rotate(self, endpoint: int, secret: str | None = None) -> str:
        """Sign with one more secret from now on, beside those there are; returns it."""
        self.get(endpoint)
        with self._database.write() as connection:
            return self._add_secret(connection, endpoint, secret)

    def finish_rotation(self, endpoint: int) -> int:
        """Sign with the newest secret only; returns how many were retired."""
        self.get(endpoint)
        with self._database.write() as connection:
            retired = connection.execute(
                sa.text(
                    f"UPDATE endpoint_secret SET secret = NULL, retired_at = {self._sql.now}"
                    " WHERE endpoint_id = :endpoint AND retired_at IS NULL AND id <"
                    " (SELECT max(id) FROM endpoint_secret WHERE endpoint_id = :endpoint)"
                ),
                {"endpoint": endpoint},
            )
            return retired.rowcount

    def disable(self, endpoint: int) -> None:
        """Deliver nothing more to it; what waits for it is given up."""
        with self._database.write() as connection:
            if not disable_in(connection, self._database, endpoint, "person"):
                raise _missing(endpoint)

    def keys(self, endpoint: int) -> tuple[bytes, ...]:
        """What its events are signed with, newest first."""
        with self._database.quick() as connection:
            found = connection.execute(
                sa.text(
                    "SELECT secret FROM endpoint_secret WHERE endpoint_id = :endpoint AND retired_at IS NULL"
                    " ORDER BY id DESC"
                ),
                {"endpoint": endpoint},
            ).all()
        return tuple(key_of(self._box.open(sealed)) for (sealed,) in found)

    def _add_secret(self, connection: Connection, endpoint: int, secret: str | None) -> str:
        secret = secret or new_secret()
        try:
            key_of(secret)
        except ValueError as error:
            raise ConfigurationError(
                f"that is no secret of Standard Webhooks (whsec_ and base64 of 24 to 64 bytes): {error}"
            ) from None
        connection.execute(
            sa.text(
                "INSERT INTO endpoint_secret (endpoint_id, secret, created_at)"
                f" VALUES (:endpoint, :secret, {self._sql.now})"
            ),
            {"endpoint": endpoint, "secret": self._box.seal(secret)},
        )
        return secret


def disable_in(connection: Connection, database: Database, endpoint: int, reason: str) -> bool:
    """Disable it and cancel what waits for it; whether there is such an endpoint."""
    now = database.sql.now
    known = connection.execute(
        sa.text(
            f"UPDATE endpoint SET disabled_at = COALESCE(disabled_at, {now}),"
            " disabled_reason = COALESCE(disabled_reason, :reason), paused_at = NULL, paused_until = NULL"
            " WHERE id = :id"
        ),
        {"id": endpoint, "reason": reason},
    )
    connection.execute(
        sa.text(
            f"UPDATE delivery SET state = 'cancelled', ended_at = {now} WHERE endpoint_id = :id AND state = 'pending'"
        ),
        {"id": endpoint},
    )
    return known.rowcount > 0


def _missing(endpoint: int) -> ConfigurationError:
    return ConfigurationError(f"there is no endpoint {endpoint}: `debitor crm endpoint list` shows them")
