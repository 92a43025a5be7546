"""
Edits of debtors inside a transaction, and as they are shown.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from domain.debtor_edits import FIELDS, Edit, EditedDebtor, State, Wish
from domain.debtors import StoredDebtor
from infra.database.dialect import Sql
from infra.database.tables import agreement
from infra.database.tables_edits import RUNNING, debtor_edit
from infra.database.tables_mirror import debtor

_c = debtor_edit.c

_SAME = tuple(
    name
    for name in Edit._fields
    if name not in ("id", "agreement", "debtor", "wishes", "state", "cause") and name != "key_age_s"
)
"""Columns that are called as the fields are."""


def edits_due(sql: Sql, outer: str) -> str:
    """Whether a row of `debtor_edit` under this name can be worked on now: a debtor's go one after the other."""
    return (
        f"{outer}.next_at <= {sql.now} AND NOT EXISTS (SELECT 1 FROM debtor_edit earlier"
        f" WHERE earlier.debtor_id = {outer}.debtor_id AND earlier.{RUNNING} AND earlier.id < {outer}.id)"
    )


class EditRows:
    """`domain.debtor_edits.EditStore` on either database."""

    def __init__(self, connection: Connection, sql: Sql, number: int) -> None:
        self._connection = connection
        self._sql = sql
        self._agreement = number

    def debtor_at(self, number: int) -> EditedDebtor | None:
        return self._debtor(
            _debtors()
            .where(debtor.c.agreement == self._agreement, debtor.c.number == number, debtor.c.absorbed_by.is_(None))
            .order_by(debtor.c.gone_at.is_not(None), debtor.c.gone_at.desc(), debtor.c.id.desc())
            .limit(1)
            .with_for_update()
        )

    def debtor(self, row_id: int) -> EditedDebtor | None:
        ends: int | None = row_id
        while ends is not None:
            row_id = ends
            ends = self._connection.execute(sa.select(debtor.c.absorbed_by).where(debtor.c.id == row_id)).scalar()
        return self._debtor(_debtors().where(debtor.c.id == row_id))

    def _debtor(self, query: sa.Select[Any]) -> EditedDebtor | None:
        row = self._connection.execute(query).first()
        if row is None:
            return None
        stored = StoredDebtor(row.id, row.number, row.name, row.cvr, row.fingerprint, row.gone_at is not None)
        return EditedDebtor(stored, {name: getattr(row, name) or None for name in FIELDS})

    def add(self, new: Edit) -> Edit:
        now: sa.ColumnElement[object] = sa.literal_column(self._sql.now)
        row_id = self._connection.execute(
            sa.insert(debtor_edit)
            .values(agreement=self._agreement, created_at=now, changed_at=now, next_at=now)
            .returning(_c.id),
            [{**_values(new), "debtor_id": new.debtor}],
        ).scalar_one()
        return new._replace(id=int(row_id))

    def due(self) -> Edit | None:
        where = f"e.agreement = :agreement AND {edits_due(self._sql, 'e')} ORDER BY e.id LIMIT 1"
        return next(iter(self._select(where)), None)

    def of_debtor(self, row_id: int) -> list[Edit]:
        return self._select(f"e.debtor_id = :debtor AND e.{RUNNING} ORDER BY e.id", debtor=row_id)

    def by_id(self, ids: Collection[int]) -> list[Edit]:
        among = self._sql.among("e.id", "ids")
        return self._select(f"e.agreement = :agreement AND {among} ORDER BY e.id", ids=self._sql.numbers(ids))

    def save(self, edit: Edit, *, next_in_s: float | None = None) -> None:
        now = self._sql.now
        self._connection.execute(
            sa.update(debtor_edit)
            .where(_c.id == edit.id)
            .values(
                {
                    **_values(edit),
                    "first_sent_at": sa.text(
                        "CASE WHEN CAST(:held AS TEXT) IS NULL THEN NULL WHEN key = CAST(:held AS TEXT)"
                        f" AND first_sent_at IS NOT NULL THEN first_sent_at ELSE {now} END"
                    ).bindparams(held=edit.key),
                    "next_at": sa.text(self._sql.after("next_in")).bindparams(next_in=next_in_s),
                    "changed_at": sa.text(now),
                }
            )
        )

    def overtaken(self, edit: Edit) -> list[int]:
        ended = (State.REFUSED.value, State.FAILED.value)
        rows = self._connection.execute(
            sa.select(_c.id, _c.wishes).where(_c.debtor_id == edit.debtor, _c.id < edit.id, _c.state.in_(ended))
        )
        return [row_id for row_id, wishes in rows if wishes.keys() <= edit.wishes.keys()]

    def _select(self, where: str, **values: object) -> list[Edit]:
        columns = ", ".join(f"e.{column.name}" for column in _c)
        age = f"{self._sql.seconds_since('e.first_sent_at')} AS key_age_s"
        query = sa.text(f"SELECT {columns}, {age} FROM debtor_edit e WHERE {where}").columns(*_c, key_age_s=sa.Float)
        return [_stored(row) for row in self._connection.execute(query, {"agreement": self._agreement, **values})]


