"""
Alerts as they are told: one event for a group, each time something joins it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from domain.events import EventType, NewEvent
from domain.matching.verdicts import Candidate
from infra.database.alert_records import candidates_of
from infra.database.dialect import Sql

_OPEN = "FROM alert_record r JOIN alert a ON a.id = r.alert_id AND r.ending IS NULL"


def duplicates_found(connection: Connection, sql: Sql, alerts: Collection[int]) -> list[NewEvent]:
    """`duplicate.found` of each of these alerts as it is now, in their order."""
    if not alerts:
        return []
    these = {"ids": sql.numbers(alerts)}
    among = sql.among("r.alert_id", "ids")
    records: dict[int, list[dict[str, object]]] = defaultdict(list)
    companies = connection.execute(
        sa.text(
            f"SELECT r.alert_id, k.id, k.crm_id {_OPEN} JOIN alert_candidate c ON c.record_id = r.id"
            f" JOIN company k ON k.id = c.company_id WHERE {among}"
            f" UNION SELECT r.alert_id, k.id, k.crm_id {_OPEN} JOIN company k ON k.id = r.company_id WHERE {among}"
            " ORDER BY 1, 2"
        ),
        these,
    )
    for number, company, crm_id in companies:
        records[number].append({"kind": "company", "id": crm_id, "debitor_id": company})
    debtors = connection.execute(
        sa.text(
            f"SELECT r.alert_id, d.agreement, d.number {_OPEN} JOIN debtor d ON d.id = r.debtor_id WHERE {among}"
            " ORDER BY 1, 2, 3"
        ),
        these,
    )
    agreements: dict[int, set[int]] = defaultdict(set)
    for number, agreement, debtor in debtors:
        records[number].append({"kind": "debtor", "agreement": agreement, "number": debtor})
        agreements[number].add(agreement)
    events = []
    best = _best(connection, sql, alerts)
    for number in alerts:
        of_one = next(iter(agreements[number])) if len(agreements[number]) == 1 else None
        data: dict[str, object] = {
            "group": str(number),
            "records": records[number],
            "score": best[number].score,
            "reasons": [reason.text() for reason in best[number].reasons],
            "url": f"/duplicates/{number}",
        }
        events.append(NewEvent(EventType.DUPLICATE_FOUND, f"duplicate {number}", data, of_one))
    return events


def _best(connection: Connection, sql: Sql, alerts: Collection[int]) -> dict[int, Candidate]:
    """The likeliest candidate of each alert."""
    rows = connection.execute(
        sa.text(f"SELECT r.id, r.alert_id {_OPEN} WHERE {sql.among('r.alert_id', 'ids')}"),
        {"ids": sql.numbers(alerts)},
    )
    alert_of = {row.id: row.alert_id for row in rows}
    best: dict[int, Candidate] = {}
    for record, candidates in candidates_of(connection, sql, alert_of.keys()).items():
        known = best.get(alert_of[record])
        if known is None or candidates[0].score > known.score:
            best[alert_of[record]] = candidates[0]
    return best
