"""
What is shown of duplicate alerts: read-only queries, plain tuples out. Every query is given a firm.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Collection
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from domain.alerts import AlertReason, Answer, Ending, RecordKind, proposed
from domain.questions import AskedRecord
from infra.database.alert_answers import AlertAnswers
from infra.database.dialect import Sql
from infra.database.tables_alerts import alert
from infra.database.tables_companies import company
from infra.database.tables_mirror import debtor

STATES = ("open", "closed")


class Known(NamedTuple):
    """A debtor or company as a person compares it; `id` is our own, `crm_id` the CRM's of a company."""

    kind: RecordKind
    id: int
    name: str
    vat: str | None
    street: str | None
    zip: str | None
    city: str | None
    country: str | None
    phone: str | None
    mail: str | None
    crm_id: str | None = None
    agreement: int | None = None
    number: int | None = None


class ShownCandidate(NamedTuple):
    """A company that a record may be; reasons in English, strongest first."""

    company: Known
    score: float
    reasons: list[str]
    against: list[str]


class ShownRecord(NamedTuple):
    """A record that a company is sought for; `ending`, `by`, `at` and `decision` once the question has ended."""

    record: Known
    candidates: list[ShownCandidate]
    proposed: Answer | None
    ending: Ending | None
    by: str | None
    at: dt.datetime | None
    decision: int | None


class Alert(NamedTuple):
    """A group of records; `joined_to` is the alert that its open records are part of now."""

    id: int
    reason: AlertReason
    state: str
    score: float
    raised_at: dt.datetime
    changed_at: dt.datetime
    closed_at: dt.datetime | None
    joined_to: int | None
    records: list[ShownRecord]


def alerts(
    connection: Connection,
    sql: Sql,
    firm: int,
    *,
    reason: AlertReason | None = None,
    state: str | None = "open",
    after: int | None = None,
    limit: int,
) -> list[Alert]:
    """
    At most `limit` alerts, newest first.

    Args:
        state: one of STATES; None = all.
        after: the id of the last one of the page before.
    """
    page = sa.select(alert).where(alert.c.firm_id == firm).order_by(alert.c.id.desc()).limit(limit)
    if reason is not None:
        page = page.where(alert.c.reason == reason.value)
    if state is not None:
        page = page.where(alert.c.closed_at.is_(None) if state == "open" else alert.c.closed_at.is_not(None))
    if after is not None:
        page = page.where(alert.c.id < after)
    return _alerts(connection, sql, firm, page)


def one(connection: Connection, sql: Sql, firm: int, alert_id: int) -> Alert | None:
    """One alert, open or closed; None for another firm's."""
    found = _alerts(connection, sql, firm, sa.select(alert).where(alert.c.firm_id == firm, alert.c.id == alert_id))
    return found[0] if found else None


def counts(connection: Connection, firm: int) -> dict[AlertReason, int]:
    """How many alerts of each reason are open; reasons without any are left out."""
    rows = connection.execute(
        sa.select(alert.c.reason, sa.func.count())
        .where(alert.c.firm_id == firm, alert.c.closed_at.is_(None))
        .group_by(alert.c.reason)
    )
    return {AlertReason(reason): count for reason, count in rows}


def _alerts(connection: Connection, sql: Sql, firm: int, page: sa.Select[tuple[object, ...]]) -> list[Alert]:
    rows = connection.execute(page).all()
    by_alert: dict[int, list[AskedRecord]] = defaultdict(list)
    asked = AlertAnswers(connection, sql, firm).records([row.id for row in rows])
    for each in asked:
        by_alert[each.alert].append(each)
    wanted = {candidate.company for each in asked for candidate in each.candidates}
    wanted |= {each.record.id for each in asked if each.record.kind is RecordKind.COMPANY}
    companies = _companies(connection, sql, wanted)
    debtors = _debtors(connection, sql, {each.record.id for each in asked if each.record.kind is RecordKind.DEBTOR})
    return [
        Alert(
            row.id,
            AlertReason(row.reason),
            STATES[row.closed_at is not None],
            row.score,
            row.raised_at,
            row.changed_at,
            row.closed_at,
            row.joined_to,
            [_shown(each, debtors, companies) for each in by_alert[row.id]],
        )
        for row in rows
    ]


def _shown(each: AskedRecord, debtors: dict[int, Known], companies: dict[int, Known]) -> ShownRecord:
    known = debtors if each.record.kind is RecordKind.DEBTOR else companies
    return ShownRecord(
        known[each.record.id],
        [
            ShownCandidate(
                companies[candidate.company],
                candidate.score,
                [reason.text() for reason in candidate.reasons],
                [reason.text() for reason in candidate.against],
            )
            for candidate in each.candidates
        ],
        proposed(each.record.kind, each.candidates) if each.ending is None else None,
        each.ending,
        each.by,
        each.at,
        each.decision if each.ending is not None else None,
    )


def _companies(connection: Connection, sql: Sql, ids: Collection[int]) -> dict[int, Known]:
    rows = connection.execute(
        sa.select(company).where(sa.text(sql.among("company.id", "ids"))), {"ids": sql.numbers(ids)}
    )
    return {
        row.id: Known(
            RecordKind.COMPANY,
            *(row.id, row.name, row.vat, row.street, row.zip, row.city, row.country, row.phone, row.mail),
            crm_id=row.crm_id,
        )
        for row in rows
    }


def _debtors(connection: Connection, sql: Sql, ids: Collection[int]) -> dict[int, Known]:
    rows = connection.execute(
        sa.select(debtor).where(sa.text(sql.among("debtor.id", "ids"))), {"ids": sql.numbers(ids)}
    )
    return {
        row.id: Known(
            RecordKind.DEBTOR,
            *(row.id, row.name, row.cvr or row.vat_number, row.address, row.zip, row.city, row.country),
            *(row.phone or row.mobile, row.email),
            agreement=row.agreement,
            number=row.number,
        )
        for row in rows
    }
