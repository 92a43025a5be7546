"""
Tokens that e-conomic refuses: told once, at the second refusal in a row, until they are accepted again.
"""

from __future__ import annotations

import sqlalchemy as sa

from domain.mails import token_refused
from infra.database.engine import Database
from infra.database.mails import MailRows
from infra.database.tables import agreement


class Refusals:
    """
    Of all agreements.

    Args:
        mail_domain: as `MailRows` takes it.
    """

    def __init__(self, database: Database, mail_domain: str | None) -> None:
        self._database = database
        self._mail_domain = mail_domain

    def tell(self, number: int) -> bool:
        """Somebody was refused twice or more; returns whether this is the first to say so."""
        with self._database.write() as connection:
            first = connection.execute(
                sa.update(agreement)
                .where(agreement.c.number == number, agreement.c.refusal_told_at.is_(None))
                .values(refusal_told_at=sa.text(self._database.sql.now))
            )
            if not first.rowcount:
                return False
            MailRows(connection, self._database.sql, number, self._mail_domain).write(token_refused(number))
            return True
