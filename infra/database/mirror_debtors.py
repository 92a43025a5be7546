"""
The mirrored debtors inside a transaction.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence

from sqlalchemy.engine import Connection

from domain.debtors import MAX_NUMBER, Debtor, DebtorChanges, Edge, StoredDebtor
from domain.told import Party
from infra.database import bulk
from infra.database.dialect import Sql, text
from infra.database.parties import PARTY, PARTY_JOINS, party_of
from infra.database.readings import What, raise_stamps

EDGES_KEPT_S = 30 * 86_400
"""So long a re-numbering is followed (design.md §2)."""

CONTENT = Debtor._fields[1:]
_MATTERS = (
    *("number", "name", "debtor_group", "address", "zip", "city", "country", "cvr", "vat_number", "p_number", "ean"),
    *("email", "phone", "mobile", "website"),
)
"""What companies take over (`domain.companies.said_by_debtor`), and what puts a debtor in or out of scope."""

_INSERT = (
    "agreement",
    "number",
    *CONTENT,
    "fingerprint",
    "correlation_id",
    "first_seen_at",
    "changed_at",
)
_UPDATE = ("number", *CONTENT, "fingerprint", "correlation_id", "changed_at", "gone_at")


class DebtorRows:
    """Reads what a decision needs and writes what it said."""

    def __init__(self, connection: Connection, sql: Sql, agreement: int, *, orphaned: bool = True) -> None:
        self._connection = connection
        self._sql = sql
        self._agreement = agreement
        self._orphaned = orphaned

    def raise_stamps(self, stamps: Mapping[int, int]) -> set[int]:
        return raise_stamps(self._connection, self._sql, self._agreement, What.DEBTOR, stamps)

    def living(self, numbers: Collection[int]) -> dict[int, StoredDebtor]:
        rows = self._connection.execute(
            text(
                "SELECT d.id, d.number, d.name, d.cvr, d.fingerprint FROM "
                + self._sql.rows_of("debtor", "number", "numbers", " AND gone_at IS NULL")
            ),
            {"agreement": self._agreement, "numbers": self._sql.numbers(numbers)},
        )
        return {row[1]: StoredDebtor._make((*row, False)) for row in rows}

    def graves(self, numbers: Collection[int]) -> list[StoredDebtor]:
        """Locked: a tombstone comes back under one number only."""
        rows = self._connection.execute(
            text(
                "SELECT d.id, d.number, d.name, d.cvr, d.fingerprint FROM "
                + self._sql.rows_of("debtor", "number", "numbers", " AND gone_at IS NOT NULL AND absorbed_by IS NULL")
                + f" ORDER BY d.gone_at DESC, d.id DESC{self._sql.for_update}"
            ),
            {"agreement": self._agreement, "numbers": self._sql.numbers(numbers)},
        )
        return [StoredDebtor._make((*row, True)) for row in rows]

    def parties(self, ids: Collection[int]) -> dict[int, Party]:
        if not ids:
            return {}
        rows = self._connection.execute(
            text(
                f"SELECT {PARTY} FROM debtor p {PARTY_JOINS} WHERE p.agreement = :agreement"
                f" AND {self._sql.among('p.id', 'ids')}"
            ),
            {"agreement": self._agreement, "ids": self._sql.numbers(ids)},
        )
        return {row[0]: party_of(row) for row in rows}

    def matters(self, updates: Sequence[tuple[int, Debtor]]) -> set[int]:
        if not updates:
            return set()
        rows = self._connection.execute(
            text(
                f"SELECT id, gone_at, {', '.join(_MATTERS)} FROM debtor"
                f" WHERE agreement = :agreement AND {self._sql.among('id', 'ids')}"
            ),
            {"agreement": self._agreement, "ids": self._sql.numbers([row_id for row_id, _ in updates])},
        )
        before = {row[0]: tuple(row[2:]) for row in rows if row[1] is None}
        return {
            debtor.number
            for row_id, debtor in updates
            if before.get(row_id) != tuple(getattr(debtor, name) for name in _MATTERS)
        }

    def write(self, changes: DebtorChanges, causes: Mapping[int, str]) -> None:
        """In this order, so that no two living rows ever share a number."""
        now = dt.datetime.now(dt.UTC)
        self._lock(changes)
        self._bury(changes.bury)
        for ends, goes_on in changes.absorb:
            self._absorb(ends, goes_on)
        self._free(changes.free)
        self._update(changes.update, causes, now)
        self._insert(changes.insert, causes, now)

    def _lock(self, changes: DebtorChanges) -> None:
        """In the order of their ids, as matching locks them: of two that wait for each other one would be cut off."""
        ids = {*changes.bury, *changes.free, *(row_id for row_id, _ in changes.update)}
        ids.update(row_id for pair in changes.absorb for row_id in pair)
        if len(ids) > 1 and self._sql.postgresql:
            self._connection.execute(
                text("SELECT id FROM debtor WHERE id = ANY(CAST(:ids AS bigint[])) ORDER BY id FOR NO KEY UPDATE"),
                {"ids": self._sql.numbers(ids)},
            )

    def _bury(self, ids: Collection[int]) -> None:
        if ids:
            self._connection.execute(
                text(f"UPDATE debtor SET gone_at = {self._sql.now} WHERE {self._sql.among('id', 'ids')}"),
                {"ids": self._sql.numbers(ids)},
            )

    def _absorb(self, ends: int, goes_on: int) -> None:
        """Two rows are one firm after all: the older keeps the history, the other's invoices and company follow."""
        self._connection.execute(
            text(f"UPDATE debtor SET gone_at = {self._sql.now}, absorbed_by = :goes_on WHERE id = :ends"),
            {"ends": ends, "goes_on": goes_on},
        )
        for follow in (
            "UPDATE invoice SET debtor_id = :goes_on WHERE debtor_id = :ends",
            "UPDATE debtor_link SET debtor_id = :goes_on WHERE debtor_id = :ends AND NOT (cut_at IS NULL AND EXISTS"
            " (SELECT 1 FROM debtor_link l WHERE l.debtor_id = :goes_on AND l.cut_at IS NULL))",
        ):
            self._connection.execute(text(follow), {"ends": ends, "goes_on": goes_on})

    def _free(self, ids: Collection[int]) -> None:
        """Moving rows give up their numbers first (as negative ids, which nothing else uses): swaps work."""
        if ids:
            self._connection.execute(
                text(f"UPDATE debtor SET number = -id WHERE {self._sql.among('id', 'ids')}"),
                {"ids": self._sql.numbers(ids)},
            )

    def _update(self, updates: Collection[tuple[int, Debtor]], causes: Mapping[int, str], now: dt.datetime) -> None:
        if updates:
            bulk.update_rows(
                self._connection,
                self._sql,
                "debtor",
                _UPDATE,
                ("id",),
                [
                    (*debtor, debtor.fingerprint(), causes.get(debtor.number), now, None, row_id)
                    for row_id, debtor in updates
                ],
            )

    def _insert(self, debtors: Collection[Debtor], causes: Mapping[int, str], now: dt.datetime) -> None:
        if debtors:
            bulk.insert_rows(
                self._connection,
                self._sql,
                "debtor",
                _INSERT,
                [
                    (self._agreement, *debtor, debtor.fingerprint(), causes.get(debtor.number), now, now)
                    for debtor in debtors
                ],
            )

    def remember_edges(self, edges: Iterable[Edge]) -> None:
        rows = [{"agreement": self._agreement, "old": old, "new": new} for old, new in edges]
        if rows:
            self._connection.execute(
                text(
                    "INSERT INTO debtor_edge (agreement, old_number, new_number, seen_at)"
                    f" VALUES (:agreement, :old, :new, {self._sql.now})"
                    " ON CONFLICT (agreement, old_number, new_number) DO UPDATE SET seen_at = excluded.seen_at"
                ),
                rows,
            )

    def edges_around(self, numbers: Collection[int]) -> list[Edge]:
        rows = self._connection.execute(
            text(
                "WITH RECURSIVE around (n) AS ("
                f"SELECT n FROM {self._sql.set_of('numbers')} AS wanted"
                " UNION SELECT CASE WHEN e.old_number = around.n THEN e.new_number ELSE e.old_number END"
                " FROM around JOIN debtor_edge e ON e.agreement = :agreement"
                f" AND e.seen_at > {self._sql.after('ago')} AND (e.old_number = around.n OR e.new_number = around.n))"
                " SELECT e.old_number, e.new_number FROM around JOIN debtor_edge e ON e.agreement = :agreement"
                f" AND e.seen_at > {self._sql.after('ago')} AND e.old_number = around.n"
            ),
            {"agreement": self._agreement, "numbers": self._sql.numbers(numbers), "ago": -EDGES_KEPT_S},
        )
        return [Edge(old, new) for old, new in rows]

    def adopt_invoices(self, numbers: Collection[int]) -> None:
        """Invoices stored before their debtor find it now."""
        if not numbers or not self._orphaned:
            return
        orphaned = self._connection.execute(
            text(
                "SELECT DISTINCT debtor_number FROM invoice WHERE debtor_id IS NULL AND agreement = :agreement"
                f" AND {self._sql.among('debtor_number', 'numbers')}"
            ),
            {"agreement": self._agreement, "numbers": self._sql.numbers(numbers)},
        ).all()
        if not orphaned:  # nearly always
            return
        self._connection.execute(
            text(
                "UPDATE invoice SET debtor_id = (SELECT d.id FROM debtor d WHERE d.agreement = invoice.agreement"
                " AND d.number = invoice.debtor_number AND d.gone_at IS NULL)"
                " WHERE debtor_id IS NULL AND agreement = :agreement"
                f" AND {self._sql.among('debtor_number', 'numbers')}"
            ),
            {"agreement": self._agreement, "numbers": self._sql.numbers([number for (number,) in orphaned])},
        )

    def living_between(self, low: int, high: int) -> list[int]:
        rows = self._connection.execute(
            text(
                "SELECT number FROM debtor WHERE agreement = :agreement AND gone_at IS NULL"
                " AND number BETWEEN :low AND :high ORDER BY number"
            ),
            {"agreement": self._agreement, "low": low, "high": high},
        )
        return [number for (number,) in rows]

    def count_gone(self, within: dt.timedelta) -> int:
        return int(
            self._connection.execute(
                text(
                    "SELECT count(*) FROM debtor WHERE agreement = :agreement AND absorbed_by IS NULL"
                    f" AND gone_at > {self._sql.after('ago')}"
                ),
                {"agreement": self._agreement, "ago": -within.total_seconds()},
            ).scalar_one()
        )

    def count_living(self, low: int = 0, high: int = MAX_NUMBER) -> int:
        return int(
            self._connection.execute(
                text(
                    "SELECT count(*) FROM debtor WHERE agreement = :agreement AND gone_at IS NULL"
                    " AND number BETWEEN :low AND :high"
                ),
                {"agreement": self._agreement, "low": low, "high": high},
            ).scalar_one()
        )
