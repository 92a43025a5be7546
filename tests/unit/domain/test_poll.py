"""Looking for changes that nobody announced."""

from __future__ import annotations

import datetime as dt

import pytest

from domain.errors import Unavailable
from domain.hints import Kind
from domain.poll import EVERY_S, EVERY_WITH_HOOKS_S, look_for_changes
from domain.refresh_debtors import Refreshed
from tests.unit.domain.fakes import Economic, Mirror, an_invoice, ever, firm

MONDAY = dt.datetime(2026, 5, 4, 8, tzinfo=dt.UTC)


def minutes(count: float) -> dt.datetime:
    return MONDAY + dt.timedelta(minutes=count)


def look(mirror: Mirror, economic: Economic, at: dt.datetime) -> Refreshed:
    """One look, as the scheduler asks for it."""
    mirror.hint(None, None, Kind.POLL)
    return look_for_changes(mirror, economic, mirror.take(Kind.POLL), more_time=ever, now=lambda: at)


def changed(economic: Economic, number: int, at: dt.datetime, **more: object) -> None:
    """Somebody edits a debtor in e-conomic."""
    economic.customers[number] = firm(number, last_updated=at, **more)


@pytest.fixture
def mirror() -> Mirror:
    return Mirror()


@pytest.fixture
def economic() -> Economic:
    return Economic(*(firm(number, last_updated=minutes(-9_000)) for number in range(1, 6)))


def test_a_change_nobody_announced_is_found(mirror: Mirror, economic: Economic) -> None:
    """Without one webhook a changed debtor is in the mirror after the next look, in one call."""
    mirror.add(*economic.customers.values())
    look(mirror, economic, minutes(0))
    changed(economic, 3, minutes(0.5), city="Horsens")
    economic.calls.clear()

    look(mirror, economic, minutes(1))

    assert mirror.living()[3].city == "Horsens"
    assert len(economic.calls) == 1
    assert mirror.outstanding(Kind.POLL) == []


def test_a_weekend_switched_off_is_read_in_one_go(mirror: Mirror, economic: Economic) -> None:
    """The next look begins where the last good one ended, ten minutes earlier."""
    look(mirror, economic, minutes(0))
    changed(economic, 1, minutes(5))
    look(mirror, economic, minutes(6))
    changed(economic, 2, minutes(30))
    changed(economic, 4, minutes(3_000))
    economic.calls.clear()

    look(mirror, economic, minutes(4_000))

    assert {2, 4} <= mirror.living().keys()
    assert economic.calls == ["debtors_changed 07:55 0"]


def test_trouble_keeps_the_place(mirror: Mirror, economic: Economic) -> None:
    """A look that fails moves nothing on and stays outstanding; the next one reads from the last good read."""
    look(mirror, economic, minutes(0))
    changed(economic, 2, minutes(1))

    def down(_call: str) -> None:
        raise Unavailable("e-conomic is down")

    economic.on_call = down
    with pytest.raises(Unavailable):
        look(mirror, economic, minutes(2))
    assert len(mirror.outstanding(Kind.POLL)) == 1
    economic.on_call = lambda _call: None

    look(mirror, economic, minutes(600))

    assert 2 in mirror.living()


def test_new_invoices_are_found(mirror: Mirror, economic: Economic) -> None:
    """New numbers come in with their lines, once a resync has laid the ground."""
    economic.book(an_invoice(10), an_invoice(11))
    look(mirror, economic, minutes(0))
    assert mirror.headers() == {}
    mirror.invoices.write([economic.booked[10].header], {10: mirror.stamp()}, {})

    look(mirror, economic, minutes(1))
    economic.book(an_invoice(12, 4711, "40.00", "60.00"))
    look(mirror, economic, minutes(2))

    assert set(mirror.headers()) == {10, 11, 12}
    assert len(mirror.tables.invoices[12].lines) == 2
    assert (4711, 4711) in mirror.outstanding(Kind.DEBTORS)


def test_the_first_invoice_of_all_is_found(mirror: Mirror, economic: Economic) -> None:
    """A resync that met no invoice has laid the ground too; without one the poller reads none."""
    economic.book(an_invoice(100))
    look(mirror, economic, minutes(0))
    assert mirror.headers() == {}

    mirror.tables.work["compared"] = True
    look(mirror, economic, minutes(1))
    assert list(mirror.headers()) == [100]


