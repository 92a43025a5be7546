"""
One transaction with everything a use case writes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property

from sqlalchemy.engine import Connection

from domain.hints import Hint
from domain.new_debtor_settings import Lists, NewDebtorSettings
from domain.read_ahead import ReadAhead
from domain.work import Lease
from infra.database.alerts import AlertRows
from infra.database.companies import CompanyRows
from infra.database.comparisons import ComparisonRows
from infra.database.conversions import ConversionRows
from infra.database.debtor_search import DebtorSearchRows
from infra.database.dialect import Sql, text
from infra.database.edits import EditRows
from infra.database.engine import Database
from infra.database.failures import FailureRows
from infra.database.imports import ImportRows
from infra.database.inbox import SqlInbox
from infra.database.mails import MailRows
from infra.database.match_stores import MatchRows
from infra.database.mirror_debtors import DebtorRows
from infra.database.mirror_invoices import InvoiceRows
from infra.database.names import NameRows
from infra.database.new_debtors import lists_of, settings_of
from infra.database.outbox import SqlOutbox
from infra.database.polls import PollRows
from infra.database.register import RegisterRows
from infra.database.standing import Standing
from infra.database.work import check_in, draw_stamp


class SqlUnitOfWork:
    """`domain.ports.UnitOfWork` on either database."""

    def __init__(
        self,
        connection: Connection,
        sql: Sql,
        agreement: int,
        stands: Standing | None = None,
        *,
        mail_domain: str | None = None,
    ) -> None:
        stands = stands or Standing()
        self.connection = connection
        self.agreement = agreement
        self.debtors = DebtorRows(connection, sql, agreement, orphaned=stands.orphaned)
        self.invoices = InvoiceRows(connection, sql, agreement)
        self.inbox = SqlInbox(connection, sql, agreement)
        self.failures = FailureRows(connection, sql, agreement, some_open=stands.failed)
        self.outbox = SqlOutbox(connection, sql, agreement=agreement, listened_to=stands.listened_to)
        self.poll = PollRows(connection, sql, agreement)
        self.names = NameRows(connection, sql, agreement)
        self.comparisons = ComparisonRows(connection, sql, agreement)
        self.mails = MailRows(connection, sql, agreement, mail_domain)
        self.follows_companies = stands.follows_companies
        self._sql = sql

    @cached_property
    def companies(self) -> CompanyRows:
        """Those of the agreement's firm."""
        return CompanyRows(self.connection, self._sql, self._firm)

    @cached_property
    def alerts(self) -> AlertRows:
        """Those of the agreement's firm."""
        return AlertRows(self.connection, self._sql, self._firm)

    @cached_property
    def imports(self) -> ImportRows:
        return ImportRows(self.connection, self._sql, self.agreement)

    @cached_property
    def matching(self) -> MatchRows:
        """The companies of the agreement's firm."""
        return MatchRows(self.connection, self._sql, self._firm, agreement=self.agreement)

    @cached_property
    def register(self) -> RegisterRows:
        return RegisterRows(self.connection, self._sql, self.agreement, self._firm)

    @cached_property
    def new_debtors(self) -> tuple[NewDebtorSettings, Lists]:
        return settings_of(self.connection, self.agreement), lists_of(self.connection, self.agreement)

    @cached_property
    def debtor_search(self) -> DebtorSearchRows:
        return DebtorSearchRows(self.connection, self._sql, self.agreement)

    @cached_property
    def conversions(self) -> ConversionRows:
        return ConversionRows(self.connection, self._sql, self.agreement)

    @cached_property
    def edits(self) -> EditRows:
        return EditRows(self.connection, self._sql, self.agreement)

    @cached_property
    def _firm(self) -> int:
        firm = self.connection.execute(
            text("SELECT firm_id FROM agreement WHERE number = :agreement"), {"agreement": self.agreement}
        ).scalar_one()
        return int(firm)

    def debtors_total(self, total: int | None = None) -> int | None:
        key = {"agreement": self.agreement}
        if total is not None:
            self.connection.execute(
                text(
                    "UPDATE agreement SET debtors_total = :total"
                    " WHERE number = :agreement AND COALESCE(debtors_total, -1) <> :total"
                ),
                {"total": total, **key},
            )
            return total
        stored = self.connection.execute(
            text("SELECT debtors_total FROM agreement WHERE number = :agreement"), key
        ).scalar()
        return None if stored is None else int(stored)


class LeasedWork:
    """
    `domain.ports.WorkPort`: one lease on one (agreement, kind).

    Args:
        few: the events it is for, where taking the lease has shown them all.
        mail_domain: as `MailRows` takes it.
    """

    def __init__(
        self,
        database: Database,
        lease: Lease,
        ahead: ReadAhead | None = None,
        *,
        few: list[Hint] | None = None,
        mail_domain: str | None = None,
    ) -> None:
        self._database = database
        self._few = few
        self._mail_domain = mail_domain
        self.lease = lease
        self.ahead = ahead or ReadAhead()

    @property
    def agreement(self) -> int:
        return self.lease.agreement

    def stamp(self) -> int:
        return draw_stamp(self._database, self.agreement)

    def outstanding(self, most: int, *, people_only: bool) -> list[Hint]:
        """The oldest events the lease is for; `people_only`: those a person asked for."""
        if self._few is not None and not people_only:
            return self._few[:most]
        with self._database.quick() as connection:
            inbox = SqlInbox(connection, self._database.sql)
            return inbox.outstanding(self.agreement, self.lease.kind, most, people_only=people_only)

    @contextmanager
    def transaction(self, *, release: bool = False) -> Iterator[SqlUnitOfWork]:
        with self._database.write() as connection:
            stands = check_in(connection, self._database.sql, self.lease, release=release)
            yield SqlUnitOfWork(connection, self._database.sql, self.agreement, stands, mail_domain=self._mail_domain)
