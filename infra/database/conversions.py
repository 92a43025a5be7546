"""
Conversions inside a transaction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from domain.conversions import Conversion, Needs, Said, Save, State, Step
from infra.database.dialect import Sql, text
from infra.database.tables_conversions import RUNNING, conversion, conversion_step

_c = conversion.c
_LIVING = " AND l.cut_at IS NULL"

_SAME = tuple(
    name
    for name in Conversion._fields
    if name not in ("id", "agreement", "company", "said", "debtor", "needs", "cause")
    and name not in ("age_s", "key_age_s", "first_sent_at")  # the database's
)
"""Columns that are called as the fields are."""


def due_now(sql: Sql, outer: str) -> str:
    """
    Whether a row of `conversion` under this name can be worked on now.

    Of a name one debtor is created at a time: what an unanswered call made is then told apart from its namesakes.
    """
    return (
        f"{outer}.next_at <= {sql.now} AND ({outer}.lease_until IS NULL OR {outer}.lease_until < {sql.now})"
        f" AND NOT EXISTS (SELECT 1 FROM conversion creating WHERE creating.agreement = {outer}.agreement"
        f" AND creating.state = 'creating' AND creating.name_key = {outer}.name_key AND creating.id <> {outer}.id)"
    )


class ConversionRows:
    """`domain.conversions.ConversionStore` on either database."""

    def __init__(self, connection: Connection, sql: Sql, agreement: int = 0) -> None:
        self._connection = connection
        self._sql = sql
        self._agreement = agreement

    def add(self, new: Sequence[Conversion]) -> list[Conversion]:
        if not new:
            return []
        now: sa.ColumnElement[object] = sa.literal_column(self._sql.now)
        ids = self._connection.execute(
            sa.insert(conversion)
            .values(agreement=self._agreement, created_at=now, requested_at=now, changed_at=now, next_at=now)
            .returning(_c.id, sort_by_parameter_order=True),
            [_values(each) for each in new],
        ).scalars()
        stored = [each._replace(id=int(row_id)) for each, row_id in zip(new, ids, strict=True)]
        self._remember([Save(each, Step("requested"), who=each.who) for each in stored])
        return stored

    def due(self, limit: int, *, busy: Collection[int], names: Collection[str]) -> list[Conversion]:
        return self._select(
            f"c.agreement = :agreement AND {due_now(self._sql, 'c')} AND NOT {self._sql.among('c.id', 'busy')}"
            f" AND (c.name_key IS NULL OR NOT {self._sql.among_texts('c.name_key', 'names')})"
            " ORDER BY c.next_at, c.id LIMIT :limit",
            busy=self._sql.numbers(busy),
            names=self._sql.texts(names),
            limit=limit,
        )

    def peek(self, ids: Collection[int]) -> dict[int, Conversion]:
        return self._by_id(ids, "")

    def lock(self, ids: Collection[int]) -> dict[int, Conversion]:
        return self._by_id(ids, self._sql.for_update)

    def _by_id(self, ids: Collection[int], lock: str) -> dict[int, Conversion]:
        if not ids:
            return {}
        found = self._select(
            f"c.agreement = :agreement AND {self._sql.among('c.id', 'ids')} ORDER BY c.id{lock}",
            ids=self._sql.numbers(ids),
        )
        return {each.id: each for each in found}

    def save(self, saves: Sequence[Save]) -> None:
        if not saves:
            return
        sql = self._sql
        self._connection.execute(
            sa.update(conversion)
            .where(_c.id == sa.bindparam("row_id"))
            .values(
                {
                    **{name: sa.bindparam(name) for name in _values(saves[0].conversion)},
                    "first_sent_at": sa.text(
                        "CASE WHEN :sends = 0 THEN NULL WHEN key = :key AND first_sent_at IS NOT NULL"
                        f" THEN first_sent_at ELSE {sql.now} END"
                    ),
                    "next_at": sa.text(sql.after("next_in")),
                    "lease_until": sa.text(sql.after("lease")),
                    "requested_at": sa.text(f"CASE WHEN :anew THEN {sql.now} ELSE requested_at END"),
                    "changed_at": sa.text(sql.now),
                }
            ),
            [
                {
                    "row_id": each.conversion.id,
                    **_values(each.conversion),
                    "next_in": each.next_in_s,
                    "lease": each.lease_s,
                    "anew": each.anew,
                }
                for each in saves
            ],
        )
        self._remember(saves)

    def tell(self, told: Conversion, step: Step) -> None:
        """Somebody hears that it is not settled yet; when it is worked on next stays as it is."""
        self._connection.execute(sa.update(conversion).where(_c.id == told.id).values(told=True))
        self._remember([Save(told, step)])

    def _remember(self, saves: Sequence[Save]) -> None:
        steps = [
            {
                "conversion_id": each.conversion.id,
                "who": each.who,
                "state": each.conversion.state.value,
                "what": each.step.what,
                "detail": dict(each.step.detail),
            }
            for each in saves
            if each.step is not None
        ]
        if steps:
            self._connection.execute(sa.insert(conversion_step).values(at=sa.text(self._sql.now)), steps)

    def of_companies(self, companies: Collection[int]) -> dict[int, list[Conversion]]:
        found: dict[int, list[Conversion]] = defaultdict(list)
        if companies:
            merged_into = self._survivors(companies)
            for each in self._select(
                f"c.agreement = :agreement AND {self._sql.among('c.company_id', 'companies')}"
                f" ORDER BY c.id DESC{self._sql.for_update}",
                companies=self._sql.numbers(merged_into),
            ):
                assert each.company is not None
                found[merged_into[each.company]].append(each)
        return found

    def _survivors(self, companies: Collection[int]) -> dict[int, int]:
        """These companies and all that was merged into them → which of these."""
        rows = self._connection.execute(
            sa.text(
                f"WITH RECURSIVE merged (id, survivor) AS (SELECT n, n FROM {self._sql.set_of('companies')} AS wanted"
                " UNION SELECT m.id, merged.survivor FROM company m JOIN merged ON m.merged_into = merged.id)"
                " SELECT id, survivor FROM merged"
            ),
            {"companies": self._sql.numbers(companies)},
        )
        return {row.id: row.survivor for row in rows}

    def of_unknown(self, crm_ids: Collection[str]) -> dict[str, Conversion]:
        if not crm_ids:
            return {}
        found = self._select(
            f"c.agreement = :agreement AND {self._sql.among_texts('c.crm_id', 'crm_ids')} AND c.company_id IS NULL"
            f" AND c.{RUNNING} ORDER BY c.id{self._sql.for_update}",
            crm_ids=self._sql.texts(crm_ids),
        )
        return {each.crm_id: each for each in found if each.crm_id is not None}

    def debtors_of(self, companies: Collection[int]) -> dict[int, list[int]]:
        found: dict[int, list[int]] = defaultdict(list)
        if companies:
            links = f"{self._sql.set_of('companies')} AS wanted"
            links += self._each("debtor_link", "l", "l.company_id = wanted.n AND l.agreement = :agreement" + _LIVING)
            debtors = self._each("debtor", "d", "d.id = l.debtor_id AND d.gone_at IS NULL")
            rows = self._connection.execute(
                text(f"SELECT l.company_id, d.number FROM {links}{debtors} ORDER BY d.number"),
                {"agreement": self._agreement, "companies": self._sql.numbers(companies)},
            )
            for company, number in rows:
                found[company].append(number)
        return found

    def linked(self, numbers: Collection[int]) -> dict[int, tuple[int, str]]:
        if not numbers:
            return {}
        joined = f"{self._sql.set_of('numbers')} AS wanted"
        joined += self._each("debtor", "d", "d.agreement = :agreement AND d.number = wanted.n AND d.gone_at IS NULL")
        joined += self._each("debtor_link", "l", "l.debtor_id = d.id" + _LIVING)
        joined += self._each("company", "c", "c.id = l.company_id")
        rows = self._connection.execute(
            text(f"SELECT d.number, c.id, c.name FROM {joined}"),
            {"agreement": self._agreement, "numbers": self._sql.numbers(numbers)},
        )
        return {number: (company, name) for number, company, name in rows}

    def _each(self, table: str, alias: str, where: str) -> str:
        """Joined by one look-up in the index for each row before, as `Sql.rows_of` has it, and for the same reason."""
        if self._sql.postgresql:
            return f" CROSS JOIN LATERAL (SELECT * FROM {table} {alias} WHERE {where} OFFSET 0) AS {alias}"
        return f" CROSS JOIN {table} AS {alias} ON {where}"

    def creating_names(self) -> dict[str, int]:
        rows = self._connection.execute(
            sa.text("SELECT name_key, id FROM conversion WHERE agreement = :agreement AND state = 'creating'"),
            {"agreement": self._agreement},
        )
        return {name: row_id for name, row_id in rows if name is not None}

    def running(self, companies: Collection[int]) -> dict[int, int]:
        if not companies:
            return {}
        rows = self._connection.execute(
            sa.text(
                f"SELECT company_id, id FROM conversion WHERE {RUNNING}"
                f" AND {self._sql.among('company_id', 'companies')} ORDER BY id"
            ),
            {"companies": self._sql.numbers(companies)},
        )
        return {row.company_id: row.id for row in rows}

    def _select(self, where: str, **values: object) -> list[Conversion]:
        columns = ", ".join(f"c.{column.name}" for column in conversion.c)
        ages = (
            f"{self._sql.seconds_since('c.requested_at')} AS age_s,"
            f" {self._sql.seconds_since('c.first_sent_at')} AS key_age_s"
        )
        query = sa.text(f"SELECT {columns}, {ages} FROM conversion c WHERE {where}").columns(
            *conversion.c, age_s=sa.Float, key_age_s=sa.Float
        )
        return [_stored(row) for row in self._connection.execute(query, {"agreement": self._agreement, **values})]


def untold(connection: Connection, sql: Sql, seconds: float, limit: int) -> list[tuple[int, int]]:
    """Agreement and id of conversions that run for so long and of which nobody has heard yet."""
    rows = connection.execute(
        sa.text(
            f"SELECT c.agreement, c.id FROM conversion c JOIN agreement a ON a.number = c.agreement"
            f" WHERE NOT c.told AND c.{RUNNING} AND c.requested_at < {sql.after('ago')} AND a.removed_at IS NULL"
            " ORDER BY c.id LIMIT :limit"
        ),
        {"ago": -seconds, "limit": limit},
    )
    return [(row.agreement, row.id) for row in rows]


def _values(given: Conversion) -> dict[str, Any]:
    """The columns that a conversion's fields are stored in."""
    return {
        **{name: getattr(given, name) for name in _SAME},
        "state": given.state.value,
        "known": list(given.known),
        "body": None if given.body is None else dict(given.body),
        "company_id": given.company,
        "said": given.said.as_json(),
        "debtor_number": given.debtor,
        "needs": None if given.needs is None else given.needs.as_json(),
        "correlation_id": given.cause,
    }


def _stored(row: Any) -> Conversion:
    return Conversion(
        id=row.id,
        agreement=row.agreement,
        company=row.company_id,
        said=Said.from_json(row.said),
        debtor=row.debtor_number,
        needs=None if row.needs is None else Needs.from_json(row.needs),
        cause=row.correlation_id,
        age_s=float(row.age_s),
        key_age_s=None if row.key_age_s is None else float(row.key_age_s),
        first_sent_at=row.first_sent_at,
        **{name: getattr(row, name) for name in _SAME}
        | {"state": State(row.state), "known": tuple(row.known or ()), "second": bool(row.second)},
    )
