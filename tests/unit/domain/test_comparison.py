"""Hints that waited too long, and when a comparison is due."""

from __future__ import annotations

import datetime as dt

import pytest

from domain.comparison import DAILY, due_after, fold
from tests.unit.domain.fakes import Mirror


def test_old_hints_are_one_comparison() -> None:
    """A full reading of the debtors stands for them, and they are handled; a re-numbering is read as ever."""
    mirror = Mirror()
    for old, new in ((1, 1), (2, None), (None, 3), (4, 5)):
        mirror.hint(old, new)

    left = fold(mirror, mirror.take())

    assert mirror.tables.work["comparing"] == DAILY
    assert mirror.outstanding() == [(4, 5)]
    assert [(hint.old, hint.new) for hint in left] == [(4, 5)]


def test_a_comparison_on_its_way_folds_nothing() -> None:
    """It may have passed these numbers already: they are read as ever."""
    mirror = Mirror()
    mirror.tables.work["comparing"] = DAILY
    mirror.hint(1, 1)

    assert fold(mirror, mirror.take()) == mirror.take()
    assert mirror.outstanding() == [(1, 1)]


def test_re_numberings_alone_compare_nothing() -> None:
    """They need their own reading anyway."""
    mirror = Mirror()
    mirror.hint(4, 5)

    assert fold(mirror, mirror.take()) == mirror.take()
    assert "comparing" not in mirror.tables.work


@pytest.mark.parametrize(("hour", "hours"), [(0, 12), (4, 12), (5, 24), (12, 24), (23, 24)])
def test_at_night_rather_than_by_day(hour: int, hours: int) -> None:
    """A computer that runs at night compares then; one that is on by day only compares after 24 hours."""
    assert due_after(dt.datetime(2026, 5, 4, hour, 30, tzinfo=dt.UTC)) == dt.timedelta(hours=hours)
