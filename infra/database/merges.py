"""
Merges of a firm's companies inside a transaction: remembered, and undone.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from domain.companies import StoredCompany, What
from domain.company_events import failure_subject
from domain.links import LinkedDebtor
from domain.merge_companies import Before, Head, NewMerge, Part, Shown, Stores
from domain.merging import ADDRESS, Member
from domain.unmerge_companies import Kept, ReturnedLink, StoredMerge
from infra.database.alerts import AlertRows
from infra.database.companies import CompanyRows, stored
from infra.database.conversions import ConversionRows
from infra.database.dialect import Sql
from infra.database.links import LinkRows, linked_debtor
from infra.database.outbox import SqlOutbox
from infra.database.tables import agreement, failure
from infra.database.tables_companies import company, company_change, company_difference, debtor_link
from infra.database.tables_conversions import RUNNING, conversion
from infra.database.tables_merges import company_merge, company_merge_link, company_merge_part
from infra.database.tables_mirror import debtor

_link, _difference = debtor_link.c, company_difference.c
_merge, _part, _was = company_merge.c, company_merge_part.c, company_merge_link.c
_HEAD = (_merge.id, _merge.survivor_id, _merge.who, _merge.at)
_ADDRESSED = [what.value for what in (What.UPDATED, What.SNAPSHOT, What.MERGED, What.UNMERGED)]


def merging(connection: Connection, sql: Sql, firm: int) -> Stores:
    """What a merge, or its undoing, needs in this transaction; `merges` of it is a MergeRows."""
    return Stores(
        CompanyRows(connection, sql, firm),
        LinkRows(connection, sql, firm),
        MergeRows(connection, sql, firm),
        SqlOutbox(connection, sql, firm=firm),
        AlertRows(connection, sql, firm),
        ConversionRows(connection, sql),
    )


class MergeRows:
    """`domain.merge_companies.MergeStore` and `domain.unmerge_companies.UnmergeStore` on either database."""

    def __init__(self, connection: Connection, sql: Sql, firm: int) -> None:
        self._connection = connection
        self._sql = sql
        self._firm = firm

    # What companies are

    def companies(self, ids: Collection[int]) -> dict[int, StoredCompany]:
        query = sa.select(company).where(company.c.id.in_(ids), company.c.firm_id == self._firm)
        return {row.id: stored(row) for row in self._connection.execute(query)}

    def members(self, companies: Sequence[StoredCompany]) -> list[Member]:
        ids = [row.id for row in companies]
        living = sa.select(_link.company_id, sa.func.count()).where(_link.company_id.in_(ids), _link.cut_at.is_(None))
        debtors = {row_id: int(count) for row_id, count in self._connection.execute(living.group_by(_link.company_id))}
        created = sa.select(company.c.id, company.c.created_at).where(company.c.id.in_(ids))
        created_at = {row.id: row.created_at for row in self._connection.execute(created)}
        return [
            Member(row, created_at[row.id], self._address_at(row.id) or created_at[row.id], debtors.get(row.id, 0))
            for row in companies
        ]

    def _address_at(self, company_id: int) -> dt.datetime | None:
        """When its history last tells of an address; None when it came with the company."""
        told = (
            sa.select(company_change.c.at, company_change.c.detail)
            .where(company_change.c.company_id == company_id, company_change.c.what.in_(_ADDRESSED))
            .order_by(company_change.c.id.desc())
        )
        for at, detail in self._connection.execute(told):
            if not set(ADDRESS).isdisjoint(detail.get("changed", detail)):
                return at  # type: ignore[no-any-return]
        return None

    def family(self, companies: Collection[int]) -> set[int]:
        family, new = set(companies), set(companies)
        while new:
            parts = sa.select(company.c.id).where(company.c.merged_into.in_(new))
            new = set(self._connection.execute(parts).scalars()) - family
            family |= new
        return family

    def end_of(self, company_id: int) -> int:
        while True:
            into = self._connection.execute(sa.select(company.c.merged_into).where(company.c.id == company_id)).scalar()
            if into is None:
                return company_id
            company_id = into

    # Merges

    def merged_by(self, company_id: int) -> Head | None:
        query = (
            sa.select(*_HEAD)
            .join(company_merge_part, _part.merge_id == _merge.id)
            .where(_part.company_id == company_id, _merge.undone_at.is_(None))
            .order_by(_merge.id.desc())
        )
        row = self._connection.execute(query).first()
        return None if row is None else Head(*row)

    def add(self, merge: NewMerge, *, who: str) -> int:
        merge_id = self._connection.execute(
            sa.insert(company_merge)
            .values(
                firm_id=self._firm,
                survivor_id=merge.survivor,
                who=who,
                at=sa.text(self._sql.now),
                fields={name: list(pair) for name, pair in merge.fields.items()},
                before=merge.before._asdict(),
                differences=[{**each._asdict(), "since": each.since.isoformat()} for each in merge.differences],
                alerts=list(merge.alerts),
                conversions=self._running([part.company for part in merge.parts]),
            )
            .returning(_merge.id)
        ).scalar_one()
        self._connection.execute(
            sa.insert(company_merge_part),
            [{"merge_id": merge_id, "company_id": part.company, "crm_id": part.crm_id} for part in merge.parts],
        )
        self._move_links(merge_id, merge.survivor, [part.company for part in merge.parts])
        return int(merge_id)

    def _running(self, parts: Collection[int]) -> list[list[int]]:
        of_them = conversion.c.company_id.in_(self.family(parts))
        rows = self._connection.execute(
            sa.select(conversion.c.id, conversion.c.company_id)
            .where(of_them, sa.text(RUNNING))
            .order_by(conversion.c.id)
        )
        return [[row.id, row.company_id] for row in rows]

    def _move_links(self, merge_id: int, survivor: int, parts: list[int]) -> None:
        """The links that live, and what somebody said of debtors that are none of these companies."""
        living = _link.cut_at.is_(None)
        ours = sa.select(_link.debtor_id).where(_link.company_id.in_([survivor, *parts]), living)
        refused = sa.and_(_link.refused.is_(True), _link.debtor_id.not_in(ours), _link.company_id != survivor)
        columns = (sa.literal(merge_id), _link.id, _link.company_id, living, _link.seen)
        followed = sa.select(*columns).where(_link.company_id.in_([survivor, *parts]), sa.or_(living, refused))
        self._connection.execute(
            sa.insert(company_merge_link).from_select(["merge_id", "link_id", "company_id", "living", "seen"], followed)
        )
        moved = sa.select(_was.link_id).where(_was.merge_id == merge_id, _was.company_id != survivor)
        self._connection.execute(sa.update(debtor_link).where(_link.id.in_(moved)).values(company_id=survivor))

    def load(self, merge: int) -> StoredMerge | None:
        row = self._connection.execute(
            sa.select(company_merge).where(_merge.id == merge, _merge.firm_id == self._firm)
        ).first()
        if row is None:
            return None
        parts = sa.select(_part.company_id, _part.crm_id).where(_part.merge_id == merge).order_by(_part.company_id)
        made = NewMerge(
            row.survivor_id,
            [Part(*part) for part in self._connection.execute(parts)],
            {name: (before, after) for name, (before, after) in row.fields.items()},
            Before(**row.before),
            [Shown(**{**each, "since": dt.datetime.fromisoformat(each["since"])}) for each in row.differences],
            row.alerts,
        )
        return StoredMerge(Head(row.id, row.survivor_id, row.who, row.at), made, row.undone_by, row.undone_at)

    def newer(self, merge: StoredMerge) -> Head | None:
        survivor = merge.made.survivor
        into = sa.select(_part.merge_id).where(_part.company_id == survivor)
        query = sa.select(*_HEAD).where(
            _merge.id > merge.head.id,
            _merge.undone_at.is_(None),
            sa.or_(_merge.survivor_id == survivor, _merge.id.in_(into)),
        )
        row = self._connection.execute(query.order_by(_merge.id.desc())).first()
        return None if row is None else Head(*row)

    def end(self, merge: StoredMerge, *, who: str, kept: Sequence[Kept]) -> None:
        self._connection.execute(
            sa.update(company_merge)
            .where(_merge.id == merge.head.id)
            .values(undone_by=who, undone_at=sa.text(self._sql.now), kept=[each._asdict() for each in kept])
        )
        ran = sa.select(_merge.conversions).where(_merge.id == merge.head.id)
        for conversion_id, company_id in self._connection.execute(ran).scalar_one() or ():
            self._connection.execute(
                sa.update(conversion)
                .where(conversion.c.id == conversion_id, sa.text(RUNNING))
                .values(company_id=company_id)
            )
        crm_ids = [part.crm_id for part in merge.made.parts if part.crm_id is not None]
        agreements = sa.select(agreement.c.number).where(agreement.c.firm_id == self._firm)
        self._connection.execute(
            sa.update(failure)
            .where(
                failure.c.subject_kind == "company",
                failure.c.subject.in_([failure_subject(crm_id) for crm_id in crm_ids]),
                failure.c.state == "open",
                failure.c.agreement.in_(agreements),
            )
            .values(state="resolved", ended_at=sa.text(self._sql.now))
        )

    # Links and differences

    def return_links(self, merge: StoredMerge) -> list[ReturnedLink]:
        whose = sa.select(_was.company_id).where(_was.merge_id == merge.head.id, _was.link_id == _link.id)
        moved = sa.select(_was.link_id).where(_was.merge_id == merge.head.id, _was.company_id != merge.made.survivor)
        self._connection.execute(
            sa.update(debtor_link).where(_link.id.in_(moved)).values(company_id=whose.scalar_subquery())
        )
        links = self._connection.execute(
            sa.select(_link.debtor_id, _was.company_id, _was.seen, _link.cut_at)
            .join(company_merge_link, _was.link_id == _link.id)
            .where(_was.merge_id == merge.head.id, _was.living.is_(True))
            .order_by(_link.id)
        ).all()
        debtors = self._debtors([row.debtor_id for row in links])
        return [ReturnedLink(row.company_id, debtors[row.debtor_id], row.cut_at is None, row.seen) for row in links]

    def _debtors(self, ids: Collection[int]) -> dict[int, LinkedDebtor]:
        """Those that are gone, too: a tombstone keeps its links."""
        rows = self._connection.execute(
            sa.select(debtor, agreement.c.field_owners)
            .join(agreement, agreement.c.number == debtor.c.agreement)
            .where(debtor.c.id.in_(ids))
            .order_by(debtor.c.agreement, debtor.c.number)
        )
        return {row.id: linked_debtor(row) for row in rows}

    def attached(self, merge: StoredMerge) -> list[LinkedDebtor]:
        before = sa.select(_was.link_id).where(_was.merge_id == merge.head.id)
        since = sa.select(_link.debtor_id).where(
            _link.company_id == merge.made.survivor, _link.cut_at.is_(None), _link.id.not_in(before)
        )
        return list(self._debtors(list(self._connection.execute(since).scalars())).values())

    def differences(self, companies: Collection[int]) -> list[Shown]:
        query = sa.select(company_difference).where(_difference.company_id.in_(companies))
        rows = self._connection.execute(query.order_by(_difference.company_id, _difference.debtor_id))
        return [Shown(row.company_id, row.debtor_id, row.field, row.theirs, row.why, row.since) for row in rows]

    def hide(self, differences: Iterable[Shown]) -> None:
        for each in differences:
            self._connection.execute(
                sa.delete(company_difference).where(
                    _difference.company_id == each.company,
                    _difference.debtor_id == each.debtor,
                    _difference.field == each.field,
                )
            )

    def show(self, differences: Iterable[Shown]) -> None:
        rows: list[Mapping[str, Any]] = [
            {"company_id": each.company, "debtor_id": each.debtor, **each._asdict()} for each in differences
        ]
        if rows:
            self._connection.execute(
                sa.text(
                    "INSERT INTO company_difference (company_id, debtor_id, field, theirs, why, since)"
                    " VALUES (:company_id, :debtor_id, :field, :theirs, :why, :since) ON CONFLICT DO NOTHING"
                ),
                rows,
            )
