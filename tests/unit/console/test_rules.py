"""Small decisions of the console."""

from __future__ import annotations

import pytest
from flask import Blueprint, Flask

from console.operations import state_of
from console.security import configure
from console.sign_in import inside
from domain.errors import ConfigurationError
from infra.database.views_debtors import cvr_number, terms
from infra.database.views_status import WorkState
from infra.settings import Settings


@pytest.mark.parametrize("target", ["/status", "/agreements/1/debtors?query=a%20b&cursor=7"])
def test_sign_in_returns_to_our_own_pages(target: str) -> None:
    """Whoever had to sign in goes on where they wanted to."""
    assert inside(target) == target


@pytest.mark.parametrize(
    "target",
    [None, "", "https://evil.example", "//evil.example", "/\\evil.example", "/\t/evil.example", "javascript:x", "a"],
)
def test_sign_in_never_leads_elsewhere(target: str | None) -> None:
    """A link to our sign-in page cannot send people to another site."""
    assert inside(target) == "/"


@pytest.mark.parametrize(
    ("query", "cvr"),
    [
        ("31313139", "31313139"),
        (" DK 31 31 31 39 ", "31313139"),
        ("dk-31313139", "31313139"),
        ("3131313", None),
        ("8700 Horsens", None),
        ("٣١٣١٣١٣٩", None),
    ],
)
def test_cvr_numbers_as_people_write_them(query: str, cvr: str | None) -> None:
    """Eight digits, with or without the country and spaces, are a CVR number."""
    assert cvr_number(query) == cvr


def test_search_words() -> None:
    """Words are lowered and bounded in number; a CVR number is one word; what a database refuses is left out."""
    assert terms("Nordvind  ÅRHUS") == ["nordvind", "århus"]
    assert terms("DK 31 31 31 39") == ["31313139"]
    assert terms("a b c d e f g") == ["a", "b", "c", "d", "e"]
    assert terms("\0") == []


IDLE = WorkState(1, "debtors", None, None, None, None, 0, None, False, 0, None)


@pytest.mark.parametrize(
    ("row", "paused", "state"),
    [
        (IDLE, False, "idle"),
        (IDLE._replace(outstanding=3), False, "outstanding"),
        (IDLE._replace(outstanding=3, working=True), False, "working"),
        (IDLE._replace(outstanding=3, working=True, reason="unavailable"), False, "waiting"),
        (IDLE._replace(reason="unavailable"), True, "paused"),
    ],
)
def test_state_of_work(row: WorkState, paused: bool, state: str) -> None:
    """One word says what a kind of work does; what holds it back most wins."""
    assert state_of(row, paused=paused) == state


@pytest.mark.parametrize("source", ["https://crm.example; script-src *", "crm example", "javascript:"])
def test_frame_ancestors_cannot_smuggle_directives(source: str) -> None:
    """A setting that is no origin stops the start instead of weakening the policy."""
    settings = Settings(frame_ancestors=[source])

    with pytest.raises(ConfigurationError, match="DEBITOR_FRAME_ANCESTORS"):
        configure(Flask("test"), Blueprint("console", "test"), settings, ["k" * 32])
