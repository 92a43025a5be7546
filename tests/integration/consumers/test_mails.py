"""What people are told by mail: once, with what it tells, and until it arrives or a person sees that it does not."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from consumers.drain import drain
from consumers.mailer import Mailer
from consumers.processes import start_scheduler
from domain.debtors import Debtor
from domain.deliveries import RETRIES_S
from domain.errors import CredentialsRefused
from domain.hints import Kind
from domain.mails import token_refused
from infra.bootstrap import Services
from infra.database.mails import MailRows, name_reader
from infra.mail.sender import MailSender
from infra.settings import Settings
from tests.integration.consumers.test_links import stranger
from tests.support.accounting import HeldAccounting, OneClient
from tests.support.databases import AGREEMENT, add_hints, do, rows, scalar
from tests.support.mail_server import MailServer, certificate, mail_server
from tests.support.waiting import eventually

ANNA, BO = "anna@fjordlys.example", "bo@fjordlys.example"


@pytest.fixture
def post() -> Iterator[MailServer]:
    with mail_server() as server:
        yield server


@pytest.fixture
def form(form: Settings, post: MailServer) -> Settings:
    """Settings that name the mail server."""
    form.smtp_url, form.mail_from = SecretStr(post.url), "Debitor <debitor@fjordlys.example>"
    return form


@pytest.fixture
def services(services: Services) -> Services:
    """Anna and Bo are admins, Eva is not, Carl is no more."""
    for email, role, disabled in ((ANNA, "admin", None), (BO, "admin", None), ("eva@x.example", "ops", None),
                                  ("carl@x.example", "admin", "2026-01-01T00:00:00.000Z")):  # fmt: skip
        do(
            services.database,
            'INSERT INTO "user" (firm_id, email, password_hash, role, session_salt, created_at, disabled_at)'
            " SELECT id, :email, '', :role, '', '2026-01-01T00:00:00.000Z', :disabled FROM firm",
            email=email,
            role=role,
            disabled=disabled,
        )
    return services


def mails(services: Services) -> list[Any]:
    return rows(services.database, "SELECT kind, recipient, state, attempts, last_error FROM mail ORDER BY id")


def due_now(services: Services) -> None:
    do(services.database, "UPDATE mail SET next_attempt_at = created_at")


def mailer(services: Services, **more: Any) -> Mailer:
    assert services.settings.post is not None
    return Mailer(services, MailSender(*services.settings.post, **more))


def a_mail(services: Services, *, to: str = ANNA) -> None:
    name_reader(services.database, AGREEMENT, to)
    with services.database.write() as connection:
        MailRows(connection, services.database.sql, AGREEMENT, "fjordlys.example").write(token_refused(AGREEMENT))


def test_an_import_that_waits_is_told_of_once(services: Services, post: MailServer) -> None:
    """Every admin gets one mail, every endpoint one event, whatever joins the run afterwards."""
    books = HeldAccounting()
    services.client = OneClient(books)  # type: ignore[assignment]
    do(services.database, "UPDATE agreement SET companies_since = created_at, most_at_once = 2")
    for numbers in (range(1, 5), range(5, 9)):
        books.books |= {number: stranger(number) for number in numbers}
        add_hints(services.database, *numbers)
        drain(services, AGREEMENT, Kind.DEBTORS)
        drain(services, AGREEMENT, Kind.LINKS)

    [(run_id, waiting)] = [(row.id, row.counts) for row in rows(services.database, "SELECT id, counts FROM run")]
    assert "8" in str(waiting)
    [event] = rows(services.database, "SELECT type, data FROM outbox")
    assert event == ("import.waiting", f'{{"run":{run_id},"most_at_once":2}}')
    sending = mailer(services)
    sending.step()
    sending.step()
    assert [(row.recipient, row.state) for row in mails(services)] == [(ANNA, "sent"), (BO, "sent")]
    first, second = post.got
    assert (first.sender, first.recipient, second.recipient) == ("debitor@fjordlys.example", ANNA, BO)
    assert first.message["From"] == "Debitor <debitor@fjordlys.example>"
    assert first.message["Subject"] == f"Debitor: new debtors of agreement {AGREEMENT} wait for you"
    assert f"debitor import {AGREEMENT} --cancel {run_id}" in first.message.get_content()
    sending.close()


class Refusing(HeldAccounting):
    refuses = True

    def debtors(self, numbers: Any) -> Any:
        if self.refuses:
            raise CredentialsRefused("e-conomic refused the tokens")
        return super().debtors(numbers)

    def debtor(self, number: int, *, bulk: bool = False) -> Debtor | None:
        if self.refuses:
            raise CredentialsRefused("e-conomic refused the tokens")
        return super().debtor(number, bulk=bulk)


def test_a_refused_token_is_told_of_at_the_second_refusal(services: Services) -> None:
    """Not at the first, and not again before it was accepted; then the rest of the work need not wait for its hour."""
    name_reader(services.database, AGREEMENT, "bogholder@fjordlys.example")
    books = Refusing(Debtor(1, "Nordvind"))
    services.client = OneClient(books)  # type: ignore[assignment]

    def tried(times: int = 1) -> int:
        for _ in range(times):
            do(services.database, "UPDATE work SET not_before = NULL WHERE kind = 'debtors'")
            drain(services, AGREEMENT, Kind.DEBTORS)
        return len(mails(services))

    add_hints(services.database, 1)
    assert [tried(), tried(), tried(3)] == [0, 1, 1]
    assert mails(services)[0][:2] == ("token.refused", "bogholder@fjordlys.example")

    do(services.database, "UPDATE work SET attempts = 5, not_before = '2030-01-01T00:00:00.000Z'")
    books.refuses = False
    assert tried() == 1
    assert scalar(services.database, "SELECT count(*) FROM work WHERE not_before IS NOT NULL OR attempts > 0") == 0
    books.refuses = True
    add_hints(services.database, 1)
    assert [tried(), tried()] == [1, 2]


def test_a_mail_is_tried_again(services: Services, post: MailServer) -> None:
    """A server that asks for patience gets the same mail later, under the same Message-ID; others are not held up."""
    a_mail(services)
    a_mail(services, to=BO)
    post.answers[ANNA] = "451 later"
    sending = mailer(services)
    sending.step()
    assert [tuple(row)[1:] for row in mails(services)] == [(ANNA, "pending", 1, "451 later"), (BO, "sent", 1, None)]
    sending.step()
    assert mails(services)[0].attempts == 1, "it is not due yet"

    del post.answers[ANNA]
    due_now(services)
    stored = scalar(services.database, "SELECT message_id FROM mail WHERE recipient = :anna", anna=ANNA)
    sending.step()
    assert post.got[-1].message["Message-ID"] == stored
    assert scalar(services.database, "SELECT count(*) FROM failure") == 0


def test_an_address_that_is_refused_is_a_failure(services: Services, post: MailServer) -> None:
    """At once; it closes when a mail to that address is taken, and not before."""
    post.answers[ANNA] = "550 no such person"
    a_mail(services)
    sending = mailer(services)
    sending.step()
    assert mails(services)[0].state == "given_up"
    [failure] = rows(services.database, "SELECT reason, message, detail, state FROM failure")
    assert (failure.reason, failure.state) == ("not_sent", "open")
    assert "550 no such person" in failure.message
    assert f"debitor agreement credentials {AGREEMENT}" in failure.detail

    a_mail(services, to=BO)
    sending.step()
    assert scalar(services.database, "SELECT state FROM failure") == "open"
    del post.answers[ANNA]
    a_mail(services)
    sending.step()
    assert scalar(services.database, "SELECT state FROM failure") == "resolved"


def test_a_server_that_is_away(services: Services) -> None:
    """The mail waits for it for three days, then a person sees it."""
    services.settings.smtp_url = SecretStr("smtp://127.0.0.1:1")
    a_mail(services)
    sending = mailer(services)
    for attempt in range(len(RETRIES_S)):
        sending.step()
        assert [(row.state, row.attempts) for row in mails(services)] == [("pending", attempt + 1)]
        due_now(services)
    sending.step()
    assert mails(services)[0].state == "given_up"
    assert scalar(services.database, "SELECT reason FROM failure") == "not_sent"


def test_a_mail_that_cannot_be_written(services: Services, post: MailServer) -> None:
    """It is given up, and those behind it are sent."""
    a_mail(services, to="anna@fjordlys.example\r\nBcc: eva@x.example")
    a_mail(services, to=BO)
    mailer(services).step()
    assert [row.state for row in mails(services)] == ["given_up", "sent"]
    assert [mail.recipient for mail in post.got] == [BO]


def test_the_scheduler_sends(services: Services, post: MailServer) -> None:
    """Mails go out by themselves; once is enough."""
    stop = threading.Event()
    threads = start_scheduler(services, stop)
    try:
        a_mail(services)
        eventually(lambda: mails(services)[0].state == "sent")
    finally:
        stop.set()
        for thread in threads:
            thread.join(timeout=10)
    assert len(post.got) == 1


def test_only_one_process_sends(services: Services, post: MailServer) -> None:
    """The second waits until the first lets go."""
    first, second = mailer(services), mailer(services)
    first.step()
    a_mail(services)
    second.step()
    assert post.got == []
    first.close()
    second.step()
    assert len(post.got) == 1


def test_encryption(services: Services, post: MailServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """STARTTLS is used where it is offered, by a server that proves its name; no other gets password or mail."""
    assert services.settings.post is not None
    post.certificate, trusting = certificate(tmp_path)
    server = replace(services.settings.post.server, user="debitor", password="right")
    a_mail(services)

    def tried(**more: Any) -> str | None:
        due_now(services)
        assert services.settings.post is not None
        sending = Mailer(services, MailSender(server, services.settings.post.sender, **more))
        sending.step()
        sending.close()
        problem: str | None = mails(services)[0].last_error
        return problem

    assert "CERTIFICATE_VERIFY_FAILED" in (tried() or "")
    post.certificate, offered = None, post.certificate
    monkeypatch.setattr(type(server), "local", False)
    assert "is not told the password" in (tried() or "")
    post.certificate = offered
    server = replace(server, password="wrong")
    assert tried(tls=trusting) == "535 who are you?"
    assert post.got == []
    server = replace(server, password="right")
    assert tried(tls=trusting) is None
    assert [(mail.encrypted, mail.user, mail.password) for mail in post.got] == [(True, "debitor", "right")]

    post.encrypted = True
    services.settings.smtp_url = SecretStr(post.url)
    server = services.settings.post.server
    a_mail(services)
    tried(tls=trusting)
    assert post.got[-1].encrypted