class EditView(NamedTuple):
    """An edit as it is shown."""

    edit: Edit
    created_at: dt.datetime
    changed_at: dt.datetime


def one(connection: Connection, firm: int | None, wanted: int) -> EditView | None:
    """None for another firm's; `firm` None: whoever's it is."""
    row = connection.execute(_views(firm).where(_c.id == wanted)).first()
    return None if row is None else _view(row)


def had_number(connection: Connection, edit: Edit, number: int) -> bool:
    """Whether an edit's debtor has a number now, or had it when the edit was looked at last."""
    current = connection.execute(sa.select(debtor.c.number).where(debtor.c.id == edit.debtor)).scalar()
    return number in (edit.number, current)


def of_number(
    connection: Connection, agreement_number: int, number: int, *, after: int | None, limit: int
) -> list[EditView]:
    """The edits of the debtors that have, or had last, this number; newest first, those before the id `after`."""
    rows_of = sa.select(debtor.c.id).where(debtor.c.agreement == agreement_number, debtor.c.number == number)
    query = _views(None).where(_c.debtor_id.in_(rows_of)).order_by(_c.id.desc()).limit(limit)
    if after is not None:
        query = query.where(_c.id < after)
    return [_view(row) for row in connection.execute(query)]


def _views(firm: int | None) -> sa.Select[Any]:
    query = (
        sa.select(debtor_edit, sa.null().label("key_age_s"))
        .join(agreement, agreement.c.number == _c.agreement)
        .where(agreement.c.removed_at.is_(None))
    )
    return query if firm is None else query.where(agreement.c.firm_id == firm)


def _view(row: Any) -> EditView:
    return EditView(_stored(row), row.created_at, row.changed_at)


def _debtors() -> sa.Select[Any]:
    own = [debtor.c[name] for name in FIELDS]
    return sa.select(debtor.c.id, debtor.c.number, debtor.c.fingerprint, debtor.c.gone_at, *own)


def _values(edit: Edit) -> dict[str, Any]:
    """The columns that an edit's fields are stored in."""
    return {
        **{name: getattr(edit, name) for name in _SAME},
        "wishes": {name: wish.as_json() for name, wish in edit.wishes.items()},
        "state": edit.state.value,
        "read": None if edit.read is None else dict(edit.read),
        "found": None if edit.found is None else dict(edit.found),
        "correlation_id": edit.cause,
    }


def _stored(row: Any) -> Edit:
    return Edit(
        **{name: getattr(row, name) for name in _SAME} | {"by_crm": bool(row.by_crm)},
        id=row.id,
        agreement=row.agreement,
        debtor=row.debtor_id,
        wishes={name: Wish.from_json(wish) for name, wish in row.wishes.items()},
        state=State(row.state),
        cause=row.correlation_id,
        key_age_s=None if row.key_age_s is None else float(row.key_age_s),
    )
