"""What the settings of mails mean."""

from __future__ import annotations

import datetime as dt

import pytest

from domain.errors import ConfigurationError
from domain.mails import import_waits, token_refused
from infra.database.mails import Mail
from infra.mail.sender import MailSender
from infra.mail.server import MailServer, address_of, post_of, server_of
from infra.settings import load


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.fjordlys.example", MailServer("mail.fjordlys.example", 587, False)),
        ("smtps://mail.fjordlys.example", MailServer("mail.fjordlys.example", 465, True)),
        ("smtp://a%40b:s%2Fe%3A@[::1]:25", MailServer("::1", 25, False, "a@b", "s/e:")),
    ],
)
def test_servers(url: str, server: MailServer) -> None:
    """Scheme, port, and user and password with their special letters."""
    assert server_of(url) == server


@pytest.mark.parametrize(
    "url",
    [
        "mail.fjordlys.example",
        "http://mail.fjordlys.example",
        "smtp://",
        "smtp://mail.fjordlys.example:x",
        "smtp://user@mail.fjordlys.example",
        "smtp://user:hush/hush@mail.fjordlys.example",
        "smtp://user:hush#hush@mail.fjordlys.example",
    ],
)
def test_what_is_no_server(url: str) -> None:
    """It is refused at the start, and the password is not in what is said."""
    with pytest.raises(ConfigurationError, match="DEBITOR_SMTP_URL") as caught:
        server_of(url)
    assert "hush" not in str(caught.value)


def test_the_password_is_not_shown() -> None:
    """Not in the repr of anything it is in."""
    assert "hush" not in repr(post_of("smtp://user:hush@mail.example", "debitor@fjordlys.example"))


def test_mails_need_a_sender(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mail server without an address to send from stops the start."""
    monkeypatch.setenv("DEBITOR_SMTP_URL", "smtp://mail.fjordlys.example")
    with pytest.raises(ConfigurationError, match="DEBITOR_MAIL_FROM"):
        load()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "anna",
        "anna@",
        "@fjordlys.example",
        "anna@fjordlys.example, bo@fjordlys.example",
        "all: anna@fjordlys.example;",
        "anna@fjordlys.example\r\nBcc: bo@fjordlys.example",
        "anna@fjordlys.example>\nRCPT TO:<bo@fjordlys.example",
        "ånna@fjordlys.example",
        f"{'a' * 250}@b.example",
    ],
)
def test_what_is_no_address(text: str) -> None:
    """One address, on one line, of letters that every server takes."""
    assert address_of(text) is None


def test_a_name_goes_with_an_address() -> None:
    """A sender may be named."""
    address = address_of("Debitor <debitor@fjordlys.example>")
    assert address is not None
    assert (address.display_name, address.addr_spec) == ("Debitor", "debitor@fjordlys.example")


def test_a_subject_is_one_line() -> None:
    """Nothing that is in a mail can add a header to it."""
    post = post_of("smtp://mail.example", "debitor@fjordlys.example")
    subject, now = "A\r\nBcc: bo@b.example", dt.datetime.now(dt.UTC)
    mail = Mail(1, 1, "x", "<1@b>", "anna@fjordlys.example", subject, "text", 0, now)
    assert MailSender(*post).message(mail)["Subject"] == "A Bcc: bo@b.example"
    assert "Bcc" not in MailSender(*post).message(mail)
    with pytest.raises(ValueError, match="linefeed or carriage return"):
        MailSender(*post).message(mail._replace(recipient="anna@fjordlys.example\r\nBcc: bo@b.example"))


@pytest.mark.parametrize("letter", [import_waits(1442871, 12, 50), token_refused(1442871)])
def test_letters_fit_a_screen(letter: object) -> None:
    """Lines are short enough for a mail program that breaks none."""
    subject, text = letter[1:]  # type: ignore[index]
    assert "\n" not in subject
    assert max(map(len, text.splitlines())) <= 110