def test_a_lower_number_picked_by_hand_is_found(mirror: Mirror, economic: Economic) -> None:
    """When e-conomic has more invoices than the mirror, lower numbers of the last month are read."""
    economic.book(an_invoice(100))
    mirror.invoices.write([economic.booked[100].header], {100: mirror.stamp()}, {})
    look(mirror, economic, minutes(0))
    economic.book(an_invoice(7, date=MONDAY.date()))

    look(mirror, economic, minutes(1))

    assert set(mirror.headers()) == {7, 100}
    assert mirror.open_failures() == {}


def test_an_old_lower_number_asks_for_a_person(mirror: Mirror, economic: Economic) -> None:
    """What even a month does not show is said once, with what to do, and closes when it is there."""
    economic.book(an_invoice(100))
    mirror.invoices.write([economic.booked[100].header], {100: mirror.stamp()}, {})
    economic.book(an_invoice(7, date=dt.date(2020, 1, 2)))
    look(mirror, economic, minutes(0))
    assert mirror.open_failures() == {("invoices", "count"): "invoices_missing"}
    economic.calls.clear()
    look(mirror, economic, minutes(1))
    assert len(economic.calls) == 2  # it is not looked for again and again

    mirror.invoices.write([economic.booked[7].header], {7: mirror.stamp()}, {})
    look(mirror, economic, minutes(2))

    assert mirror.open_failures() == {}


def test_a_resync_on_its_way_is_not_called_a_gap(mirror: Mirror, economic: Economic) -> None:
    """While everything is being read anyway, missing invoices are no failure."""
    economic.book(an_invoice(7, date=dt.date(2020, 1, 2)), an_invoice(100))
    mirror.invoices.write([economic.booked[100].header], {100: mirror.stamp()}, {})
    mirror.tables.work["comparing"] = True

    look(mirror, economic, minutes(0))

    assert mirror.open_failures() == {}


def test_a_look_answers_outstanding_hints(mirror: Mirror, economic: Economic) -> None:
    """A debtor read by the look is not read again for the webhook that came in meanwhile."""
    look(mirror, economic, minutes(0))
    changed(economic, 3, minutes(1))
    mirror.hint(3, 3)
    mirror.hint(4, 4)

    look(mirror, economic, minutes(2))

    assert mirror.outstanding() == [(4, 4)]


def test_looks_are_rarer_once_webhooks_arrive(mirror: Mirror, economic: Economic) -> None:
    """Every minute at first; every ten when webhooks announce what happens."""
    look(mirror, economic, minutes(0))
    assert mirror.tables.work["every_s"] == EVERY_S
    mirror.hint(3, 3)
    mirror.tables.work["heard"] = minutes(0.9)

    look(mirror, economic, minutes(1))

    assert mirror.tables.work["every_s"] == EVERY_WITH_HOOKS_S


def test_lost_webhooks_are_noticed_with_proof(mirror: Mirror, economic: Economic) -> None:
    """A change older than ten minutes that no webhook announced is a failure naming it, if there ever were any."""
    mirror.add(*economic.customers.values())
    look(mirror, economic, minutes(0))
    mirror.tables.work["heard"] = minutes(-600)
    changed(economic, 3, minutes(1))
    look(mirror, economic, minutes(2))
    assert mirror.open_failures() == {}

    look(mirror, economic, minutes(13))

    assert mirror.open_failures() == {("hooks", "customer"): "hooks_missing"}
    assert "Debtor 3" in mirror.tables.failures["hooks", "customer"].report.message
    mirror.tables.work["heard"] = minutes(14)
    look(mirror, economic, minutes(15))
    assert mirror.open_failures() == {}


def test_a_quiet_day_raises_nothing(mirror: Mirror, economic: Economic) -> None:
    """No changes and no webhooks are no sign of trouble."""
    mirror.tables.work["heard"] = minutes(-600)
    for minute in range(0, 600, 60):
        look(mirror, economic, minutes(minute))

    assert mirror.open_failures() == {}


def test_a_look_deletes_nothing(mirror: Mirror, economic: Economic) -> None:
    """What is missing from a list of changes is not gone."""
    mirror.add(*economic.customers.values())
    economic.customers.clear()

    look(mirror, economic, minutes(0))

    assert len(mirror.living()) == 5
