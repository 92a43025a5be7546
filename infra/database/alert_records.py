"""
Records of alerts and their candidates, as columns hold them.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from domain.alerts import RecordKind, RecordRef
from domain.matching.reasons import Reason
from domain.matching.verdicts import Candidate
from infra.database.dialect import Sql
from infra.database.tables_alerts import alert_candidate
from infra.database.tables_companies import company

Packed = tuple[int, float, str, str]
"""A candidate as stored: company, score, reasons, against."""


def candidates_of(
    connection: Connection, sql: Sql, record_ids: Collection[int], *, living: bool = False
) -> dict[int, list[Candidate]]:
    """The companies each of these records may be, best first; `living` leaves out those that are not there any more."""
    found: dict[int, list[Candidate]] = defaultdict(list)
    if not record_ids:
        return found
    candidates = (
        sa.select(alert_candidate)
        .where(sa.text(sql.among("alert_candidate.record_id", "ids")))
        .order_by(alert_candidate.c.score.desc(), alert_candidate.c.company_id)
    )
    if living:
        there = sa.and_(
            company.c.id == alert_candidate.c.company_id,
            company.c.deleted_at.is_(None),
            company.c.merged_into.is_(None),
        )
        candidates = candidates.join(company, there)
    for row in connection.execute(candidates, {"ids": sql.numbers(record_ids)}):
        found[row.record_id].append(
            Candidate(row.company_id, row.score, reasons_of(row.reasons), reasons_of(row.against))
        )
    return found


def reasons_of(stored: Sequence[tuple[str, Mapping[str, str | int]]]) -> tuple[Reason, ...]:
    """Reasons as they are stored; their weight is not."""
    return tuple(Reason(message, 0.0, tuple(sorted(parameters.items()))) for message, parameters in stored)


def packed(candidate: Candidate) -> Packed:
    """A candidate's columns."""
    return (candidate.company, candidate.score, _text(candidate.reasons), _text(candidate.against))


def _text(reasons: Sequence[Reason]) -> str:
    return json.dumps([[reason.message, dict(sorted(reason.parameters))] for reason in reasons], ensure_ascii=False)


def ref_of(debtor: int | None, company: int | None) -> RecordRef:
    """From the two columns of which one is there."""
    if debtor is not None:
        return RecordRef(RecordKind.DEBTOR, debtor)
    assert company is not None
    return RecordRef(RecordKind.COMPANY, company)


def columns_of(record: RecordRef) -> tuple[int | None, int | None]:
    """The two columns of which one is there: debtor, company."""
    return (record.id, None) if record.kind is RecordKind.DEBTOR else (None, record.id)
