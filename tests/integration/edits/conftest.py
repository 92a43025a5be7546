"""Edits of debtors on either database, with an e-conomic inside the process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from domain.companies import LinkedHow
from domain.debtor_edits import Edit
from domain.debtors import Debtor
from domain.edit_requests import ask, read_changes, read_seen
from domain.follow_debtors import follow_debtors
from domain.hints import Kind
from domain.links import link
from domain.refresh_debtors import refresh_debtors
from domain.write_edits import write_edits
from infra.database.endpoints import Endpoints
from infra.database.engine import Database
from infra.database.unit_of_work import LeasedWork, SqlUnitOfWork
from infra.database.work import WorkRows
from infra.encryption import SecretBox
from tests.support.companies import firm_of
from tests.support.databases import AGREEMENT, KEY, add_agreement, add_hints, do, rows
from tests.support.economic import Ledger

NORDVIND = Debtor(
    4711,
    "Nordvind Service A/S",
    currency="DKK",
    debtor_group=1,
    address="Industrivej 7",
    zip="8700",
    city="Horsens",
    country="Danmark",
    cvr="31313139",
    phone="76000000",
    email="faktura@nordvind.example",
)


class Killed(BaseException):
    """The process ends here."""


class FragileWork(LeasedWork):
    """Its process is killed at one of its commits: `kill_at` counts from 1, `after` = it still reached the disk."""

    kill_at = 0
    after = False
    commits = 0

    @contextmanager
    def transaction(self, *, release: bool = False) -> Iterator[SqlUnitOfWork]:
        with super().transaction(release=release) as uow:
            yield uow
            self.commits += 1
            if self.commits == self.kill_at and not self.after:
                raise Killed
        if self.commits == self.kill_at:
            raise Killed


@dataclass
class Firm:
    """One agreement that lets debtors be changed, its e-conomic, and the CRM."""

    database: Database
    ledger: Ledger

    def knows(self, *debtors: Debtor) -> None:
        """E-conomic has these debtors, and the mirror has read them."""
        for debtor in debtors:
            self.ledger.books[debtor.number] = debtor
        add_hints(self.database, *(debtor.number for debtor in debtors))
        self.drain(Kind.DEBTORS)
        self.drain(Kind.LINKS)

    def links(self, company: int = 1, number: int = 4711) -> None:
        with self.transaction() as uow:
            stores = uow.matching
            debtor = stores.links.debtor(AGREEMENT, number)
            assert debtor is not None
            link(stores.companies, stores.links, stores.outbox, debtor, company, how=LinkedHow.PERSON, who="mlj")
        do(self.database, "DELETE FROM outbox WHERE type = 'company.updated'")

    def listens(self, kind: str) -> None:
        """The CRM takes events of this type."""
        box = SecretBox([KEY])
        Endpoints(self.database, box).add(firm_of(self.database), "https://crm.fjordlys.example/debitor", types=[kind])

    def ask(
        self, number: int = 4711, *, was: dict[str, object] | None = None, by_crm: bool = True, **changes: object
    ) -> Edit:
        with self.transaction() as uow:
            return ask(
                uow,
                number,
                read_changes(changes),
                read_seen(was or {}),
                who="api" if by_crm else "command line",
                by_crm=by_crm,
                cause="cause-of-it",
            )

    @contextmanager
    def transaction(self) -> Iterator[SqlUnitOfWork]:
        with self.database.write() as connection:
            yield SqlUnitOfWork(connection, self.database.sql, AGREEMENT)

    def work(self, *, kill_at: int = 0, after: bool = False) -> None:
        """A slice of work on edits, perhaps cut short."""
        self.drain(Kind.EDITS, kill_at=kill_at, after=after)

    def drain(self, kind: Kind, *, kill_at: int = 0, after: bool = False) -> None:
        taken = WorkRows(self.database).take(AGREEMENT, kind)
        if taken is None:
            return
        work = FragileWork(self.database, taken.lease)
        work.kill_at, work.after = kill_at, after
        hints = work.outstanding(100, people_only=False)
        more_time: Callable[[], bool] = lambda: True  # noqa: E731
        if kind is Kind.EDITS:
            write_edits(work, self.ledger, hints, more_time=more_time)  # type: ignore[arg-type]
        elif kind is Kind.LINKS:
            follow_debtors(work, hints, more_time=more_time)
        else:
            refresh_debtors(work, self.ledger, hints, more_time=more_time)  # type: ignore[arg-type]

    def time_passes(self) -> None:
        """Leases run out, and whatever is put off is due."""
        do(self.database, "UPDATE work SET lease_token = NULL, lease_until = NULL, not_before = NULL")
        now = self.database.sql.now
        do(self.database, f"UPDATE debtor_edit SET next_at = {now} WHERE next_at IS NOT NULL")

    def an_hour_passes(self) -> None:
        """Also for the keys e-conomic keeps."""
        self.ledger.forget_keys()
        ago = self.database.sql.after("ago")
        do(self.database, f"UPDATE debtor_edit SET first_sent_at = {ago} WHERE key IS NOT NULL", ago=-3_600)
        self.time_passes()

    def edit(self, row_id: int = 1) -> Edit:
        with self.transaction() as uow:
            [found] = uow.edits.by_id([row_id])
            return found

    def states(self) -> list[str]:
        return [row.state for row in rows(self.database, "SELECT state FROM debtor_edit ORDER BY id")]

    def mirrored(self, number: int = 4711) -> Debtor:
        columns = ", ".join(Debtor._fields[:-4])
        [row] = rows(self.database, f"SELECT {columns} FROM debtor WHERE number = :n AND gone_at IS NULL", n=number)
        return Debtor(*row)

    def events(self) -> list[str]:
        return [row.type for row in rows(self.database, "SELECT type FROM outbox ORDER BY id")]

    def failures(self) -> list[tuple[str, str, str]]:
        found = rows(self.database, "SELECT subject, reason, state FROM failure ORDER BY id")
        return [(row.subject, row.reason, row.state) for row in found]


@pytest.fixture
def firm(database: Database) -> Firm:
    return _firm(database)


@pytest.fixture
def sqlite_firm(sqlite: Database) -> Firm:
    return _firm(sqlite)


@pytest.fixture
def postgresql_firm(postgres: Database) -> Firm:
    return _firm(postgres)


def _firm(database: Database) -> Firm:
    add_agreement(database)
    do(database, "UPDATE agreement SET debtor_edits = true, create_companies = false, companies_since = created_at")
    firm = Firm(database, Ledger())
    firm.knows(NORDVIND)
    return firm
