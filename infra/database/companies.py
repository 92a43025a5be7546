"""
The companies of a firm inside a transaction: found by id or key, locked, and written together with their keys, their
history and the differences that are shown.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from domain.alerts import Ending
from domain.companies import CompanyFields, Owner, StoredCompany, owners_of
from domain.matching.keys import keys_of
from domain.normal_forms import company_form
from domain.take_companies import CompanyChanges, Entry
from infra.database import bulk
from infra.database.alerts import AlertRows
from infra.database.company_index import CompanyIndexRows
from infra.database.tables import agreement
from infra.database.tables_companies import company, company_difference, debtor_link
from infra.database.tables_merges import company_merge, company_merge_link

_STATE = ("crm_id", "crm_stamp", "crm_apart", "changed_by", "merged_into")
_CONTENT = (*CompanyFields._fields, *_STATE)
_INSERT = ("id", "firm_id", *_CONTENT, "normal", "correlation_id", "created_at", "changed_at", "deleted_at")
_UPDATE = (*_CONTENT, "deleted_at")
_UPDATE_CHANGED = (*_UPDATE, "normal", "correlation_id", "changed_at")


class CompanyRows(CompanyIndexRows):
    """`domain.take_companies.CompanyStore` on either database."""

    def known(self, crm_ids: Collection[str]) -> dict[str, int]:
        if not crm_ids:
            return {}
        rows = self._connection.execute(
            sa.text(
                f"SELECT crm_id, id FROM company WHERE firm_id = :firm AND {self._sql.among_texts('crm_id', 'crm_ids')}"
            ),
            {"firm": self._firm, "crm_ids": self._sql.texts(crm_ids)},
        )
        return {row.crm_id: row.id for row in rows}

    def create_alone(self) -> None:
        """The firm's row is the lock; it is not the kind that rows referring to the firm wait for."""
        if self._sql.postgresql:
            self._connection.execute(
                sa.text("SELECT id FROM firm WHERE id = :firm FOR NO KEY UPDATE"), {"firm": self._firm}
            )

    def lock(self, ids: Collection[int], *, follow: Collection[int] = ()) -> dict[int, StoredCompany]:
        """Who finds on waking that a company was merged meanwhile lets go, and locks anew with what it is now."""
        if not follow:
            return self._lock(ids)
        wanted = {*ids, *follow}
        followed = set(follow)
        while True:
            with self._connection.begin_nested() as attempt:
                rows = self._lock(wanted)
                followed |= {row.merged_into for row in rows.values() if row.id in followed and row.merged_into}
                if followed <= wanted:
                    return rows
                attempt.rollback()
            wanted |= followed

    def _lock(self, ids: Collection[int]) -> dict[int, StoredCompany]:
        if not ids:
            return {}
        rows = self._connection.execute(
            sa.select(company)
            .where(sa.text(self._sql.among("company.id", "ids")), company.c.firm_id == self._firm)
            .order_by(company.c.id)
            .with_for_update(),
            {"ids": self._sql.numbers(ids)},
        )
        return {row.id: stored(row) for row in rows}

    def owners(self, ids: Collection[int]) -> dict[int, dict[str, Owner]]:
        return self._owners(
            sa.select(debtor_link.c.company_id, agreement.c.field_owners).where(
                debtor_link.c.cut_at.is_(None), sa.text(self._sql.among("debtor_link.company_id", "ids"))
            ),
            ids,
        )

    def former_owners(self, ids: Collection[int]) -> dict[int, dict[str, Owner]]:
        was = company_merge_link.c
        return self._owners(
            sa.select(was.company_id, agreement.c.field_owners)
            .select_from(debtor_link)
            .join(company_merge_link, was.link_id == debtor_link.c.id)
            .join(company_merge, company_merge.c.id == was.merge_id)
            .where(
                debtor_link.c.cut_at.is_(None),
                debtor_link.c.company_id != was.company_id,
                company_merge.c.undone_at.is_(None),
                sa.text(self._sql.among("company_merge_link.company_id", "ids")),
            ),
            ids,
        )

    def _owners(self, linked: sa.Select[Any], ids: Collection[int]) -> dict[int, dict[str, Owner]]:
        if not ids:
            return {}
        settings: dict[int, list[Mapping[str, str]]] = defaultdict(list)
        rows = self._connection.execute(
            linked.join(agreement, agreement.c.number == debtor_link.c.agreement), {"ids": self._sql.numbers(ids)}
        )
        for company_id, own in rows:
            settings[company_id].append(own or {})
        return {company_id: owners_of(each) for company_id, each in settings.items()}

    def new_ids(self, count: int) -> list[int]:
        return bulk.new_ids(self._connection, self._sql, "company", count)

    def write(self, changes: CompanyChanges, *, who: str) -> None:
        now = dt.datetime.now(dt.UTC)
        normal, keys = self._indexed(changes)
        if changes.insert:
            bulk.insert_rows(
                self._connection,
                self._sql,
                "company",
                _INSERT,
                [
                    (
                        *(row.id, self._firm, *_content(row), normal[row.id]),
                        *(changes.changed[row.id], now, now, now if row.deleted else None),
                    )
                    for row in changes.insert.values()
                ],
            )
        self._update(changes, normal, now)
        self._index(keys, new=changes.insert)
        self.remember(changes.history, who=who, now=now, run_id=changes.run_id)
        self._differ(changes)
        if gone := [row_id for row_id in changes.changed if (row := changes.update.get(row_id)) and row.deleted]:
            AlertRows(self._connection, self._sql, self._firm).close_for(companies=gone, how=Ending.GONE, who=who)

    def _indexed(self, changes: CompanyChanges) -> tuple[dict[int, str | None], dict[int, set[int]]]:
        """The normal form of every new or changed company, and the keys it is found under while it lives."""
        normal: dict[int, str | None] = {}
        keys: dict[int, set[int]] = {}
        for row_id in changes.changed:
            row = changes.insert.get(row_id) or changes.update[row_id]
            record = company_form(row.fields._asdict(), row.crm_id)
            normal[row_id] = record.packed() if row.fields.name else None
            keys[row_id] = {key.hash for key in keys_of(record)}
            if not row.living:
                keys[row_id] = set()
        return normal, keys

    def _update(self, changes: CompanyChanges, normal: Mapping[int, str | None], now: dt.datetime) -> None:
        rows = changes.update.values()
        deleted_at = self._deleted_at([row.id for row in rows if row.deleted])
        for columns, those in (
            (_UPDATE_CHANGED, [row for row in rows if row.id in changes.changed]),
            (_UPDATE, [row for row in rows if row.id not in changes.changed]),
        ):
            bulk.update_rows(
                self._connection,
                self._sql,
                "company",
                columns,
                ("id",),
                [
                    (
                        *_content(row),
                        (deleted_at.get(row.id) or now) if row.deleted else None,
                        *((normal[row.id], changes.changed[row.id], now) if columns is _UPDATE_CHANGED else ()),
                        row.id,
                    )
                    for row in sorted(those)
                ],
            )

    def _deleted_at(self, ids: Collection[int]) -> dict[int, dt.datetime]:
        """When those went that were deleted before: a tombstone keeps its day."""
        if not ids:
            return {}
        rows = self._connection.execute(
            sa.select(company.c.id, company.c.deleted_at).where(
                sa.text(self._sql.among("company.id", "ids")), company.c.deleted_at.is_not(None)
            ),
            {"ids": self._sql.numbers(ids)},
        )
        return {row.id: row.deleted_at for row in rows}

    def _index(self, keys: Mapping[int, set[int]], *, new: Collection[int]) -> None:
        """Bring the keys of these companies up to date; what stays the same is not touched."""
        had: dict[int, set[int]] = defaultdict(set)
        old_ones = [row_id for row_id in keys if row_id not in new]
        if old_ones:
            rows = self._connection.execute(
                sa.text(f"SELECT company_id, key FROM company_key WHERE {self._sql.among('company_id', 'ids')}"),
                {"ids": self._sql.numbers(old_ones)},
            )
            for row_id, key in rows:
                had[row_id].add(key)
        gone = [
            {"firm": self._firm, "id": row_id, "key": key}
            for row_id in had
            for key in sorted(had[row_id] - keys[row_id])
        ]
        if gone:
            self._connection.execute(
                sa.text("DELETE FROM company_key WHERE firm_id = :firm AND key = :key AND company_id = :id"), gone
            )
        bulk.insert_rows(
            self._connection,
            self._sql,
            "company_key",
            ("firm_id", "key", "company_id"),
            [(self._firm, key, row_id) for row_id in keys for key in sorted(keys[row_id] - had[row_id])],
        )

    def remember(self, entries: Iterable[Entry], *, who: str, now: dt.datetime, run_id: int | None = None) -> None:
        """Write lines of history."""
        bulk.insert_rows(
            self._connection,
            self._sql,
            "company_change",
            ("company_id", "at", "who", "what", "detail", "run_id", "correlation_id"),
            [(each.company, now, who, each.what.value, _json(each.detail), run_id, each.cause) for each in entries],
        )

    def _differ(self, changes: CompanyChanges) -> None:
        if changes.agreed:
            shown = self._connection.execute(
                sa.select(
                    company_difference.c.company_id, company_difference.c.debtor_id, company_difference.c.field
                ).where(sa.text(self._sql.among("company_difference.company_id", "ids"))),
                {"ids": self._sql.numbers({said[0] for said in changes.agreed})},
            )
            if over := [tuple(said) for said in shown if tuple(said) in changes.agreed]:
                self._connection.execute(
                    sa.text(
                        "DELETE FROM company_difference"
                        " WHERE company_id = :id AND debtor_id = :speaker AND field = :field"
                    ),
                    [{"id": row_id, "speaker": speaker, "field": name} for row_id, speaker, name in over],
                )
        if changes.refused:
            self._connection.execute(
                sa.text(
                    "INSERT INTO company_difference (company_id, debtor_id, field, theirs, why, since)"
                    f" VALUES (:id, :speaker, :field, :theirs, :why, {self._sql.now})"
                    " ON CONFLICT (company_id, debtor_id, field) DO UPDATE SET theirs = excluded.theirs,"
                    " why = excluded.why"
                ),
                [
                    {"id": row_id, "speaker": speaker, "field": name, "theirs": theirs, "why": why.value}
                    for (row_id, speaker, name), (theirs, why) in sorted(changes.refused.items())
                ],
            )


def stored(row: Any) -> StoredCompany:
    """A row of `company` as the rules see it."""
    return StoredCompany(
        id=row.id,
        fields=CompanyFields(*(getattr(row, name) for name in CompanyFields._fields)),
        crm_id=row.crm_id,
        stamp=row.crm_stamp,
        apart=row.crm_apart or {},
        changed_by=row.changed_by or {},
        deleted=row.deleted_at is not None,
        merged_into=row.merged_into,
    )


def _content(row: StoredCompany) -> tuple[object, ...]:
    """The columns of _CONTENT."""
    apart, changed_by = _json(row.apart) if row.apart else None, _json(row.changed_by) if row.changed_by else None
    return (*row.fields, row.crm_id, row.stamp, apart, changed_by, row.merged_into)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
