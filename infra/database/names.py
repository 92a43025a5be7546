"""
What numbers are called, and when each list of names was read.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Collection, Mapping
from typing import Any
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from domain.hints import Kind, Source
from domain.reference import Keys, Listing, Why
from infra.database.dialect import Sql, UtcDateTime, text
from infra.database.engine import Database

NIGHT_UTC = 2
"""The hour (UTC) after which every list is due: three or four o'clock in Denmark."""

MOST_MET = 100_000

_met: WeakKeyDictionary[sa.Engine, set[tuple[int, str, str]]] = WeakKeyDictionary()
"""(agreement, list, key) of rows that this process found stored: they are never deleted, so it need not look again."""


class NameRows:
    """
    `domain.ports.NameStore` on either database.

    Rows are locked in the order of list and key, by whoever writes them, and last in a transaction: two writers never
    wait for each other in a circle.
    """

    def __init__(self, connection: Connection, sql: Sql, agreement: int) -> None:
        self._connection = connection
        self._sql = sql
        self._agreement = agreement

    def meet(self, carried: Keys) -> set[Listing]:
        """Nearly always everything is known: then this is at most one look into the index and writes nothing."""
        met = _met.setdefault(self._connection.engine, set())
        pairs = sorted(
            (which.value, key)
            for which, keys in carried.items()
            for key in keys
            if (self._agreement, which.value, key) not in met
        )
        if not pairs:
            return set()
        source, values = self._pairs(pairs)
        rows = self._connection.execute(
            text(
                "INSERT INTO reference_name (agreement, list, key, changed_at)"
                f" SELECT :agreement, s.a, s.b, {self._sql.now} FROM {source} WHERE NOT EXISTS (SELECT 1"
                " FROM reference_name r WHERE r.agreement = :agreement AND r.list = s.a AND r.key = s.b)"
                " ON CONFLICT (agreement, list, key) DO NOTHING RETURNING list"
            ),
            {"agreement": self._agreement, **values},
        )
        new = {Listing(which) for (which,) in rows}
        if not new:  # a row of this very transaction may yet be taken back
            if len(met) > MOST_MET:
                met.clear()
            met.update((self._agreement, *pair) for pair in pairs)
        return new

    def unnamed(self) -> set[Listing]:
        rows = self._connection.execute(
            text(
                "SELECT DISTINCT r.list FROM reference_name r LEFT JOIN reference_list l"
                " ON l.agreement = r.agreement AND l.list = r.list WHERE r.agreement = :agreement"
                " AND r.name IS NULL AND (l.read_at IS NULL OR r.changed_at >= l.read_at)"
            ),
            {"agreement": self._agreement},
        )
        return {Listing(which) for (which,) in rows if which in list(Listing)}

    def ages(self) -> dict[Listing, float]:
        rows = self._connection.execute(
            text(
                f"SELECT list, {self._sql.seconds_since('tried_at')} FROM reference_list WHERE agreement = :agreement"
            ),
            {"agreement": self._agreement},
        )
        return {Listing(which): float(age) for which, age in rows if which in list(Listing)}

    def living(self, which: Listing) -> dict[str, str]:
        rows = self._connection.execute(
            text(
                "SELECT key, name FROM reference_name WHERE agreement = :agreement AND list = :list"
                " AND name IS NOT NULL AND gone_at IS NULL"
            ),
            self._list(which),
        )
        return {row.key: row.name for row in rows}

    def write(self, which: Listing, names: Mapping[str, str]) -> int:
        if not names:
            return 0
        source, values = self._pairs(sorted(names.items()))
        rows = self._connection.execute(
            text(
                "INSERT INTO reference_name (agreement, list, key, name, changed_at)"
                f" SELECT :agreement, :list, s.a, s.b, {self._sql.now} FROM {source} WHERE true"
                " ON CONFLICT (agreement, list, key)"
                " DO UPDATE SET name = excluded.name, gone_at = NULL, changed_at = excluded.changed_at"
                " WHERE reference_name.name IS NULL OR reference_name.name <> excluded.name"
                " OR reference_name.gone_at IS NOT NULL RETURNING key"
            ),
            {**self._list(which), **values},
        )
        return len(rows.all())

    def bury(self, which: Listing, keys: Collection[str]) -> None:
        if keys:
            source, values = self._pairs([(key, "") for key in sorted(keys)])
            self._connection.execute(
                text(
                    f"UPDATE reference_name SET gone_at = {self._sql.now} WHERE agreement = :agreement"
                    f" AND list = :list AND key IN (SELECT s.a FROM {source})"
                ),
                {**self._list(which), **values},
            )

    def begin(self, which: Listing) -> None:
        self._connection.execute(
            text(
                "INSERT INTO reference_list (agreement, list, tried_at)"
                f" VALUES (:agreement, :list, {self._sql.now}) ON CONFLICT (agreement, list)"
                " DO UPDATE SET tried_at = excluded.tried_at"
            ),
            self._list(which),
        )

    def end(self, which: Listing, *, whole: bool, problem: str | None) -> None:
        read = ", read_at = tried_at" if whole else ""  # when it began: what was met since may be missing in it
        self._connection.execute(
            text(f"UPDATE reference_list SET problem = :problem{read} WHERE agreement = :agreement AND list = :list"),
            {**self._list(which), "problem": problem},
        )

    def _list(self, which: Listing) -> dict[str, Any]:
        return {"agreement": self._agreement, "list": which.value}

    def _pairs(self, pairs: Collection[tuple[str, str]]) -> tuple[str, dict[str, Any]]:
        """A sub-select `s` with the columns `a` and `b`, in the order given, and what it binds."""
        if self._sql.postgresql:
            first, second = zip(*pairs, strict=True)
            source = "unnest(CAST(:first AS text[]), CAST(:second AS text[])) AS s(a, b)"
            return source, {"first": list(first), "second": list(second)}
        return "(SELECT value ->> 0 AS a, value ->> 1 AS b FROM json_each(:pairs)) AS s", {"pairs": json.dumps(pairs)}


def ask_nightly(database: Database, *, now: dt.datetime | None = None) -> list[int]:
    """
    Leave an event for each list of a connected agreement that was not tried since the last night; returns whose.

    What is outstanding already is not asked for twice.
    """
    moment = (now or dt.datetime.now(dt.UTC)) - dt.timedelta(hours=NIGHT_UTC)
    night = moment.replace(hour=0, minute=0, second=0, microsecond=0) + dt.timedelta(hours=NIGHT_UTC)
    lists = " UNION ALL ".join(f"SELECT '{which}' AS list, '{which} {Why.NIGHT}' AS body" for which in Listing)
    with database.write() as connection:
        rows = connection.execute(
            text(
                "INSERT INTO inbox (agreement, kind, source, correlation_id, body, received_at)"
                f" SELECT a.number, CAST(:kind AS varchar), :source, '', l.body, {database.sql.now}"
                f" FROM agreement a CROSS JOIN ({lists}) AS l"
                " LEFT JOIN reference_list r ON r.agreement = a.number AND r.list = l.list"
                " WHERE a.removed_at IS NULL AND a.paused_at IS NULL AND (r.tried_at IS NULL OR r.tried_at < :night)"
                " AND NOT EXISTS (SELECT 1 FROM inbox i WHERE i.agreement = a.number AND i.kind = :kind"
                " AND i.handled_at IS NULL AND i.body = l.body) RETURNING agreement"
            ).bindparams(sa.bindparam("night", type_=UtcDateTime())),
            {"kind": Kind.REFERENCE.value, "source": Source.POLL.value, "night": night},
        )
        return sorted({agreement for (agreement,) in rows})
