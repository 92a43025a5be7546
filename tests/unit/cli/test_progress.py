"""The display of a resync."""

from __future__ import annotations

import pytest

from cli.progress import Display
from domain.resync_state import Phase, ResyncState


def test_bars(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal each phase has a bar of its own with what is read, the total and why it waits."""
    monkeypatch.setenv("COLUMNS", "200")
    with Display(shown=True) as display:
        display.show(ResyncState(Phase.DEBTORS, total=1_200, read=1_000))
        display.show(ResyncState(Phase.LINES, read=7))
        display.wait("rate_limited: too fast", 12.0)

    shown = capsys.readouterr()
    assert "rate_limited: too fast; again in 12 s" in shown.err
    assert "1000/1200" in shown.err
    assert "7/?" in shown.err
    assert shown.out == ""


def test_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    """Elsewhere only waits are said, each reason once."""
    with Display(shown=False) as display:
        display.show(ResyncState(Phase.DEBTORS, read=1_000))
        display.wait("rate_limited: too fast", 12.0)
        display.show(ResyncState(Phase.DEBTORS, read=2_000))
        display.wait("rate_limited: too fast")
        display.wait("unavailable: no answer", 2.0)

    shown = capsys.readouterr()
    assert (
        shown.err == "Waiting: rate_limited: too fast; again in 12 s\nWaiting: unavailable: no answer; again in 2 s\n"
    )
    assert shown.out == ""
