"""Failures: one open row per thing; they close by themselves."""

from __future__ import annotations

from domain.ports import FailureReport
from infra.database.engine import Database
from infra.database.failures import FailureRows
from tests.support.databases import AGREEMENT, add_agreement, rows


def report(
    store: Database, subject: str, message: str = "bad", *, kind: str = "debtor", agreement: int = AGREEMENT
) -> None:
    with store.write() as connection:
        FailureRows(connection, store.sql, agreement).report(
            [FailureReport(kind, subject, "unreadable", message, "mend it", "as it came")]
        )


def resolve(store: Database, *subjects: object, kind: str = "debtor") -> None:
    with store.write() as connection:
        FailureRows(connection, store.sql, AGREEMENT).resolve(kind, subjects)


def states(store: Database) -> list[tuple[str, str, int]]:
    return [(row.subject, row.state, row.times) for row in rows(store, "SELECT * FROM failure ORDER BY id")]


def test_one_open_failure_for_each_thing(store: Database) -> None:
    """Failing again counts the open failure once more and keeps what was said last."""
    report(store, "100", "first")
    report(store, "200")
    report(store, "100", "second")

    assert states(store) == [("100", "open", 2), ("200", "open", 1)]
    (row,) = rows(store, "SELECT * FROM failure WHERE subject = '100'")
    assert (row.message, row.advice, row.detail) == ("second", "mend it", "as it came")
    assert row.last_seen_at >= row.first_seen_at


def test_a_failure_closes_by_itself(store: Database) -> None:
    """What succeeds later closes its failure and nobody else's; a later one opens a new row."""
    report(store, "100")
    report(store, "200")
    report(store, "100", kind="invoice")

    resolve(store, 100, 300)
    assert states(store) == [("100", "resolved", 1), ("200", "open", 1), ("100", "open", 1)]

    report(store, "100")
    assert states(store)[-1] == ("100", "open", 1)


def test_agreements_keep_their_own_failures(store: Database) -> None:
    """The same number of another agreement is another thing."""
    add_agreement(store, 7)
    report(store, "100", agreement=7)
    report(store, "100")

    resolve(store, 100)

    assert {(row.agreement, row.state) for row in rows(store, "SELECT agreement, state FROM failure")} == {
        (7, "open"),
        (AGREEMENT, "resolved"),
    }


def test_a_person_ends_a_failure_once(store: Database) -> None:
    """A dismissed failure keeps its note, and dismissing again or resolving changes nothing."""
    report(store, "100")
    for state, note in (("dismissed", "known"), ("replayed", "late")):
        with store.write() as connection:
            FailureRows(connection, store.sql, AGREEMENT).end([1], state, note)
    resolve(store, 100)

    (row,) = rows(store, "SELECT state, note, ended_at FROM failure")
    assert (row.state, row.note) == ("dismissed", "known")
    assert row.ended_at is not None
