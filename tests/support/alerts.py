"""Duplicate alerts in tests: raised for debtors and companies, and looked at."""

from __future__ import annotations

from collections.abc import Sequence

from domain.alerts import AlertReason, Asked, NewAlert, RecordKind, RecordRef
from domain.debtors import Debtor, DebtorChanges
from domain.matching.reasons import Reason
from domain.matching.verdicts import Candidate
from infra.database.alerts import AlertRows
from infra.database.engine import Database
from infra.database.mirror_debtors import DebtorRows
from tests.support.companies import firm_of
from tests.support.databases import AGREEMENT, rows


def debtors(database: Database, *those: Debtor) -> list[int]:
    """These debtors stored; returns their ids."""
    with database.write() as connection:
        DebtorRows(connection, database.sql, AGREEMENT).write(DebtorChanges(insert=list(those)), {})
    return [row.id for row in rows(database, "SELECT id FROM debtor ORDER BY id")][-len(those) :]


def debtor(record: int) -> RecordRef:
    return RecordRef(RecordKind.DEBTOR, record)


def company(record: int) -> RecordRef:
    return RecordRef(RecordKind.COMPANY, record)


def asked(record: RecordRef, *companies: int, score: float = 80.0) -> Asked:
    """A record that may be each of these companies."""
    reasons = (Reason("same phone", 18.0), Reason("same domain %(domain)s", 15.0, (("domain", "nordvind.example"),)))
    against = (Reason("other department", -3.0),)
    return Asked(record, tuple(Candidate(one, score - n, reasons, against) for n, one in enumerate(companies)))


def raise_alerts(database: Database, *records: Asked, reason: AlertReason = AlertReason.SEVERAL) -> list[int]:
    """Records in doubt, in one committed transaction; returns the alerts they are in."""
    with database.write() as connection:
        return AlertRows(connection, database.sql, firm_of(database)).raise_groups([NewAlert(reason, tuple(records))])


def open_groups(database: Database) -> dict[int, tuple[list[int], list[int]]]:
    """Of each open alert, the records asked about and the companies they may be."""
    found: dict[int, tuple[list[int], list[int]]] = {}
    for row in rows(
        database,
        "SELECT a.id, COALESCE(r.debtor_id, r.company_id) AS record, c.company_id FROM alert a"
        " JOIN alert_record r ON r.alert_id = a.id AND r.ending IS NULL"
        " JOIN alert_candidate c ON c.record_id = r.id WHERE a.closed_at IS NULL ORDER BY 1, 2, 3",
    ):
        records, companies = found.setdefault(row.id, ([], []))
        _add(records, row.record)
        _add(companies, row.company_id)
    return {number: (sorted(records), sorted(companies)) for number, (records, companies) in found.items()}


def _add(values: list[int], value: int) -> None:
    if value not in values:
        values.append(value)


def endings(database: Database, alert: int) -> Sequence[str | None]:
    """How the question about each record of an alert ended, in the order they were asked about."""
    return [
        row.ending
        for row in rows(database, "SELECT ending FROM alert_record WHERE alert_id = :alert ORDER BY id", alert=alert)
    ]
