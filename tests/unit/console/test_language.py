"""Danish is there, and complete."""

from __future__ import annotations

import re
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from flask import Flask

import console
from console import language

FOLDER = Path(console.__file__).parent
METHODS = [("**.py", "python"), ("templates/**.html", "jinja2.ext:babel_extract")]
KEYWORDS = {"_": None, "gettext": None, "marked": None, "ngettext": (1, 2)}


def written() -> set[str]:
    """Every message of the console's code and templates."""
    options = {"templates/**.html": {"silent": "false"}}
    found = extract_from_dir(str(FOLDER), METHODS, options, keywords=KEYWORDS)
    return {message[2] if isinstance(message[2], str) else message[2][0] for message in found}


def danish() -> Catalog:
    with (FOLDER / "translations" / "da.po").open("rb") as file:
        return read_po(file, locale="da")


def test_every_message_has_a_danish_translation() -> None:
    """A message that is added or changed needs its Danish."""
    translated = {
        message.id if isinstance(message.id, str) else message.id[0]
        for message in danish()
        if message.id and all([message.string] if isinstance(message.string, str) else message.string)
    }

    assert written() - translated == set()


def test_no_translation_is_left_over() -> None:
    """A message that was removed takes its Danish along."""
    known = {message.id if isinstance(message.id, str) else message.id[0] for message in danish() if message.id}

    assert known - written() == set()


def test_translations_name_the_same_values() -> None:
    """A translation fills in exactly the values its message has: a missing one would be an error page."""
    for message in danish():
        ids = [message.id] if isinstance(message.id, str) else list(message.id)
        strings = [message.string] if isinstance(message.string, str) else list(message.string)
        for one, other in zip(ids, strings, strict=True):
            assert sorted(re.findall(r"%\(\w+\)s|%", one)) == sorted(re.findall(r"%\(\w+\)s|%", other))


def speaking(chosen: str, cookie: str | None = None) -> tuple[str, str]:
    app = Flask("test")
    language.configure(app)
    headers = {"Accept-Language": chosen} | ({"Cookie": f"language={cookie}"} if cookie else {})
    with app.test_request_context(headers=headers):
        return language.language(), language.gettext("Debtors")


def test_language_is_the_browsers_unless_chosen() -> None:
    """Accept-Language decides, a choice of one's own beats it, and everybody else reads English."""
    assert speaking("da-DK,da;q=0.9,en;q=0.5") == ("da", "Debitorer")
    assert speaking("en-US,da;q=0.5") == ("en", "Debtors")
    assert speaking("fr") == ("en", "Debtors")
    assert speaking("en", cookie="da") == ("da", "Debitorer")
    assert speaking("da", cookie="xx") == ("da", "Debitorer")
