"""Hints that waited too long, and when a comparison is due."""

from __future__ import annotations

import datetime as dt

import pytest

from domain.comparison import DAILY, due_after, fold, waited_too_long
from domain.hints import Hint
from tests.unit.domain.fakes import Mirror


def aged(mirror: Mirror, hours: float) -> list[Hint]:
    """The outstanding hints, the oldest of which came in so long ago."""
    hints = mirror.take()
    mirror.tables.work["ages"] = {hints[0].id: dt.timedelta(hours=hours)}
    return hints


@pytest.mark.parametrize(("hours", "folds"), [(23.9, False), (24, True), (100, True)])
def test_a_day_is_too_long(hours: float, folds: bool) -> None:
    """The oldest event decides; without one there is nothing to fold."""
    mirror = Mirror()
    assert not waited_too_long(mirror, [])
    mirror.hint(1, 1)
    mirror.hint(2, 2)

    assert waited_too_long(mirror, aged(mirror, hours)) is folds


def test_old_hints_are_one_comparison() -> None:
    """A full reading of the debtors stands for them, and they are handled; a re-numbering is read as ever."""
    mirror = Mirror()
    for old, new in ((1, 1), (2, None), (None, 3), (4, 5)):
        mirror.hint(old, new)

    left = fold(mirror, aged(mirror, 30))

    assert mirror.tables.work["comparing"] == DAILY
    assert mirror.outstanding() == [(4, 5)]
    assert [(hint.old, hint.new) for hint in left] == [(4, 5)]


def test_a_comparison_on_its_way_folds_nothing() -> None:
    """It may have passed these numbers already: they are read as ever."""
    mirror = Mirror()
    mirror.tables.work["comparing"] = DAILY
    mirror.hint(1, 1)

    assert fold(mirror, aged(mirror, 30)) == mirror.take()
    assert mirror.outstanding() == [(1, 1)]


def test_re_numberings_alone_compare_nothing() -> None:
    """They need their own reading anyway."""
    mirror = Mirror()
    mirror.hint(4, 5)

    assert fold(mirror, aged(mirror, 30)) == mirror.take()
    assert "comparing" not in mirror.tables.work


@pytest.mark.parametrize(("hour", "hours"), [(0, 12), (4, 12), (5, 24), (12, 24), (23, 24)])
def test_at_night_rather_than_by_day(hour: int, hours: int) -> None:
    """A computer that runs at night compares then; one that is on by day only compares after 24 hours."""
    assert due_after(dt.datetime(2026, 5, 4, hour, 30, tzinfo=dt.UTC)) == dt.timedelta(hours=hours)
