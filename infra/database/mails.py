"""
Mails: written with what they tell, taken by whoever sends them.
"""

from __future__ import annotations

import datetime as dt
import os
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from domain.deliveries import Answer, retry_s
from domain.mails import Letter
from domain.ports import FailureReport
from infra.database.dialect import Sql
from infra.database.engine import Database
from infra.database.failures import FailureRows
from infra.database.tables import agreement, user
from infra.database.tables_mail import mail

FAILURE = "mail"
_T = mail.c


class MailRows:
    """
    `domain.mails.Mailbox` of one agreement.

    Args:
        domain: of the address that mails come from; None = there is no mail server, and nothing is written.
    """

    def __init__(self, connection: Connection, sql: Sql, number: int, domain: str | None) -> None:
        self._connection = connection
        self._sql = sql
        self._agreement = number
        self._domain = domain

    def write(self, letter: Letter) -> None:
        """One mail for each reader: an address that is refused keeps it from nobody else."""
        recipients = readers(self._connection, self._agreement) if self._domain is not None else []
        now = sa.text(self._sql.now)
        for recipient in recipients:
            self._connection.execute(
                sa.insert(mail).values(
                    agreement=self._agreement,
                    kind=letter.kind.value,
                    message_id=f"<{os.urandom(16).hex()}@{self._domain}>",
                    recipient=recipient,
                    subject=letter.subject,
                    text=letter.text,
                    state="pending",
                    attempts=0,
                    next_attempt_at=now,
                    created_at=now,
                )
            )


def trouble_address(connection: Connection, number: int) -> str | None:
    """The address that an agreement names for trouble."""
    return connection.execute(sa.select(agreement.c.trouble_mail).where(agreement.c.number == number)).scalar()


def readers(connection: Connection, number: int) -> list[str]:
    """Whom mails about an agreement go to: the address named for it, else the admins of its firm, sorted."""
    named = trouble_address(connection, number)
    if named is not None:
        return [named]
    admins = (
        sa.select(user.c.email)
        .join(agreement, agreement.c.firm_id == user.c.firm_id)
        .where(agreement.c.number == number, user.c.role == "admin", user.c.disabled_at.is_(None))
    )
    return list(connection.execute(admins.order_by(user.c.email)).scalars())


def name_reader(database: Database, number: int, address: str | None) -> None:
    """Name the address for an agreement's trouble; None = the admins again."""
    with database.write() as connection:
        connection.execute(sa.update(agreement).where(agreement.c.number == number).values(trouble_mail=address))


class Mail(NamedTuple):
    """A mail to be sent; `attempts` have been made."""

    id: int
    agreement: int
    kind: str
    message_id: str
    recipient: str
    subject: str
    text: str
    attempts: int
    created_at: dt.datetime


class Mails:
    """Everything the sender asks of the database. Raises DatabaseAway."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = database.sql

    def due(self, limit: int) -> list[Mail]:
        """Those due longest."""
        found = (
            sa.select(*(_T[name] for name in Mail._fields))
            .where(_T.state == "pending", _T.next_attempt_at <= sa.text(self._sql.now))
            .order_by(_T.next_attempt_at, _T.id)
            .limit(limit)
        )
        with self._database.read() as connection:
            return [Mail._make(row) for row in connection.execute(found)]

    def record(self, sent: Mail, problem: str | None, *, for_good: bool = False) -> str:
        """
        Write down what became of an attempt: sent, retried, given_up, or ended when somebody else had written it down.

        What was given up is a failure; it closes when a later mail to the same address is sent.

        Args:
            for_good: trying again would end the same way.
        """
        seconds = None if problem is None or for_good else retry_s(sent.attempts + 1, Answer(None, problem))
        state = "sent" if problem is None else "given_up" if seconds is None else "pending"
        ended = "NULL" if state == "pending" else self._sql.now
        later = self._sql.after("seconds") if state == "pending" else "next_attempt_at"
        with self._database.write() as connection:
            written = connection.execute(
                sa.text(
                    "UPDATE mail SET attempts = attempts + 1, state = :state, last_error = :problem,"
                    f" next_attempt_at = {later}, ended_at = {ended}"
                    " WHERE id = :id AND state = 'pending' AND attempts = :attempts"
                ),
                {
                    "state": state,
                    "problem": problem,
                    "id": sent.id,
                    "attempts": sent.attempts,
                    **({"seconds": seconds} if state == "pending" else {}),
                },
            )
            if not written.rowcount:
                return "ended"
            failures = FailureRows(connection, self._sql, sent.agreement)
            if state == "sent":
                to_them = sa.select(_T.id).where(_T.recipient == sent.recipient, _T.state == "given_up")
                failures.resolve(FAILURE, connection.execute(to_them).scalars().all())
            elif state == "given_up":
                failures.report([_given_up(sent, problem)])
        return "retried" if state == "pending" else state

    def clean(self, retention_days: int) -> int:
        """Forget mails that ended more than so many days ago; returns how many."""
        old = sa.text(f"DELETE FROM mail WHERE ended_at < {self._sql.after('ago')}")
        with self._database.write() as connection:
            return connection.execute(old, {"ago": -86_400 * retention_days}).rowcount


def _given_up(sent: Mail, problem: str | None) -> FailureReport:
    return FailureReport(
        FAILURE,
        str(sent.id),
        "not_sent",
        f"The mail “{sent.subject}” to {sent.recipient} was not sent: {problem} ({sent.attempts + 1} attempts).",
        "Do what the mail asks for; then correct DEBITOR_SMTP_URL, DEBITOR_MAIL_FROM or the address"
        f" (debitor agreement mail {sent.agreement}). This closes when the next mail to that address is sent.",
        sent.text,
    )
