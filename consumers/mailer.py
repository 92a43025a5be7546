"""
The mailer: what is due of the mails written is handed to the mail server, by one process at a time.

What became of a mail is written down after it is handed in: whoever is killed in between does it again, under the same
Message-ID.
"""

from __future__ import annotations

import threading

import structlog

from consumers.relay import LOOK_EVERY_S, Holder, repeat
from infra.bootstrap import Services
from infra.database.jobs import Jobs
from infra.database.mails import Mail
from infra.mail.sender import MailSender, NotReached, Refused
from infra.metrics import MAILS

log = structlog.get_logger()

AT_ONCE = 20


class Mailer:
    """Sends mails, a few over one connection."""

    def __init__(self, services: Services, sender: MailSender) -> None:
        self._mails = services.mails
        self._sender = sender
        self._holder = Holder(Jobs(services.database), "mail")

    def step(self) -> float:
        """Send what is due, at most 20 mails; returns the seconds until it is worth looking again."""
        if not self._holder.holds():
            return LOOK_EVERY_S
        due = self._mails.due(AT_ONCE)
        if not due:
            return LOOK_EVERY_S
        try:
            with self._sender.connected() as send:
                for mail in due:
                    try:
                        self._record(mail, send(mail))
                    except NotReached as error:  # perhaps for this mail's sake: the others are not kept waiting
                        self._record(mail, Refused(str(error), for_good=False))
                        break
        except NotReached as error:
            for mail in due:
                self._record(mail, Refused(str(error), for_good=False))
        return 0.0

    def close(self) -> None:
        self._holder.let_go()

    def _record(self, mail: Mail, refused: Refused | None) -> None:
        problem, for_good = refused or (None, False)
        outcome = self._mails.record(mail, problem, for_good=for_good)
        MAILS.labels(outcome).inc()
        level = log.info if outcome == "sent" else log.warning
        # The server's words may name the address.
        level("mail.tried", mail=mail.id, kind=mail.kind, attempt=mail.attempts + 1, outcome=outcome)


def run_mailer(services: Services, stop: threading.Event) -> None:
    """Send until `stop`; ends at once without a mail server."""
    post = services.settings.post
    if post is None:
        return
    mailer = Mailer(services, MailSender(post.server, post.sender))
    repeat("mail", mailer.step, stop.wait, mailer.close, stop)
