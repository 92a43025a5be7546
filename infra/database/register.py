"""
An agreement's debtors as matching reads them, inside a transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from domain.companies import said_by_debtor
from domain.crowds import COUNTED, crowded, crowding_keys
from domain.follow_debtors import WHO, Following
from domain.hints import match_hint
from domain.links import LinkedDebtor
from domain.matching.identifiers import mail_domain
from domain.normal_forms import debtor_form
from infra.database.conversions import ConversionRows
from infra.database.dialect import Sql
from infra.database.engine import Database
from infra.database.inbox import SqlInbox
from infra.database.links import linked_debtor, living_debtors
from infra.database.scope import in_scope, in_scope_sql
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

    def crowded(self, debtors: Sequence[LinkedDebtor]) -> frozenset[int]:
        """
        Of those without a company; one look at the register, whatever its size.

        It finds numbers by their last seven digits, and hosts by themselves or without their first part: a number in
        front of another one in the same field, or a mail address under a host of its own, may go uncounted.
        """
        linked = self._linked([one.id for one in debtors])
        own = [one.values for one in debtors if one.id not in linked]
        keys = [key for values in own for key in crowding_keys(values)]
        if not keys:
            return frozenset()
        forms = [debtor_form(values) for values in own]
        wanted = {
            "cvrs": {form.cvr[-7:] for form in forms} - {""},
            "phones": {phone[-7:] for form in forms for phone in form.phones.split()},
            "mails": {form.mail for form in forms} - {""},
            "hosts": {
                *(domain for form in forms for domain in form.domains.split()),
                *(form.mail.rpartition("@")[2] for form in forms if mail_domain(form.mail)),
            },
        }
        wanted = {name: texts for name, texts in wanted.items() if texts}
        rows = self._connection.execute(
            sa.text(self._sharing(wanted)),
            {"agreement": self._agreement, **{name: self._sql.texts(texts) for name, texts in wanted.items()}},
        )
        return crowded((dict(row._mapping) for row in rows), {key.hash for key in keys})

    def _linked(self, ids: Collection[int]) -> set[int]:
        found = self._connection.execute(
            sa.select(debtor_link.c.debtor_id).where(
                debtor_link.c.cut_at.is_(None), sa.text(self._sql.among("debtor_link.debtor_id", "ids"))
            ),
            {"ids": self._sql.numbers(ids)},
        )
        return set(found.scalars())

    def _sharing(self, wanted: Collection[str]) -> str:
        """The debtors that may hold one of these values; only what is wanted is worked out of each."""
        mail, site = "lower(trim(email))", "lower(trim(website))"
        for mark in ("https://", "http://", "www."):
            site = f"replace({site}, '{mark}', '')"
        if self._sql.postgresql:
            host, page = f"split_part({mail}, '@', 2)", f"split_part({site}, '/', 1)"
        else:
            host, page = f"substr({mail}, instr({mail}, '@') + 1)", f"substr({site}, 1, instr({site} || '/', '/') - 1)"
        held = {
            "cvrs": {"cvr": self._last_digits("cvr"), "vat_number": self._last_digits("vat_number")},
            "phones": {"phone": self._last_digits("phone"), "mobile": self._last_digits("mobile")},
            "mails": {"email": mail},
            "hosts": {"email": host, "website": page},
        }
        found = [
            f"{column} IS NOT NULL AND {self._sql.among_texts(value, name)}"
            for name in wanted
            for column, value in held[name].items()
        ]
        return (
            f"SELECT {', '.join(COUNTED)} FROM debtor WHERE agreement = :agreement AND gone_at IS NULL"
            f" AND ({' OR '.join(found)}) AND {in_scope_sql()}"
        )

    def _last_digits(self, column: str) -> str:
        if self._sql.postgresql:
            return f"right(translate({column}, ' -.', ''), 7)"
        for mark in " -.":
            column = f"replace({column}, '{mark}', '')"
        return f"substr({column}, -7)"

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
