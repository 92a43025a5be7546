"""
Links between debtors and companies inside a transaction: `domain.match_debtors.MatchLinks` on either database.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from domain.alerts import Ending, RecordKind, RecordRef
from domain.links import LinkedDebtor, LivingLink, NewLink
from domain.proposals import Left, LinkedCompany, Standing
from infra.database import bulk
from infra.database.alerts import AlertRows
from infra.database.companies import stored
from infra.database.dialect import Sql
from infra.database.tables import agreement
from infra.database.tables_companies import company, debtor_link
from infra.database.tables_edits import debtor_edit
from infra.database.tables_mirror import debtor

_link = debtor_link.c
_EDITING = sa.exists().where(
    debtor_edit.c.debtor_id == debtor_link.c.debtor_id, debtor_edit.c.state == sa.literal_column("'writing'")
)
_NEW_LINK = (
    *("agreement", "debtor_id", "company_id", "how", "score", "reasons", "seen"),
    *("linked_by", "linked_at", "run_id", "refused"),
)


class LinkRows:
    """Of one firm."""

    def __init__(self, connection: Connection, sql: Sql, firm: int) -> None:
        self._connection = connection
        self._sql = sql
        self._firm = firm
        self._alerts = AlertRows(connection, sql, firm)

    def debtor(self, agreement_number: int, number: int) -> LinkedDebtor | None:
        row = self._connection.execute(
            living_debtors(self._firm)
            .where(debtor.c.agreement == agreement_number, debtor.c.number == number)
            .with_for_update(of=debtor, key_share=True)
        ).first()
        return None if row is None else linked_debtor(row)

    def debtors(self, ids: Collection[int]) -> dict[int, LinkedDebtor]:
        if not ids:
            return {}
        rows = self._connection.execute(
            living_debtors(self._firm)
            .where(sa.text(self._sql.among("debtor.id", "ids")))
            .order_by(debtor.c.id)
            .with_for_update(of=debtor, key_share=True),
            {"ids": self._sql.numbers(ids)},
        )
        return {row.id: linked_debtor(row) for row in rows}

    def standings(self, debtors: Collection[int]) -> dict[int, Standing]:
        found: dict[int, Standing] = {}
        if not debtors:
            return found
        rows = self._connection.execute(
            sa.select(_link.debtor_id, _link.company_id, _link.seen, _link.cut_at, _link.refused, _EDITING)
            .where(sa.text(self._sql.among("debtor_link.debtor_id", "ids")))
            .order_by(_link.id),
            {"ids": self._sql.numbers(debtors)},
        )
        for debtor_id, company_id, seen, cut_at, refused, editing in rows:
            so_far = found.get(debtor_id, Standing())
            if cut_at is None:
                found[debtor_id] = so_far._replace(company=company_id, seen=seen, editing=bool(editing))
            elif refused:
                found[debtor_id] = so_far._replace(refused=so_far.refused | {company_id}, left=Left.UNLINKED)
            else:
                found[debtor_id] = so_far._replace(left=so_far.left or Left.REVERTED)
        for record, apart in self._alerts.apart([RecordRef(RecordKind.DEBTOR, one) for one in debtors]).items():
            so_far = found.get(record.id, Standing())
            found[record.id] = so_far._replace(refused=so_far.refused | apart)
        return found

    def companies(self, ids: Collection[int]) -> dict[int, LinkedCompany]:
        if not ids:
            return {}
        numbers = {"ids": self._sql.numbers(ids)}
        rows = self._connection.execute(
            sa.select(company).where(company.c.firm_id == self._firm, sa.text(self._sql.among("company.id", "ids"))),
            numbers,
        )
        companies = {row.id: stored(row) for row in rows}
        debtors: dict[int, dict[int, int]] = defaultdict(dict)
        settings: dict[int, dict[int, dict[str, str]]] = defaultdict(dict)
        links = self._connection.execute(
            sa.select(_link.company_id, _link.debtor_id, _link.agreement, agreement.c.field_owners)
            .join(agreement, agreement.c.number == _link.agreement)
            .where(_link.cut_at.is_(None), sa.text(self._sql.among("debtor_link.company_id", "ids"))),
            numbers,
        )
        for company_id, debtor_id, number, owners in links:
            debtors[company_id][debtor_id] = number
            settings[company_id][number] = owners or {}
        return {
            row_id: LinkedCompany(row, debtors.get(row_id, {}), settings.get(row_id, {}))
            for row_id, row in companies.items()
        }

    def company_of(self, debtor_id: int) -> int | None:
        return self._connection.execute(
            sa.select(_link.company_id).where(_link.debtor_id == debtor_id, _link.cut_at.is_(None))
        ).scalar()

    def living(self, debtors: Collection[int]) -> dict[int, LivingLink]:
        rows = self._connection.execute(
            sa.select(_link.debtor_id, _link.company_id, _link.run_id).where(
                _link.cut_at.is_(None), sa.text(self._sql.among("debtor_link.debtor_id", "ids"))
            ),
            {"ids": self._sql.numbers(debtors)},
        )
        return {row.debtor_id: LivingLink(row.company_id, row.run_id) for row in rows}

    def refused(self, debtor_id: int) -> set[int]:
        said = sa.select(_link.company_id).where(_link.debtor_id == debtor_id, _link.refused.is_(True))
        return set(self._connection.execute(said).scalars())

    def add(self, links: Sequence[NewLink]) -> None:
        if not links:
            return
        self._connection.execute(
            sa.update(debtor_link)
            .where(
                _link.debtor_id == sa.bindparam("of_debtor"),
                _link.company_id == sa.bindparam("of_company"),
                _link.refused.is_(True),
            )
            .values(refused=False),
            [{"of_debtor": link.debtor.id, "of_company": link.company} for link in links],
        )
        now = dt.datetime.now(dt.UTC)
        bulk.insert_rows(
            self._connection,
            self._sql,
            "debtor_link",
            _NEW_LINK,
            [
                (
                    *(link.debtor.agreement, link.debtor.id, link.company, link.how.value, link.score),
                    *(_json(list(link.reasons)), _json(dict(link.seen)), link.who, now, link.run_id, False),
                )
                for link in links
            ],
        )

        by = {link.who for link in links}
        for who in by:
            debtors = [link.debtor.id for link in links if link.who == who]
            self._alerts.close_for(debtors=debtors, how=Ending.LINKED, who=who)

    def saw(self, seen: Mapping[int, Mapping[str, str | None]]) -> None:
        if seen:
            self._connection.execute(
                sa.update(debtor_link)
                .where(_link.debtor_id == sa.bindparam("of_debtor"), _link.cut_at.is_(None))
                .values(seen=sa.bindparam("said")),
                [{"of_debtor": debtor_id, "said": dict(said)} for debtor_id, said in sorted(seen.items())],
            )

    def cut(self, debtors: Collection[int], *, who: str, refused: bool) -> None:
        if not debtors:
            return
        ids = {"ids": self._sql.numbers(debtors)}
        self._connection.execute(
            sa.update(debtor_link)
            .where(_link.cut_at.is_(None), sa.text(self._sql.among("debtor_link.debtor_id", "ids")))
            .values(cut_at=sa.text(self._sql.now), cut_by=who, refused=refused),
            ids,
        )
        shown = self._sql.among("debtor_id", "ids")
        self._connection.execute(sa.text(f"DELETE FROM company_difference WHERE {shown}"), ids)


def living_debtors(firm: int) -> sa.Select[Any]:
    """A firm's debtors that are not gone, with what their agreement says of the fields of companies."""
    return (
        sa.select(debtor, agreement.c.field_owners)
        .join(agreement, agreement.c.number == debtor.c.agreement)
        .where(debtor.c.gone_at.is_(None), agreement.c.firm_id == firm, agreement.c.removed_at.is_(None))
    )


def linked_debtor(row: sa.Row[Any]) -> LinkedDebtor:
    """A row of `living_debtors`."""
    values = dict(row._mapping)
    owners = values.pop("field_owners") or {}
    return LinkedDebtor(row.id, row.agreement, row.number, values, owners)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
