"""
What matching reads and writes, in one transaction.
"""

from __future__ import annotations

from sqlalchemy.engine import Connection

from infra.database.alerts import AlertRows
from infra.database.companies import CompanyRows
from infra.database.dialect import Sql
from infra.database.links import LinkRows
from infra.database.outbox import SqlOutbox


class MatchRows:
    """`domain.match_debtors.MatchStores` on either database, for one firm."""

    def __init__(self, connection: Connection, sql: Sql, firm: int, *, agreement: int | None = None) -> None:
        self.companies = CompanyRows(connection, sql, firm)
        self.links = LinkRows(connection, sql, firm)
        self.index = self.companies
        self.outbox = SqlOutbox(connection, sql, firm=firm, agreement=agreement)
        self.alerts = AlertRows(connection, sql, firm)
