"""
The outbox inside a transaction: events, their place in their subject's order, and a delivery for each endpoint.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from domain.events import EventType, NewEvent
from infra.database.dialect import Sql, text
from infra.database.tables_outbox import outbox, outbox_subject

_AT_ONCE = 500  # rows of one statement: SQLite takes at most 32,766 parameters


class SqlOutbox:
    """`domain.events.Outbox` on either database, for one firm or for the firm of one agreement."""

    def __init__(
        self,
        connection: Connection,
        sql: Sql,
        *,
        firm: int | None = None,
        agreement: int | None = None,
        listened_to: bool = True,
    ) -> None:
        self._connection = connection
        self._sql = sql
        self._firm = firm
        self._agreement = agreement
        self._listened_to = listened_to

    def wanted(self) -> frozenset[str]:
        endpoints = self._endpoints().values()
        if any(types is None for types in endpoints):
            return frozenset(EventType)
        return frozenset().union(*(types for types in endpoints if types))

    def add(self, events: Sequence[NewEvent]) -> None:
        if not events:
            return
        firm = self._firm_id()
        numbers = self._draw(firm, Counter(event.subject for event in events))
        for start in range(0, len(events), _AT_ONCE):
            self._insert(firm, events[start : start + _AT_ONCE], numbers)

    def _firm_id(self) -> int:
        if self._firm is None:
            found = self._connection.execute(
                text("SELECT firm_id FROM agreement WHERE number = :number"), {"number": self._agreement}
            ).scalar_one()
            self._firm = int(found)
        return self._firm

    def _draw(self, firm: int, wanted: Mapping[str, int]) -> dict[str, int]:
        """So many numbers for each subject; returns the first of each. The subjects' rows are locked, sorted."""
        dialect = postgresql if self._sql.postgresql else sqlite
        first: dict[str, int] = {}
        subjects = sorted(wanted)
        for start in range(0, len(subjects), _AT_ONCE):
            statement = dialect.insert(outbox_subject).values(
                [
                    {"firm_id": firm, "subject": subject, "sequence": wanted[subject]}
                    for subject in subjects[start : start + _AT_ONCE]
                ]
            )
            drawn = self._connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["firm_id", "subject"],
                    set_={"sequence": outbox_subject.c.sequence + statement.excluded.sequence},
                ).returning(outbox_subject.c.subject, outbox_subject.c.sequence)
            )
            first.update({subject: last - wanted[subject] + 1 for subject, last in drawn})
        return first

    def _insert(self, firm: int, events: Sequence[NewEvent], numbers: dict[str, int]) -> None:
        """Write the events, taking a number each from `numbers`, and a delivery for each endpoint that wants it."""
        now: sa.ColumnElement[object] = sa.literal_column(self._sql.now)
        names: list[str] = []
        values = []
        for event in events:
            names.append(f"evt_{os.urandom(16).hex()}")
            values.append(
                {
                    "event_id": names[-1],
                    "firm_id": firm,
                    "agreement": self._agreement if event.agreement is None else event.agreement,
                    "type": event.type.value,
                    "subject": event.subject,
                    "sequence": numbers[event.subject],
                    "data": msgspec.json.encode(event.data).decode(),
                }
            )
            numbers[event.subject] += 1
        self._connection.execute(sa.insert(outbox).values([{**row, "created_at": now} for row in values]))
        endpoints = self._endpoints()
        by_endpoint: dict[int, list[str]] = defaultdict(list)
        for name, event in zip(names, events, strict=True):
            for endpoint, types in endpoints.items():
                if types is None or event.type.value in types:
                    by_endpoint[endpoint].append(name)
        for endpoint, wanted in by_endpoint.items():
            self._connection.execute(
                text(
                    "INSERT INTO delivery (outbox_id, endpoint_id, subject, state, attempts, next_attempt_at)"
                    f" SELECT id, :endpoint, subject, 'pending', 0, {self._sql.now} FROM outbox"
                    " WHERE event_id IN :names ORDER BY id"
                ).bindparams(sa.bindparam("names", expanding=True)),
                {"endpoint": endpoint, "names": wanted},
            )

    def _endpoints(self) -> dict[int, set[str] | None]:
        """Each endpoint that takes events, with the types it wants; None = all."""
        if not self._listened_to:
            return {}
        firm = ":firm" if self._firm else "(SELECT firm_id FROM agreement WHERE number = :agreement)"
        rows = self._connection.execute(
            text(f"SELECT id, types FROM endpoint WHERE firm_id = {firm} AND disabled_at IS NULL"),
            {"firm": self._firm} if self._firm else {"agreement": self._agreement},
        )
        return {row.id: set(row.types.split()) if row.types else None for row in rows}
