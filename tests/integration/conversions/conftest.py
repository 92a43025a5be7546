"""Conversions on either database, with an e-conomic inside the process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from domain.companies import CompanyFields, StoredCompany
from domain.conversion_requests import Asked, Supply, Wanted, ask, supply
from domain.conversions import Conversion
from domain.convert import convert
from domain.debtors import Debtor
from domain.hints import Kind
from domain.new_debtor import Draft, Lack, Missing
from domain.ports import UnitOfWork
from domain.refresh_debtors import Refreshed
from infra.database.engine import Database
from infra.database.unit_of_work import LeasedWork, SqlUnitOfWork
from infra.database.work import WorkRows
from tests.support.companies import crm, take
from tests.support.databases import AGREEMENT, add_agreement, do, rows, scalar
from tests.support.economic import Ledger


class Killed(BaseException):
    """The process ends here."""


@dataclass
class Office:
    """An agreement whose settings are as simple as can be."""

    allowed: str = "at-once"
    mirrored: list[Debtor] = field(default_factory=list)
    keys: int = 0

    def likely(self, uow: UnitOfWork, company: StoredCompany) -> Sequence[Debtor]:
        return self.mirrored

    def draft(self, uow: UnitOfWork, company: CompanyFields, overrides: Mapping[str, str]) -> Draft | Missing:
        zip_code = overrides.get("zip") or company.zip
        if not zip_code:
            return Missing((Lack("zip", "is missing"),), {})
        body: dict[str, str | int] = {"name": company.name, "currency": "DKK", "zip": zip_code, "vat_zone": 1}
        if company.vat:
            body["cvr"] = company.vat
        if number := overrides.get("number"):
            body["number"] = int(number)
        return Draft(body)

    def policy(self, uow: UnitOfWork) -> str:
        return self.allowed

    def form_url(self, conversion: int) -> str:
        return f"https://debitor.example/conversion/{conversion}"

    def new_key(self) -> str:
        self.keys += 1
        return f"key-{self.keys}"


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
    """One agreement, its e-conomic, and the people around it."""

    database: Database
    ledger: Ledger
    office: Office

    def has(self, crm_id: str = "crm-17", **values: str | None) -> None:
        take(self.database, crm(crm_id, **values))

    def ask(self, crm_id: str = "crm-17", **more: Any) -> Asked:
        with self.transaction() as uow:
            return ask(uow.companies, uow.conversions, AGREEMENT, [Wanted(crm_id, **more)])[0]

    def supply(self, conversion: int, **more: Any) -> Conversion:
        with self.transaction() as uow:
            return supply(uow.companies, uow.conversions, Supply(conversion, **more))

    @contextmanager
    def transaction(self) -> Iterator[SqlUnitOfWork]:
        with self.database.write() as connection:
            yield SqlUnitOfWork(connection, self.database.sql, AGREEMENT)

    def work(self, *, kill_at: int = 0, after: bool = False, slices: int = 1) -> int:
        """A slice of work, perhaps cut short; how many transactions it committed."""
        commits = 0
        for _ in range(slices):
            taken = WorkRows(self.database).take(AGREEMENT, Kind.CONVERSIONS)
            if taken is None:
                break
            work = FragileWork(self.database, taken.lease)
            work.kill_at, work.after = kill_at, after
            with ThreadPoolExecutor(4) as pool:
                done = convert(work, self.ledger, self.office, pool=pool, more_time=lambda: True)  # type: ignore[arg-type]
            assert isinstance(done, Refreshed)
            commits += work.commits
        return commits

    def time_passes(self) -> None:
        """Leases run out, and whatever is put off is due."""
        do(self.database, "UPDATE work SET lease_token = NULL, lease_until = NULL, not_before = NULL")
        do(
            self.database,
            "UPDATE conversion SET lease_until = NULL,"
            f" next_at = CASE WHEN next_at IS NULL THEN NULL ELSE {self.database.sql.now} END",
        )

    def an_hour_passes(self) -> None:
        """Also for the keys e-conomic keeps."""
        self.ledger.forget_keys()
        do(
            self.database,
            f"UPDATE conversion SET first_sent_at = {self.database.sql.after('ago')} WHERE first_sent_at IS NOT NULL",
            ago=-3_600,
        )
        self.time_passes()

    def conversion(self, row_id: int = 1) -> Conversion:
        with self.transaction() as uow:
            return uow.conversions.peek([row_id])[row_id]

    def states(self) -> list[str]:
        return [row.state for row in rows(self.database, "SELECT state FROM conversion ORDER BY id")]

    def links(self) -> list[tuple[str, int]]:
        """CRM id and number of each living link."""
        found = rows(
            self.database,
            "SELECT c.crm_id, d.number FROM debtor_link l JOIN company c ON c.id = l.company_id"
            " JOIN debtor d ON d.id = l.debtor_id WHERE l.cut_at IS NULL ORDER BY c.crm_id, d.number",
        )
        return [(row.crm_id, row.number) for row in found]

    def events(self) -> list[str]:
        return [row.type for row in rows(self.database, "SELECT type FROM outbox ORDER BY id")]

    def count(self, table: str) -> int:
        return int(scalar(self.database, f"SELECT count(*) FROM {table}"))


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
    return Firm(database, Ledger(), Office())
