"""
The mirrored invoices and lines inside a transaction.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from domain.invoices import Invoice, Line, LinesState, lines_fingerprint
from domain.ports import StoredInvoice, Tally, Written
from domain.told import Party
from infra.database import bulk
from infra.database.dialect import Amount, Sql
from infra.database.parties import PARTY, PARTY_JOINS, party_of
from infra.database.readings import What, raise_stamps

_BASE = Invoice._fields
_INSERT = (
    "agreement",
    *_BASE,
    "fingerprint",
    "lines_state",
    "debtor_id",
    "correlation_id",
    "first_seen_at",
    "changed_at",
)
_UPDATE = (*_BASE[1:], "fingerprint", "debtor_id", "correlation_id", "changed_at")
_LINE = ("agreement", *Line._fields)
_STATES = {state.value: state for state in LinesState}


class _Row(NamedTuple):
    number: int
    debtor_number: int
    debtor_id: int | None
    fingerprint: str


class InvoiceRows:
    """Headers and lines of one agreement."""

    def __init__(self, connection: Connection, sql: Sql, agreement: int) -> None:
        self._connection = connection
        self._sql = sql
        self._agreement = agreement

    def _rows(self, columns: str, numbers: Collection[int]) -> Sequence[Any]:
        rows = self._connection.execute(
            sa.text(f"SELECT {columns} FROM {self._sql.rows_of('invoice', 'number', 'numbers', '')}").columns(
                net=Amount(), remainder=Amount()
            ),
            {"agreement": self._agreement, "numbers": self._sql.numbers(numbers)},
        )
        return rows.all()

    def stored(self, numbers: Collection[int]) -> dict[int, StoredInvoice]:
        if not numbers:
            return {}
        rows = self._rows("d.net, d.remainder, d.number, d.lines_fingerprint, d.lines_state", numbers)
        return {
            number: StoredInvoice(number, net, remainder, fingerprint, _STATES[state])
            for net, remainder, number, fingerprint, state in rows
        }

    def parties(self, numbers: Collection[int]) -> dict[int, Party]:
        if not numbers:
            return {}
        rows = self._connection.execute(
            sa.text(
                f"SELECT {PARTY}, i.number FROM (SELECT d.number, d.debtor_id"
                f" FROM {self._sql.rows_of('invoice', 'number', 'numbers', '')}) AS i"
                f" JOIN debtor p ON p.id = i.debtor_id {PARTY_JOINS}"
            ),
            {"agreement": self._agreement, "numbers": self._sql.numbers(numbers)},
        )
        return {row[-1]: party_of(row[:-1]) for row in rows}

    def write(self, invoices: Sequence[Invoice], stamps: Mapping[int, int], causes: Mapping[int, str]) -> Written:
        """An unchanged header costs its stamp only."""
        by_number = {invoice.number: invoice for invoice in invoices}
        rising = raise_stamps(
            self._connection,
            self._sql,
            self._agreement,
            What.INVOICE,
            {number: stamps[number] for number in by_number},
        )
        tally = Tally(stale=len(by_number) - len(rising))
        if not rising:
            return Written(tally, set())
        rows = self._rows("d.number, d.debtor_number, d.debtor_id, d.fingerprint", rising)
        stored = {row[0]: _Row._make(row) for row in rows}
        new: list[Invoice] = []
        changed: list[Invoice] = []
        for number in sorted(rising):
            invoice, row = by_number[number], stored.get(number)
            if row is None:
                new.append(invoice)
            elif row.fingerprint != invoice.fingerprint():
                changed.append(invoice)
        tally.created, tally.updated = len(new), len(changed)
        tally.unchanged = len(rising) - len(new) - len(changed)
        debtors = {invoice.debtor_number for invoice in (*new, *changed)}
        owners, now = self._owners(debtors), dt.datetime.now(dt.UTC)
        if new:
            self._insert(new, owners, causes, now)
        paid: tuple[int, ...] = ()
        if changed:
            paid = self._newly_paid(changed)
            self._update(changed, stored, owners, causes, now)
        return Written(tally, debtors, tuple(invoice.number for invoice in new), paid)

    def _newly_paid(self, changed: Sequence[Invoice]) -> tuple[int, ...]:
        """Those of which something was left to pay until now."""
        now_paid = [invoice.number for invoice in changed if not invoice.remainder]
        return tuple(sorted(number for number, row in self.stored(now_paid).items() if row.remainder))

    def _insert(
        self, new: Sequence[Invoice], owners: Mapping[int, int], causes: Mapping[int, str], now: dt.datetime
    ) -> None:
        pending = LinesState.PENDING.value
        bulk.insert_rows(
            self._connection,
            self._sql,
            "invoice",
            _INSERT,
            [
                (
                    self._agreement,
                    *invoice,
                    invoice.fingerprint(),
                    pending,
                    owners.get(invoice.debtor_number),
                    causes.get(invoice.number),
                    now,
                    now,
                )
                for invoice in new
            ],
        )

    def _update(
        self,
        changed: Sequence[Invoice],
        stored: Mapping[int, _Row],
        owners: Mapping[int, int],
        causes: Mapping[int, str],
        now: dt.datetime,
    ) -> None:
        def owner(invoice: Invoice) -> int | None:
            row = stored[invoice.number]
            if row.debtor_id is not None and row.debtor_number == invoice.debtor_number:
                return row.debtor_id  # whatever number that debtor has now
            return owners.get(invoice.debtor_number, row.debtor_id)

        bulk.update_rows(
            self._connection,
            self._sql,
            "invoice",
            _UPDATE,
            ("agreement", "number"),
            [
                (
                    *invoice[1:],
                    invoice.fingerprint(),
                    owner(invoice),
                    causes.get(invoice.number),
                    now,
                    self._agreement,
                    invoice.number,
                )
                for invoice in changed
            ],
        )

    def _owners(self, debtor_numbers: Collection[int]) -> dict[int, int]:
        if not debtor_numbers:
            return {}
        rows = self._connection.execute(
            sa.text(
                f"SELECT d.number, d.id FROM {self._sql.rows_of('debtor', 'number', 'numbers', ' AND gone_at IS NULL')}"
            ),
            {"agreement": self._agreement, "numbers": self._sql.numbers(debtor_numbers)},
        )
        return dict(rows.all())

    def write_lines(
        self, lines: Mapping[int, Sequence[Line]], states: Mapping[int, LinesState], stamps: Mapping[int, int]
    ) -> Tally:
        """Replace the lines of stored invoices where they differ and the stamp rises; counts lines."""
        rising = raise_stamps(
            self._connection, self._sql, self._agreement, What.LINES, {number: stamps[number] for number in lines}
        )
        stored = self._lines_stored(rising)
        tally = Tally()
        replace: list[int] = []
        old: list[int] = []
        states_changed: list[tuple[str, str, int, int]] = []
        for number in sorted(lines):
            if number not in stored:  # stale, or the header is not here
                tally.stale += len(lines[number])
                continue
            (before, state_before), state = stored[number], states[number]
            if state_before.read_singly and not state.read_singly:  # a list never replaces these
                tally.unchanged += len(lines[number])
                continue
            fresh = lines_fingerprint(lines[number])
            if before == fresh:
                tally.unchanged += len(lines[number])
            else:
                replace.append(number)
                tally.created += len(lines[number])
                if before is not None:
                    old.append(number)
            if before != fresh or state_before is not state:
                states_changed.append((fresh, state.value, self._agreement, number))
        if old:
            self._connection.execute(
                sa.text(
                    f"DELETE FROM invoice_line WHERE agreement = :agreement AND {self._sql.among('invoice', 'numbers')}"
                ),
                {"agreement": self._agreement, "numbers": self._sql.numbers(old)},
            )
        if replace:
            agreement = self._agreement
            bulk.insert_rows(
                self._connection,
                self._sql,
                "invoice_line",
                _LINE,
                ((agreement, *line) for number in replace for line in lines[number]),
            )
        if states_changed:
            self._set_states(states_changed)
        return tally

    def _lines_stored(self, numbers: Collection[int]) -> dict[int, tuple[str | None, LinesState]]:
        """Fingerprint and state of the lines, by invoice."""
        if not numbers:
            return {}
        rows = self._rows("d.number, d.lines_fingerprint, d.lines_state", numbers)
        return {number: (fingerprint, _STATES[state]) for number, fingerprint, state in rows}

    def _set_states(self, rows: Sequence[tuple[str, str, int, int]]) -> None:
        if not self._sql.postgresql:
            bulk.update_rows(
                self._connection,
                self._sql,
                "invoice",
                ("lines_fingerprint", "lines_state"),
                ("agreement", "number"),
                rows,
            )
            return
        fingerprints, states, _, numbers = zip(*rows, strict=True)
        self._connection.execute(  # one statement: a page of lines touches hundreds of invoices
            sa.text(
                "UPDATE invoice SET lines_fingerprint = s.fingerprint, lines_state = s.state"
                " FROM unnest(CAST(:numbers AS bigint[]), CAST(:fingerprints AS text[]), CAST(:states AS text[]))"
                " AS s(number, fingerprint, state)"
                " WHERE invoice.agreement = :agreement AND invoice.number = s.number"
            ),
            {
                "numbers": self._sql.sequence(numbers),
                "fingerprints": f"{{{','.join(fingerprints)}}}",
                "states": f"{{{','.join(states)}}}",
                "agreement": self._agreement,
            },
        )

    def mark_lines(self, numbers: Collection[int], state: LinesState) -> None:
        """Say how far the lines of these invoices can be trusted, without touching them."""
        if numbers:
            self._connection.execute(
                sa.text(
                    "UPDATE invoice SET lines_state = :state WHERE agreement = :agreement"
                    f" AND {self._sql.among('number', 'numbers')}"
                ),
                {"state": state.value, "agreement": self._agreement, "numbers": self._sql.numbers(numbers)},
            )

    def open_lines(self, after: int, limit: int) -> list[int]:
        """
        Invoices above `after` whose lines are pending or unverified, sorted, at most `limit`.

        It walks all invoices by key: a resync asks at its end, an index would be kept up for every invoice ever stored.
        """
        rows = self._connection.execute(
            sa.text(
                "SELECT number FROM invoice WHERE agreement = :agreement AND lines_state IN ('pending', 'unverified')"
                " AND number > :after ORDER BY number LIMIT :limit"
            ),
            {"agreement": self._agreement, "after": after, "limit": limit},
        )
        return [number for (number,) in rows]

    def open_numbers(self, after: int, limit: int) -> list[int]:
        """Invoices above `after` with something left to pay, sorted, at most `limit`."""
        rows = self._connection.execute(
            sa.text(
                "SELECT number FROM invoice WHERE agreement = :agreement AND remainder <> 0"
                " AND number > :after ORDER BY number LIMIT :limit"
            ),
            {"agreement": self._agreement, "after": after, "limit": limit},
        )
        return [number for (number,) in rows]

    def last_number(self) -> int:
        return self._scalar("SELECT COALESCE(max(number), 0) FROM invoice WHERE agreement = :agreement")

    def count(self) -> int:
        return self._scalar("SELECT count(*) FROM invoice WHERE agreement = :agreement")

    def _scalar(self, query: str) -> int:
        return int(self._connection.execute(sa.text(query), {"agreement": self._agreement}).scalar_one())

    def orphans(self, numbers: Collection[int]) -> set[int]:
        """Debtor numbers of these invoices that no living debtor answers to."""
        if not numbers:
            return set()
        rows = self._connection.execute(
            sa.text(
                "SELECT DISTINCT d.debtor_number FROM "
                + self._sql.rows_of("invoice", "number", "numbers", " AND debtor_id IS NULL")
            ),
            {"agreement": self._agreement, "numbers": self._sql.numbers(numbers)},
        )
        return {number for (number,) in rows}
