"""Tables, facts and numbers as people read them."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal

import pytest

from cli import output


@pytest.mark.parametrize(
    ("count", "said"), [(0, "0 failures"), (1, "1 failure"), (2, "2 failures"), (1_204, "1,204 failures")]
)
def test_counted(count: int, said: str) -> None:
    """One of a thing is said in the singular."""
    assert output.counted(count, "failure") == said


def test_plain_table(capsys: pytest.CaptureFixture[str]) -> None:
    """Off a terminal columns are aligned, numbers to the right, without trailing blanks."""
    output.print_table(["id", "name", "gone"], [(7, "Nordvind", None), (1_204, "Æ", True)])

    assert capsys.readouterr().out == "  id  name      gone\n   7  Nordvind  -\n1204  Æ         yes\n"


def test_table_on_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal square brackets in names are text, not markup."""
    monkeypatch.setattr(output, "on_terminal", lambda: True)

    output.print_table(["name"], [("[bold]Firma[/bold] ApS",)])

    assert "[bold]Firma[/bold] ApS" in capsys.readouterr().out


def test_empty_table(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is said in words."""
    output.print_table(["id"], [], empty="No runs.")

    assert capsys.readouterr().out == "No runs.\n"


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    """Times end in Z, amounts are exact text, sets are sorted."""
    moment = dt.datetime(2026, 5, 4, 11, 12, tzinfo=dt.timezone(dt.timedelta(hours=2)))

    output.print_json({"at": moment, "day": moment.date(), "net": Decimal("1E+2"), "scopes": {"b", "a"}})

    assert json.loads(capsys.readouterr().out) == {
        "at": "2026-05-04T09:12:00.000Z",
        "day": "2026-05-04",
        "net": "100",
        "scopes": ["a", "b"],
    }
