"""
Links between debtors and companies inside a transaction.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from domain.alerts import Ending
from domain.links import LinkedDebtor, NewLink
from infra.database.alerts import AlertRows
from infra.database.dialect import Sql
from infra.database.tables import agreement, debtor
from infra.database.tables_companies import company_difference, debtor_link

_link = debtor_link.c


class LinkRows:
    """`domain.links.LinkStore` on either database, for one firm."""

    def __init__(self, connection: Connection, sql: Sql, firm: int) -> None:
        self._connection = connection
        self._sql = sql
        self._firm = firm

    def debtor(self, agreement_number: int, number: int) -> LinkedDebtor | None:
        row = self._connection.execute(
            sa.select(debtor, agreement.c.field_owners)
            .join(agreement, agreement.c.number == debtor.c.agreement)
            .where(
                debtor.c.agreement == agreement_number,
                debtor.c.number == number,
                debtor.c.gone_at.is_(None),
                agreement.c.firm_id == self._firm,
                agreement.c.removed_at.is_(None),
            )
            .with_for_update(of=debtor)
        ).first()
        if row is None:
            return None
        values = dict(row._mapping)
        owners = values.pop("field_owners") or {}
        return LinkedDebtor(row.id, row.agreement, row.number, values, owners)

    def company_of(self, debtor_id: int) -> int | None:
        return self._connection.execute(
            sa.select(_link.company_id).where(_link.debtor_id == debtor_id, _link.cut_at.is_(None))
        ).scalar()

    def debtors_of(self, company_id: int) -> list[int]:
        living = sa.select(_link.debtor_id).where(_link.company_id == company_id, _link.cut_at.is_(None))
        return list(self._connection.execute(living.order_by(_link.debtor_id)).scalars())

    def refused(self, debtor_id: int) -> set[int]:
        said = sa.select(_link.company_id).where(_link.debtor_id == debtor_id, _link.refused.is_(True))
        return set(self._connection.execute(said).scalars())

    def add(self, link: NewLink) -> None:
        self._connection.execute(
            sa.update(debtor_link)
            .where(_link.debtor_id == link.debtor.id, _link.company_id == link.company, _link.refused.is_(True))
            .values(refused=False)
        )
        self._connection.execute(
            sa.insert(debtor_link).values(
                agreement=link.debtor.agreement,
                debtor_id=link.debtor.id,
                company_id=link.company,
                how=link.how.value,
                score=link.score,
                reasons=list(link.reasons),
                seen=dict(link.seen),
                linked_by=link.who,
                linked_at=sa.text(self._sql.now),
                run_id=link.run_id,
                refused=False,
            )
        )
        AlertRows(self._connection, self._sql, self._firm).close_for(
            debtors=[link.debtor.id], how=Ending.LINKED, who=link.who
        )

    def cut(self, debtor_id: int, *, who: str, refused: bool) -> None:
        self._connection.execute(
            sa.update(debtor_link)
            .where(_link.debtor_id == debtor_id, _link.cut_at.is_(None))
            .values(cut_at=sa.text(self._sql.now), cut_by=who, refused=refused)
        )
        self._connection.execute(sa.delete(company_difference).where(company_difference.c.debtor_id == debtor_id))
