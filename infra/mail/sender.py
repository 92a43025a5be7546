"""
Mails handed to the mail server, by the standard library's client.
"""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from typing import NamedTuple

from infra.database.mails import Mail
from infra.mail.server import MailServer

TIMEOUT_S = 15.0


class NotReached(Exception):
    """The server took no mail at all: it is away, is not who it should be, or lets nobody in."""


class Refused(NamedTuple):
    """Why a mail was not taken; `for_good` = the server says that trying again would end the same way."""

    problem: str
    for_good: bool


Send = Callable[[Mail], Refused | None]


class MailSender:
    """
    Hands mails in.

    Args:
        tls: how the server proves who it is; as the system trusts it, unless told otherwise.
    """

    def __init__(self, server: MailServer, sender: Address, *, tls: ssl.SSLContext | None = None) -> None:
        self._server = server
        self._sender = sender
        self._tls = tls or ssl.create_default_context()

    @contextmanager
    def connected(self) -> Iterator[Send]:
        """
        A way to send mails, one after another, over one connection.

        Raises:
            NotReached: there is none, or it broke; a mail that was under way may have been taken.
        """
        try:
            smtp = self._open()
        except (OSError, smtplib.SMTPException) as error:
            raise NotReached(_said(error)) from error
        try:
            yield lambda mail: self._send(smtp, mail)
        finally:
            with suppress(OSError, smtplib.SMTPException):
                smtp.quit()

    def _open(self) -> smtplib.SMTP:
        server = self._server
        if server.tls:
            smtp: smtplib.SMTP = smtplib.SMTP_SSL(server.host, server.port, timeout=TIMEOUT_S, context=self._tls)
        else:
            smtp = smtplib.SMTP(server.host, server.port, timeout=TIMEOUT_S)
        try:
            smtp.ehlo_or_helo_if_needed()
            if not server.tls and smtp.has_extn("starttls"):
                smtp.starttls(context=self._tls)
                smtp.ehlo()
            elif not server.tls and server.password is not None and not server.local:
                raise smtplib.SMTPNotSupportedError("it offers no encryption, so it is not told the password")
            if server.user is not None and server.password is not None:
                smtp.login(server.user, server.password)
        except BaseException:
            smtp.close()
            raise
        return smtp

    def _send(self, smtp: smtplib.SMTP, mail: Mail) -> Refused | None:
        """Raises NotReached: the connection broke, or nobody may send from our address."""
        try:
            message = self.message(mail)
        except (ValueError, LookupError, MessageError) as error:  # the others must not wait for it for ever
            return Refused(f"it cannot be written: {error}", for_good=True)
        try:
            smtp.send_message(message, self._sender.addr_spec, [mail.recipient])
        except smtplib.SMTPRecipientsRefused as error:
            code, text = error.recipients[mail.recipient]
            return Refused(_reply(code, text), for_good=code >= 500)
        except (smtplib.SMTPDataError, smtplib.SMTPNotSupportedError) as error:
            return Refused(_said(error), for_good=isinstance(error, smtplib.SMTPNotSupportedError))
        except (OSError, smtplib.SMTPException) as error:
            raise NotReached(_said(error)) from error
        return None

    def message(self, mail: Mail) -> EmailMessage:
        """The mail as it is sent, the same each time."""
        message = EmailMessage(policy=SMTP)
        message["From"] = self._sender
        message["To"] = mail.recipient
        message["Subject"] = " ".join(mail.subject.split())
        message["Message-ID"] = mail.message_id
        message["Date"] = mail.created_at
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's absence note answers it
        message.set_content(mail.text)
        return message


def _said(error: Exception) -> str:
    """What a person may read of it; never what we sent."""
    if isinstance(error, smtplib.SMTPResponseException):
        return _reply(error.smtp_code, error.smtp_error)
    return str(error) or type(error).__name__


def _reply(code: int, text: bytes | str) -> str:
    said = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return f"{code} {' '.join(said.split())}"[:300]
