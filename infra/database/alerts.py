"""
Duplicate alerts inside a transaction: raised, joined, and closed by themselves.

Locks are taken in this order: debtors, companies, alerts by id, the outbox.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from domain.alerts import AlertReason, Asked, Ending, NewAlert, RecordKind, RecordRef, Together, companies_of
from infra.database import bulk
from infra.database.alert_endings import AlertEndings
from infra.database.alert_events import duplicates_found
from infra.database.alert_moves import AlertMoves
from infra.database.alert_records import Packed, candidates_of, columns_of, packed, ref_of
from infra.database.dialect import Sql
from infra.database.not_duplicates import NotDuplicateRows
from infra.database.outbox import SqlOutbox

BY_ITSELF = "debitor"
"""Who ended what no person spoke of."""

_LOCK = 70_707  # any constant: whoever raises alerts of a firm does so alone


class OpenRecord(NamedTuple):
    """A record that is asked about."""

    id: int
    alert: int
    reason: AlertReason
    candidates: frozenset[Packed]


class _Group(NamedTuple):
    """Records that belong together: they are to be in `alert` (0: a fresh one), as are those of the alerts `joined`."""

    alert: int
    fresh: bool
    reason: AlertReason
    joined: Collection[int]
    asked: Sequence[Asked]


class AlertRows:
    """`domain.alerts.AlertStore` on either database, for one firm."""

    def __init__(self, connection: Connection, sql: Sql, firm: int) -> None:
        self._connection = connection
        self._sql = sql
        self._firm = firm
        self._spoken_of = NotDuplicateRows(connection, sql)
        self._endings = AlertEndings(connection, sql, firm)

    def raise_groups(self, alerts: Sequence[NewAlert]) -> list[int]:
        wanted = {each.record: (new.reason, each) for new in alerts for each in new.asked}
        if not wanted:
            return []
        self._alone()
        known = self._known(wanted)
        spoken_of = self._spoken_of.companies(wanted, left_too=True)
        news: dict[AlertReason, list[Asked]] = defaultdict(list)
        standing, cleared = set(), []
        for record, (reason, each) in wanted.items():
            apart = spoken_of.get(record, set())
            asked = Asked(record, tuple(one for one in each.candidates if one.company not in apart))
            stored = known.get(record)
            if not asked.candidates:
                cleared += [stored.id] if stored else []
            elif stored and stored.reason is reason and stored.candidates == frozenset(map(packed, asked.candidates)):
                standing.add(stored.alert)
            else:
                news[reason].append(asked)
        groups = self._numbered([each for reason, some in news.items() for each in self._grouped(reason, some, known)])
        self._write(groups, known)
        self._endings.end(cleared, Ending.CLEARED, who=BY_ITSELF)
        told = sorted(group.alert for group in groups)
        SqlOutbox(self._connection, self._sql, firm=self._firm).add(duplicates_found(self._connection, self._sql, told))
        return sorted(standing.union(told))

    def apart(self, records: Collection[RecordRef]) -> dict[RecordRef, set[int]]:
        return self._spoken_of.companies(records, left_too=False)

    def close_for(
        self, *, debtors: Collection[int] = (), companies: Collection[int] = (), how: Ending, who: str
    ) -> None:
        refs = [RecordRef(RecordKind.DEBTOR, each) for each in debtors]
        refs += [RecordRef(RecordKind.COMPANY, each) for each in companies]
        if not refs:
            return
        self._endings.end([row.id for row in self._open_rows(refs)], how, who=who)
        if companies:
            lost = self._connection.execute(
                sa.text(
                    "SELECT r.id FROM alert_record r JOIN alert_candidate c ON c.record_id = r.id"
                    f" WHERE r.ending IS NULL AND {self._sql.among('c.company_id', 'companies')}"
                    " AND NOT EXISTS (SELECT 1 FROM alert_candidate o JOIN company k ON k.id = o.company_id"
                    " WHERE o.record_id = r.id AND k.deleted_at IS NULL AND k.merged_into IS NULL)"
                ),
                {"companies": self._sql.numbers(companies)},
            )
            self._endings.end(list(lost.scalars()), Ending.CLEARED, who=who)

    def move(self, from_company: int, to_company: int, *, who: str) -> Mapping[str, object]:
        return AlertMoves(self._connection, self._sql, self._endings).move(from_company, to_company, who=who)

    def move_back(self, moved: Mapping[str, object]) -> None:
        AlertMoves(self._connection, self._sql, self._endings).move_back(moved)

    # -- raising --------------------------------------------------------------------------

    def _alone(self) -> None:
        """Two that raise alerts at once would each miss the other's, and make two of one group."""
        if self._sql.postgresql:
            self._connection.execute(
                sa.text("SELECT pg_advisory_xact_lock(:lock, CAST(:firm AS integer))"),
                {"lock": _LOCK, "firm": self._firm},
            )

    def _open_rows(self, records: Iterable[RecordRef]) -> Sequence[sa.Row[tuple[int, int, str, int, int]]]:
        by_kind: dict[RecordKind, list[int]] = {kind: [] for kind in RecordKind}
        for record in records:
            by_kind[record.kind].append(record.id)
        debtors, companies = by_kind[RecordKind.DEBTOR], by_kind[RecordKind.COMPANY]
        return self._connection.execute(
            sa.text(
                "SELECT r.id, r.alert_id, a.reason, r.debtor_id, r.company_id"
                " FROM alert_record r JOIN alert a ON a.id = r.alert_id WHERE r.ending IS NULL AND a.firm_id = :firm"
                f" AND ({self._sql.among('r.debtor_id', 'debtors')} OR {self._sql.among('r.company_id', 'companies')})"
            ),
            {
                "firm": self._firm,
                "debtors": self._sql.numbers(debtors),
                "companies": self._sql.numbers(companies),
            },
        ).all()

    def _known(self, records: Iterable[RecordRef]) -> dict[RecordRef, OpenRecord]:
        rows = self._open_rows(records)
        candidates = candidates_of(self._connection, self._sql, [row.id for row in rows])
        return {
            ref_of(row.debtor_id, row.company_id): OpenRecord(
                row.id, row.alert_id, AlertReason(row.reason), frozenset(map(packed, candidates[row.id]))
            )
            for row in rows
        }

    def _grouped(
        self, reason: AlertReason, asked: Sequence[Asked], known: Mapping[RecordRef, OpenRecord]
    ) -> list[_Group]:
        """The groups, each with the oldest open alert that it meets, or a new one. An alert's number is below zero."""
        together = Together()
        for each in asked:
            together.join(companies_of(each))
        met = self._open_about(reason, {company for each in asked for company in companies_of(each)})
        for each in asked:
            if (stored := known.get(each.record)) and stored.reason is reason:
                met.append((stored.alert, each.candidates[0].company))
        for number, company in met:
            together.join([company, -number])
        alerts: dict[int, set[int]] = defaultdict(set)
        for number, _ in met:
            alerts[together.home(-number)].add(number)
        members: dict[int, list[Asked]] = defaultdict(list)
        for each in asked:
            members[together.home(each.candidates[0].company)].append(each)
        found = []
        for home, records in members.items():
            if home in alerts:
                first, *others = sorted(alerts[home])
                found.append(_Group(first, False, reason, others, records))
            else:
                found.append(_Group(0, True, reason, (), records))
        return found

    def _numbered(self, groups: Sequence[_Group]) -> list[_Group]:
        """Fresh alerts have their numbers now, those of all reasons at once."""
        fresh = bulk.new_ids(self._connection, self._sql, "alert", sum(group.fresh for group in groups))
        return [group._replace(alert=fresh.pop(0)) if group.fresh else group for group in groups]

    def _open_about(self, reason: AlertReason, companies: Collection[int]) -> list[tuple[int, int]]:
        """Open alerts of a reason, and which of these companies each is about."""
        of_record = "JOIN alert a ON a.id = r.alert_id AND a.reason = :reason AND a.firm_id = :firm"
        rows = self._connection.execute(
            sa.text(
                "SELECT DISTINCT r.alert_id, c.company_id FROM alert_candidate c"
                f" JOIN alert_record r ON r.id = c.record_id AND r.ending IS NULL {of_record}"
                f" WHERE {self._sql.among('c.company_id', 'companies')}"
                f" UNION SELECT r.alert_id, r.company_id FROM alert_record r {of_record}"
                f" WHERE r.ending IS NULL AND {self._sql.among('r.company_id', 'companies')}"
            ),
            {"reason": reason.value, "firm": self._firm, "companies": self._sql.numbers(companies)},
        )
        return [(row.alert_id, row.company_id) for row in rows]

    def _write(self, groups: Sequence[_Group], known: Mapping[RecordRef, OpenRecord]) -> None:
        if not groups:
            return
        left = {stored.alert for group in groups for each in group.asked if (stored := known.get(each.record))}
        left |= {joined for group in groups for joined in group.joined}
        touched = left | {group.alert for group in groups}
        self._endings.lock(touched)
        now = dt.datetime.now(dt.UTC)
        fresh = [(group.alert, self._firm, group.reason.value, 0.0, now, now) for group in groups if group.fresh]
        columns = ("id", "firm_id", "reason", "score", "raised_at", "changed_at")
        bulk.insert_rows(self._connection, self._sql, "alert", columns, fresh)
        if joined := [{"old": old, "into": group.alert} for group in groups for old in group.joined]:
            self._connection.execute(
                sa.text("UPDATE alert_record SET alert_id = :into WHERE alert_id = :old AND ending IS NULL"), joined
            )
            self._connection.execute(sa.text("UPDATE alert SET joined_to = :into WHERE id = :old"), joined)
        self._write_records([(group.alert, each) for group in groups for each in group.asked], known)
        self._endings.settle(touched)

    def _write_records(self, asked: Sequence[tuple[int, Asked]], known: Mapping[RecordRef, OpenRecord]) -> None:
        """Put each record into its alert, with its candidates as they are now."""
        moved = [(number, known[each.record].id) for number, each in asked if each.record in known]
        bulk.update_rows(self._connection, self._sql, "alert_record", ("alert_id",), ("id",), moved)
        self._connection.execute(
            sa.text(f"DELETE FROM alert_candidate WHERE {self._sql.among('record_id', 'ids')}"),
            {"ids": self._sql.numbers([row_id for _, row_id in moved])},
        )
        new = [(number, each.record) for number, each in asked if each.record not in known]
        ids = {record: stored.id for record, stored in known.items()}
        new_ids = bulk.new_ids(self._connection, self._sql, "alert_record", len(new))
        ids |= {record: row_id for row_id, (_, record) in zip(new_ids, new, strict=True)}
        bulk.insert_rows(
            self._connection,
            self._sql,
            "alert_record",
            ("id", "alert_id", "debtor_id", "company_id"),
            [(ids[record], number, *columns_of(record)) for number, record in new],
        )
        bulk.insert_rows(
            self._connection,
            self._sql,
            "alert_candidate",
            ("record_id", "company_id", "score", "reasons", "against"),
            [(ids[each.record], *packed(candidate)) for _, each in asked for candidate in each.candidates],
        )
