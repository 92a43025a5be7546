"""What is forgotten, and what stays because it can still be undone."""

from __future__ import annotations

import pytest

from infra.database.engine import Database
from infra.database.imports import ImportRows
from infra.database.retention import forget
from tests.integration.database.test_imports import NAMELESS, NORDVIND, SAME_SYDHAVN, SYDHAVN
from tests.support.companies import companies, crm, take
from tests.support.databases import AGREEMENT, do, rows, scalar
from tests.support.imports import Lists, imported, reverted, run_of
from tests.support.merges import debtor, merged, undone

ROWS = "SELECT run_id, number, outcome, content IS NOT NULL AS content, form IS NOT NULL AS form FROM import_row"


def grow_old(database: Database) -> None:
    for table, column in (("run", "finished_at"), ("company_merge", "undone_at"), ("company_merge", "at")):
        do(
            database,
            f"UPDATE {table} SET {column} = {database.sql.after('ago')} WHERE {column} IS NOT NULL",
            ago=-91 * 86_400,
        )


def test_rows_of_imports(store: Database) -> None:
    """A test's go; of a start those stay, stripped, whose link can be reverted; and it still can be, exactly."""
    take(store, crm())
    api = Lists(NORDVIND, SYDHAVN, SAME_SYDHAVN, NAMELESS)
    imported(store, api, test=True)
    run_id = imported(store, api)
    do(store, "UPDATE debtor_link SET cut_at = linked_at WHERE company_id = 1")
    everything = rows(store, ROWS)
    assert forget(store, 90) == {}
    assert rows(store, ROWS) == everything

    grow_old(store)
    assert forget(store, 90) == {"import_rows": 6}
    assert rows(store, f"{ROWS} ORDER BY number") == [
        (run_id, 4712, "created", True, False),
        (run_id, 4713, "linked", False, False),
    ]
    assert forget(store, 90) == {}

    revert = reverted(store, run_id)
    assert run_of(store, revert).counts["reverted"] == {"reverted": 2}
    assert [row.deleted_at is None for row in companies(store)] == [True, False]
    assert forget(store, 90) == {"import_rows": 2}


def test_what_waits_or_may_go_on_stays(store: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Debtors that wait for a person's word, or for whom it was no, and those of a run that was cut short."""
    monkeypatch.setattr("infra.database.retention.AT_ONCE", 1)
    for number in (4711, 4712):
        debtor(store, number)
    run_id = imported(store, Lists(NORDVIND, SYDHAVN), test=True)
    with store.write() as connection:
        ImportRows(connection, store.sql, AGREEMENT).wait_for([1, 2])
    for state in ("cancelled", "failed"):
        do(store, "UPDATE run SET state = :state WHERE id = :run", state=state, run=run_id)
        grow_old(store)
        assert forget(store, 90) == {}
    do(store, "UPDATE run SET state = 'cancelled' WHERE state = 'proposed'")
    do(store, "UPDATE run SET state = 'done' WHERE id = :run", run=run_id)
    assert forget(store, 90) == {"import_rows": 2}
    assert scalar(store, "SELECT count(*) FROM import_row WHERE number < 0") == 2


def test_merges(store: Database) -> None:
    """One that was undone goes, but for the companies' history; one that can be undone stays, and is undone exactly."""
    take(store, crm(), crm("crm-18", name="Nordvind", vat=None, city="Vejle"), crm("crm-19", name="Havgus"))
    before = [row.city for row in companies(store)]
    undone(store, merged(store, 1, 2).id)
    kept = merged(store, 1, 3).id
    grow_old(store)
    changes = scalar(store, "SELECT count(*) FROM company_change")

    assert forget(store, 90) == {"merges": 1}
    assert rows(store, "SELECT id FROM company_merge") == [(kept,)]
    assert scalar(store, "SELECT count(*) FROM company_change") == changes
    undone(store, kept)
    assert [row.city for row in companies(store)] == before


def test_answers(store: Database) -> None:
    """What the API remembers for repeated requests, after a week."""
    for key, ago in (("old", -8 * 86_400), ("new", -6 * 86_400)):
        do(
            store,
            "INSERT INTO api_answer (firm_id, key, request, status, body, created_at)"
            f" SELECT id, :key, '', 200, '', {store.sql.after('ago')} FROM firm",
            key=key,
            ago=ago,
        )
    assert forget(store, 90) == {"answers": 1}
    assert rows(store, "SELECT key FROM api_answer") == [("new",)]
