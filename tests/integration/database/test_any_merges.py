"""Merges, their undoing, the CRM's words and links in any order: what nobody touched is as it was."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import Connection

from domain import links
from domain.companies import UNITS, CompanyFields, LinkedHow
from domain.debtors import Debtor, DebtorChanges
from domain.errors import PermanentError
from domain.merge_companies import Stores, merge
from domain.merging import Wish
from domain.normal_forms import company_form
from domain.take_companies import Upsert, take_companies
from domain.unmerge_companies import unmerge
from infra.database import company_views
from infra.database.engine import Database
from infra.database.merges import MergeRows, merging
from infra.database.mirror_debtors import DebtorRows
from infra.database.tables_companies import company
from tests.support.databases import AGREEMENT, add_agreement
from tests.support.merges import MARIE

MANY = 5
NUMBERS = (4711, 4712, 4713)
SAID = ("name", "phone", "city", "web", "account_manager")

_company, _number = st.integers(0, MANY - 1), st.sampled_from(NUMBERS)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("merge"), st.lists(_company, min_size=2, max_size=3, unique=True).map(tuple)),
        st.tuples(st.just("undo"), st.none()),
        st.tuples(st.just("say"), st.tuples(_company, st.sampled_from(SAID), st.sampled_from("xyz"))),
        st.tuples(st.just("link"), st.tuples(_number, _company)),
        st.tuples(st.just("cut"), _number),
    ),
    max_size=12,
)


class Row(NamedTuple):
    fields: CompanyFields
    merged_into: int | None
    deleted: bool
    crm_id: str | None


class Register:
    """Five companies, the last two without a CRM id, and three debtors, two of them linked."""

    def __init__(self, connection: Connection, database: Database) -> None:
        self.connection = connection
        self.database = database
        self.firm = 1
        self.merges: list[int] = []
        self.said: set[tuple[int, str]] = set()
        self.moved: set[int] = set()
        self.stamp = 1
        taken = take_companies(self.stores.companies, [self._upsert(number) for number in range(MANY)], who="crm")
        self.ids = [each.company or 0 for each in taken]
        debtors = [Debtor(number, f"Firma {number}", cvr="31313139") for number in NUMBERS]
        DebtorRows(connection, database.sql, AGREEMENT).write(DebtorChanges(insert=debtors), {})
        self.link((NUMBERS[0], 0))
        self.link((NUMBERS[1], 4))
        self.moved.clear()

    def _upsert(self, number: int) -> Upsert:
        crm_id = f"crm-{number}" if number < 3 else None
        values = {"name": f"Firma{number} {'abcde'[number] * 4}", "zip": f"{number + 1}000", "city": f"By {number}"}
        filled = {"phone": f"+45700000{number}0"} if number % 2 else {"web": f"firma{number}.example"}
        return Upsert({**values, **filled}, crm_id, self.stamp if crm_id else None)

    @property
    def stores(self) -> Stores:
        return merging(self.connection, self.database.sql, self.firm)

    def merge(self, numbers: tuple[int, ...]) -> None:
        ids = dict.fromkeys(self.end(self.ids[number]) for number in numbers)
        self.merges.append(merge(self.stores, Wish(tuple(ids)), who=MARIE).id)

    def undo(self, _: None = None) -> None:
        if self.merges:
            rows = MergeRows(self.connection, self.database.sql, self.firm)
            unmerge(self.stores, rows, self.merges.pop(), who=MARIE)

    def say(self, what: tuple[int, str, str]) -> None:
        number, field, value = what
        if number < 3:
            self.stamp += 1
            take_companies(self.stores.companies, [Upsert({field: value}, f"crm-{number}", self.stamp)], who="crm")
            self.said.add((number, field))

    def link(self, what: tuple[int, int]) -> None:
        debtor, number = what
        found = self.stores.links.debtor(AGREEMENT, debtor)
        assert found is not None
        stores = self.stores
        self.moved.add(debtor)
        links.link(
            *(stores.companies, stores.links, stores.outbox, found, self.ids[number]), how=LinkedHow.PERSON, who=MARIE
        )

    def cut(self, debtor: int) -> None:
        found = self.stores.links.debtor(AGREEMENT, debtor)
        assert found is not None
        linked = self.stores.links.company_of(found.id)
        if linked is not None:
            self.moved.add(debtor)
            links.unlink(self.stores.companies, self.stores.links, self.stores.outbox, found, linked, who=MARIE)

    def end(self, row_id: int) -> int:
        found = company_views.find(self.connection, self.firm, f"#{row_id}")
        assert found is not None
        return found

    def rows(self) -> dict[int, Row]:
        found = self.connection.execute(sa.select(company))
        return {
            row.id: Row(
                CompanyFields(*(getattr(row, name) for name in CompanyFields._fields)),
                row.merged_into,
                row.deleted_at is not None,
                row.crm_id,
            )
            for row in found
        }

    def linked(self) -> list[tuple[int, int]]:
        living = "SELECT d.number, l.company_id FROM debtor_link l JOIN debtor d ON d.id = l.debtor_id"
        return [tuple(row) for row in self.connection.execute(sa.text(f"{living} WHERE l.cut_at IS NULL"))]


def check(register: Register) -> None:
    """What always holds."""
    rows = register.rows()
    ids = Counter(row.crm_id for row in rows.values() if row.crm_id is not None)
    assert ids == Counter({f"crm-{number}": 1 for number in range(3)})
    for crm_id in ids:
        found = company_views.find(register.connection, register.firm, crm_id)
        assert found is not None
        assert rows[found].merged_into is None
    linked = register.linked()
    assert max(Counter(number for number, _ in linked).values(), default=1) == 1
    assert all(rows[found].merged_into is None for _, found in linked)
    keys: dict[int, set[int]] = {}
    for found, key in register.connection.execute(sa.text("SELECT company_id, key FROM company_key")):
        keys.setdefault(found, set()).add(key)
    normal = {row.id: row.normal for row in register.connection.execute(sa.text("SELECT id, normal FROM company"))}
    for row_id, row in rows.items():
        form = company_form(row.fields._asdict(), row.crm_id)
        assert normal[row_id] == form.packed()
        assert bool(keys.get(row_id)) == (row.merged_into is None and not row.deleted)


@pytest.fixture(params=["sqlite", "module_database"], ids=["sqlite", "postgresql"])
def apart(request: pytest.FixtureRequest) -> Database:
    """Each database, for this module alone: what is rolled back has drawn ids all the same."""
    database: Database = request.getfixturevalue(request.param)
    add_agreement(database)
    return database


@given(steps=STEPS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_nobody_touched_is_as_it_was(apart: Database, steps: list[tuple[str, object]]) -> None:
    """After everything is undone, only what was said or linked in between is other than it was."""
    with apart.write() as connection, connection.begin_nested() as attempt:
        register = Register(connection, apart)
        before, linked = register.rows(), dict(register.linked())
        check(register)
        for name, what in steps:
            with connection.begin_nested() as step:
                try:
                    getattr(register, name)(what)
                except PermanentError:
                    step.rollback()
            check(register)
        while register.merges:
            register.undo()
            check(register)
        after = register.rows()
        assert {row_id: row.crm_id for row_id, row in after.items()} == {
            row_id: row.crm_id for row_id, row in before.items()
        }
        said = {(register.ids[number], UNITS[field]) for number, field in register.said}
        units = {unit for _, unit in said}
        taken_over = set(register.ids[3:])  # it may have had another one's id meanwhile
        for row_id, row in before.items():
            for field, value in row.fields._asdict().items():
                unit = UNITS[field]
                touched = (row_id, unit) in said or (row_id in taken_over and unit in units)
                by_links = register.moved and field in ("vat", "customer_number", "billing_name")
                if not touched and not by_links:
                    assert getattr(after[row_id].fields, field) == value, (row_id, field)
        now = dict(register.linked())
        for number in set(NUMBERS) - register.moved:
            assert now.get(number) == linked.get(number)
        attempt.rollback()
