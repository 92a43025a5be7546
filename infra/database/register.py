"""
An agreement's debtors as matching reads them, inside a transaction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from domain.companies import said_by_debtor
from domain.follow_debtors import WHO, Following
from domain.hints import match_hint
from domain.links import LinkedDebtor
from domain.matching import weights as w
from domain.matching.index import CROWDING
from domain.matching.keys import KeyKind, keys_of
from domain.normal_forms import debtor_form
from infra.database.conversions import ConversionRows
from infra.database.dialect import Sql
from infra.database.engine import Database
from infra.database.inbox import SqlInbox
from infra.database.links import linked_debtor, living_debtors
from infra.database.scope import in_scope
from infra.database.tables import agreement
from infra.database.tables_companies import debtor_link
from infra.database.tables_mirror import debtor

PAGE = 1_000


class RegisterRows:
    """`domain.follow_debtors.Register` on either database."""

    def __init__(self, connection: Connection, sql: Sql, number: int, firm: int) -> None:
        self._connection = connection
        self._sql = sql
        self._agreement = number
        self._firm = firm

    def following(self) -> Following | None:
        row = self._connection.execute(
            sa.select(agreement.c.companies_since, agreement.c.create_companies, agreement.c.most_at_once).where(
                agreement.c.number == self._agreement
            )
        ).one()
        return None if row.companies_since is None else Following(row.create_companies, row.most_at_once)

    def debtors(self, numbers: Collection[int]) -> list[LinkedDebtor]:
        rows = self._connection.execute(
            self._in_scope().where(sa.text(self._sql.among("debtor.number", "numbers"))),
            {"numbers": self._sql.numbers(numbers)},
        )
        return [linked_debtor(row) for row in rows]

    def unsettled(self, after: int) -> tuple[list[LinkedDebtor], int | None]:
        rows = self._connection.execute(
            self._in_scope()
            .add_columns(debtor_link.c.seen)
            .outerjoin(debtor_link, sa.and_(debtor_link.c.debtor_id == debtor.c.id, debtor_link.c.cut_at.is_(None)))
            .where(debtor.c.number > after)
            .limit(PAGE)
        ).all()
        found = []
        for row in rows:
            one = linked_debtor(row)
            if row.seen is None or row.seen != said_by_debtor(one.values):
                found.append(one)
        return found, rows[-1].number if len(rows) == PAGE else None

    def _in_scope(self) -> sa.Select[tuple[object, ...]]:
        return (
            living_debtors(self._firm)
            .where(debtor.c.agreement == self._agreement, in_scope())
            .order_by(debtor.c.number)
        )

    def crowded(self, debtors: Sequence[LinkedDebtor]) -> set[int]:
        """
        Of those without a company; one look at the register, whatever its size.

        Numbers are counted by their last eight digits as they are written, mail and its domain in small letters.
        """
        linked = self._linked([one.id for one in debtors])
        own = [one.values for one in debtors if one.id not in linked]
        if not own:
            return set()
        mails = {str(values["email"]).lower() for values in own if values["email"]}
        wanted = {
            "cvrs": {_digits(values["cvr"]) for values in own} - {""},
            "phones": {_digits(values[name]) for values in own for name in ("phone", "mobile")} - {""},
            "mails": mails,
            "domains": {mail.rpartition("@")[2] for mail in mails if "@" in mail},
        }
        rows = self._connection.execute(
            sa.text(self._counted()),
            {"agreement": self._agreement, **{name: self._sql.texts(texts) for name, texts in wanted.items()}},
        )
        counts: Counter[int] = Counter()
        for kind, country, text, count in rows:
            form = debtor_form({_FIELD[KeyKind(kind)]: text, "country": country})
            counts.update({key.hash: count for key in keys_of(form) if key.kind == kind})
        mine = {key.hash for values in own for key in keys_of(debtor_form(values)) if key.kind in CROWDING}
        return {key for key in mine if counts[key] > w.CROWD}

    def _linked(self, ids: Collection[int]) -> set[int]:
        found = self._connection.execute(
            sa.select(debtor_link.c.debtor_id).where(
                debtor_link.c.cut_at.is_(None), sa.text(self._sql.among("debtor_link.debtor_id", "ids"))
            ),
            {"ids": self._sql.numbers(ids)},
        )
        return set(found.scalars())

    def _counted(self) -> str:
        """Kind of key, country, value, how many debtors hold it."""
        last8 = "right({}, 8)" if self._sql.postgresql else "substr({}, -8)"
        domain = "split_part({0}, '@', 2)" if self._sql.postgresql else "substr({0}, instr({0}, '@') + 1)"

        def digits(column: str) -> str:
            for mark in (" ", "-", ".", "DK"):
                column = f"replace({column}, '{mark}', '')"
            return last8.format(column)

        def among(column: str, name: str) -> str:
            return self._sql.among_texts(column, name)

        def counted(kind: KeyKind, column: str, name: str, key: str, also: str = "") -> str:
            country = "country" if kind in (KeyKind.CVR, KeyKind.PHONE) else "''"
            return (
                f"SELECT '{kind.value}', country, {column}, count(*)"
                f" FROM (SELECT {country} AS country, {column} FROM own WHERE {among(key, name)}{also}) AS held"
                f" GROUP BY country, {column}"
            )

        return (
            f"WITH register AS (SELECT country, cvr, phone, mobile, lower(email) AS mail, {digits('cvr')} AS cvr8,"
            f" {digits('phone')} AS phone8, {digits('mobile')} AS mobile8, {domain.format('lower(email)')} AS domain"
            " FROM debtor WHERE agreement = :agreement AND gone_at IS NULL),"
            f" own AS (SELECT * FROM register WHERE {among('cvr8', 'cvrs')} OR {among('phone8', 'phones')}"
            f" OR {among('mobile8', 'phones')} OR {among('mail', 'mails')} OR {among('domain', 'domains')}) "
            + " UNION ALL ".join(
                (
                    counted(KeyKind.CVR, "cvr", "cvrs", "cvr8"),
                    counted(KeyKind.PHONE, "phone", "phones", "phone8"),
                    counted(KeyKind.PHONE, "mobile", "phones", "mobile8", " AND mobile8 <> COALESCE(phone8, '')"),
                    counted(KeyKind.MAIL, "mail", "mails", "mail"),
                    counted(KeyKind.DOMAIN, "domain", "domains", "domain"),
                )
            )
        )

    def made_lately(self, seconds: int) -> int:
        return int(
            self._connection.execute(
                sa.text(
                    "SELECT count(*) FROM debtor_link WHERE agreement = :agreement AND run_id IS NULL"
                    f" AND linked_by = :who AND linked_at > {self._sql.after('ago')}"
                ),
                {"agreement": self._agreement, "who": WHO, "ago": -seconds},
            ).scalar_one()
        )

    def creating_names(self) -> Collection[str]:
        return ConversionRows(self._connection, self._sql, self._agreement).creating_names()


def follow_settings(connection: Connection, number: int) -> dict[str, object]:
    """What an agreement's debtors do to companies, by name; `companies_since` None: nothing yet."""
    columns = (agreement.c.companies_since, agreement.c.create_companies, agreement.c.most_at_once)
    row = connection.execute(sa.select(*columns).where(agreement.c.number == number)).one()
    return dict(row._mapping)


def set_following(database: Database, number: int, *, create: bool | None, most_at_once: int | None) -> None:
    """Change what is not None; debtors that may become companies now are looked at."""
    chosen = {"create_companies": create, "most_at_once": most_at_once}
    values = {name: value for name, value in chosen.items() if value is not None}
    with database.write() as connection:
        changed = sa.update(agreement).where(agreement.c.number == number).values(values)
        since = connection.execute(changed.returning(agreement.c.companies_since)).scalar_one()
        if create and since is not None:
            SqlInbox(connection, database.sql).add([match_hint(number, None, "")])


_FIELD = {KeyKind.CVR: "cvr", KeyKind.PHONE: "phone", KeyKind.MAIL: "email", KeyKind.DOMAIN: "website"}


def _digits(value: object) -> str:
    """The end of a number as `RegisterRows` counts it."""
    text = str(value or "")
    for mark in (" ", "-", ".", "DK"):
        text = text.replace(mark, "")
    return text[-8:]
