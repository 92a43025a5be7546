"""
Mails about what a person must do, to the address an agreement names for trouble (crm.md §1, §2, §7).
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple, Protocol


class MailKind(StrEnum):
    """What a mail is about."""

    IMPORT_WAITING = "import.waiting"
    TOKEN_REFUSED = "token.refused"  # noqa: S105 - not a token


class Letter(NamedTuple):
    """A mail before it is addressed; `subject` is one line."""

    kind: MailKind
    subject: str
    text: str


class Mailbox(Protocol):
    """Mails to be sent, inside one transaction."""

    def write(self, letter: Letter) -> None:
        """
        It is sent once this transaction is committed, and only then.

        Nothing is written without a mail server, or when nobody is there to read it.
        """
        ...


def import_waits(agreement: int, run: int, most: int) -> Letter:
    """More links and companies at once than the agreement allows wait for a person's word."""
    return Letter(
        MailKind.IMPORT_WAITING,
        f"Debitor: new debtors of agreement {agreement} wait for you",
        f"Debtors of agreement {agreement} would have been linked to companies, or made into new ones, and at once\n"
        f"more than the {most} that may be. They were left as they are, and wait for you as run {run}.\n\n"
        "See what would happen:\n\n"
        f"    debitor import {agreement} --waiting --test\n\n"
        "Then start it, which can be reverted, or drop it:\n\n"
        f"    debitor import {agreement} --waiting\n"
        f"    debitor import {agreement} --cancel {run}\n\n"
        "Further debtors that come in too great a number join them; there is no further mail.\n",
    )


def token_refused(agreement: int) -> Letter:
    """e-conomic answered 401 twice in a row."""
    return Letter(
        MailKind.TOKEN_REFUSED,
        f"Debitor: e-conomic refuses the token of agreement {agreement}",
        f"e-conomic has refused the token of agreement {agreement} twice: the grant was revoked, or the tokens do not\n"
        "belong together. Events are taken in and wait; nothing is lost.\n\n"
        "Debitor tries again after 15 minutes, then hourly. A new grant is given with\n\n"
        f"    debitor agreement credentials {agreement}\n\n"
        "and what waited starts at once. There is no further mail until the token was accepted.\n",
    )
