"""Names for numbers: which lists are read, when, and what is believed."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from domain.errors import CredentialsRefused, Rejected, Unavailable, WrongAgreement
from domain.hints import Kind
from domain.invoices import Line
from domain.read_names import SPACING_S, read_names
from domain.reference import Listing, Why, of_debtors, of_invoices, wanted
from domain.refresh_debtors import Refreshed, refresh_debtors
from domain.refresh_invoices import refresh_invoices
from domain.resync import Resync
from domain.resync_state import Phase, ResyncOptions, ResyncState
from tests.unit.domain.fakes import AGREEMENT, Economic, Mirror, NameRow, a_debtor, an_invoice, ever, firm

GROUPS, UNITS, PRODUCTS = Listing.DEBTOR_GROUPS, Listing.UNITS, Listing.PRODUCTS


def ask(mirror: Mirror, *lists: Listing, why: Why = Why.NIGHT) -> None:
    mirror.inbox.add([wanted(AGREEMENT, which, why) for which in lists])


def read(mirror: Mirror, economic: Economic) -> Refreshed:
    """One slice, as a consumer works."""
    economic.calls.clear()
    return read_names(mirror, economic, mirror.take(Kind.REFERENCE), more_time=ever)


def asked(mirror: Mirror) -> list[str | None]:
    return [hint.body for hint in mirror.inbox.outstanding(AGREEMENT, Kind.REFERENCE, 1_000)]


def a_minute_passes(mirror: Mirror) -> None:
    mirror.tables.lists = {which: row._replace(age=SPACING_S + 1) for which, row in mirror.tables.lists.items()}


def numbered(keys: Iterable[int]) -> dict[str, str]:
    return {f"{key:05}": f"Vare {key}" for key in keys}


@pytest.fixture
def mirror() -> Mirror:
    return Mirror()


@pytest.fixture
def economic() -> Economic:
    economic = Economic()
    economic.reference = {GROUPS: {"1": "Indland", "2": "Udland"}, UNITS: {"1": "stk."}, PRODUCTS: {"SRV-1": "Service"}}
    return economic


def test_records_say_which_numbers_they_carry() -> None:
    """Debtors, invoices and lines are asked for every number that has a name somewhere; empty ones do not count."""
    debtor = a_debtor(1, debtor_group=3, payment_terms=4, vat_zone=5, layout=6, sales_person=7)
    header = an_invoice(1, payment_terms=2, recipient_vat_zone=1, layout=19, sales_person=8).header
    lines = [Line(1, 1, 1, product="SRV-1", unit=9), Line(1, 2, 2, product=""), Line(1, 3, 3, description="tekst")]

    assert of_debtors([debtor, None]) == {
        GROUPS: {"3"},
        Listing.PAYMENT_TERMS: {"4"},
        Listing.VAT_ZONES: {"5"},
        Listing.LAYOUTS: {"6"},
        Listing.EMPLOYEES: {"7"},
        Listing.CURRENCIES: {"DKK"},
    }
    assert of_invoices([header], lines) == {
        Listing.PAYMENT_TERMS: {"2"},
        Listing.VAT_ZONES: {"1"},
        Listing.LAYOUTS: {"19"},
        Listing.EMPLOYEES: {"8"},
        Listing.CURRENCIES: {"DKK"},
        UNITS: {"9"},
        PRODUCTS: {"SRV-1"},
    }


def test_an_unknown_number_asks_for_its_list_once(mirror: Mirror, economic: Economic) -> None:
    """Many debtors with the same new numbers leave one event per list; a second look at them leaves none."""
    economic.customers = {number: firm(number, debtor_group=1 + number % 2) for number in range(1, 9)}
    for number in economic.customers:
        mirror.hint(None, number)
    refresh_debtors(mirror, economic, mirror.take(), more_time=ever)

    assert sorted(map(str, asked(mirror))) == ["currencies number", "debtor_groups number"]
    assert read(mirror, economic).finished
    assert economic.calls == ["debtor_groups 0", "currencies 0"] or economic.calls == [
        "currencies 0",
        "debtor_groups 0",
    ]
    assert mirror.tables.names[GROUPS, "2"] == NameRow("Udland")

    mirror.hint(None, 1)
    refresh_debtors(mirror, economic, mirror.take(), more_time=ever)
    assert asked(mirror) == []


def test_a_number_that_stays_unknown_asks_once(mirror: Mirror, economic: Economic) -> None:
    """A number e-conomic has no name for is not asked for again by the records that carry it, but by the night."""
    economic.book(an_invoice(10), an_invoice(11))
    del economic.reference[PRODUCTS]["SRV-1"]
    for number in (10, 11):
        mirror.hint(None, number, Kind.INVOICES)
        refresh_invoices(mirror, economic, mirror.take(Kind.INVOICES), more_time=ever)
        read(mirror, economic)
        a_minute_passes(mirror)
    assert economic.calls == []
    assert mirror.tables.names[PRODUCTS, "SRV-1"] == NameRow(None)

    economic.reference[PRODUCTS]["SRV-1"] = "Service"
    ask(mirror, PRODUCTS)
    read(mirror, economic)
    assert mirror.tables.names[PRODUCTS, "SRV-1"] == NameRow("Service")


def test_a_number_met_while_its_list_is_read_is_not_lost(mirror: Mirror, economic: Economic) -> None:
    """A product made, and invoiced, after its list was asked for: the list is read once more."""

    def meanwhile(call: str) -> None:
        if call == "products 0":
            mirror.names.meet({PRODUCTS: {"NEW"}})
            ask(mirror, PRODUCTS, why=Why.NUMBER)

    ask(mirror, PRODUCTS)
    economic.on_call = meanwhile
    read(mirror, economic)
    economic.on_call = lambda _call: None
    economic.reference[PRODUCTS]["NEW"] = "Nyhed"
    a_minute_passes(mirror)

    assert asked(mirror) == ["products number"]
    read(mirror, economic)
    assert mirror.tables.names[PRODUCTS, "NEW"] == NameRow("Nyhed")


def test_a_resync_asks_for_names(mirror: Mirror, economic: Economic) -> None:
    """Headers and lines of a resync ask like any other; a dry run asks for nothing."""
    economic.book(an_invoice(10, payment_terms=2))
    options = ResyncOptions(debtors=False)
    for dry in (True, False):
        mirror.dry = dry
        resync = Resync(mirror, economic, options, ResyncState(Phase.INVOICES))
        while resync.step():
            pass
        assert sorted(map(str, asked(mirror))) == (
            [] if dry else ["currencies number", "payment_terms number", "products number"]
        )


def test_lines_a_resync_reads_singly_ask_for_names(mirror: Mirror, economic: Economic) -> None:
    """What the bulk list did not bring asks when it is read singly."""
    economic.book(an_invoice(10))
    economic.missing_lines = {10}
    resync = Resync(mirror, economic, ResyncOptions(debtors=False), ResyncState(Phase.INVOICES))
    while resync.step():
        pass

    assert "products number" in asked(mirror)


def test_events_for_one_list_are_one_reading(mirror: Mirror, economic: Economic) -> None:
    """However many events ask for a list, it is read once, and all of them are handled."""
    ask(mirror, UNITS, UNITS, GROUPS, UNITS)

    assert read(mirror, economic).finished

    assert sorted(economic.calls) == ["debtor_groups 0", "units 0"]
    assert asked(mirror) == []
    assert mirror.tables.lists[UNITS].read


def test_a_list_read_a_moment_ago_waits(mirror: Mirror, economic: Economic) -> None:
    """New numbers read a list once a minute at most; a person need not wait."""
    ask(mirror, UNITS)
    read(mirror, economic)
    mirror.tables.lists[UNITS] = mirror.tables.lists[UNITS]._replace(age=20)
    mirror.names.meet({UNITS: {"7"}, GROUPS: {"7"}})
    ask(mirror, UNITS, GROUPS, why=Why.NUMBER)

    done = read(mirror, economic)
    assert (economic.calls, done.finished, done.again_in_s) == (["debtor_groups 0"], False, 40)
    assert asked(mirror) == ["units number"]

    ask(mirror, UNITS, why=Why.PERSON)
    assert read(mirror, economic).finished
    assert economic.calls == ["units 0"]
    assert asked(mirror) == []


def test_a_number_named_meanwhile_costs_nothing(mirror: Mirror, economic: Economic) -> None:
    """A number met just before the list that names it was stored needs no second reading."""
    economic.on_call = lambda _call: mirror.names.meet({UNITS: {"1"}}) and None
    ask(mirror, UNITS)
    read(mirror, economic)
    ask(mirror, UNITS, why=Why.NUMBER)

    assert read(mirror, economic).finished
    assert (economic.calls, asked(mirror)) == ([], [])


def test_a_number_whose_reading_failed_is_read_again(mirror: Mirror, economic: Economic) -> None:
    """Trouble while a list is read for a new number is no reading: it is asked for until it comes."""

    def down(_call: str) -> None:
        raise Unavailable("e-conomic is down")

    mirror.names.meet({UNITS: {"1"}})
    ask(mirror, UNITS, why=Why.NUMBER)
    economic.on_call = down
    with pytest.raises(Unavailable):
        read(mirror, economic)
    economic.on_call = lambda _call: None
    a_minute_passes(mirror)
    read(mirror, economic)

    assert economic.calls == ["units 0"]
    assert mirror.tables.names[UNITS, "1"] == NameRow("stk.")


def test_long_lists_are_read_in_pages(mirror: Mirror, economic: Economic) -> None:
    """A list longer than a page is read to its end; changed and gone names follow."""
    economic.page = 10
    economic.reference[PRODUCTS] = numbered(range(25))
    ask(mirror, PRODUCTS)
    assert read(mirror, economic).outcomes["named"] == 25
    assert economic.calls == ["products 0", "products 1", "products 2"]

    economic.reference[PRODUCTS]["00003"] = "Vare 3, ny"
    del economic.reference[PRODUCTS]["00024"]
    ask(mirror, PRODUCTS)
    done = read(mirror, economic)

    assert (done.outcomes["named"], done.outcomes["gone"]) == (1, 1)
    assert mirror.tables.names[PRODUCTS, "00003"] == NameRow("Vare 3, ny")
    assert mirror.tables.names[PRODUCTS, "00024"] == NameRow("Vare 24", gone=True)


def test_a_name_that_comes_back_lives_again(mirror: Mirror, economic: Economic) -> None:
    """A tombstone is a state, not an end."""
    for groups in ({"1": "Indland", "2": "Udland"}, {"1": "Indland"}, {"1": "Indland", "2": "Udland"}):
        economic.reference[GROUPS] = groups
        ask(mirror, GROUPS)
        read(mirror, economic)
        assert mirror.names.living(GROUPS) == groups


def test_an_empty_list_deletes_nothing(mirror: Mirror, economic: Economic) -> None:
    """An empty page with 200 keeps every name and asks a person; with the names back the failure closes by itself."""
    ask(mirror, GROUPS)
    read(mirror, economic)
    kept, economic.reference[GROUPS] = economic.reference[GROUPS], {}
    ask(mirror, GROUPS)
    read(mirror, economic)

    assert mirror.names.living(GROUPS).keys() == {"1", "2"}
    assert mirror.open_failures() == {("names", "debtor_groups"): "deletion_guard"}

    economic.reference[GROUPS] = kept
    ask(mirror, GROUPS)
    read(mirror, economic)
    assert mirror.open_failures() == {}


def test_a_cut_list_deletes_nothing(mirror: Mirror, economic: Economic) -> None:
    """A list that ends before its own count keeps every name and is shown as not whole."""
    economic.page = 10
    economic.reference[PRODUCTS] = numbered(range(25))
    ask(mirror, PRODUCTS)
    read(mirror, economic)
    whole = economic.names

    def cut(which: Listing, page: int) -> object:
        answer = whole(which, page)
        return answer._replace(items=answer.items[:5], more=False)

    economic.names = cut  # type: ignore[assignment, method-assign]
    ask(mirror, PRODUCTS)
    read(mirror, economic)

    assert len(mirror.names.living(PRODUCTS)) == 25
    assert mirror.tables.lists[PRODUCTS].problem == "e-conomic showed 5 of 25"
    assert asked(mirror) == []


def test_a_list_that_changes_while_it_is_read_deletes_nothing(mirror: Mirror, economic: Economic) -> None:
    """A product deleted between two pages shifts the next one out of sight: it is not taken for deleted."""
    economic.page = 10
    economic.reference[PRODUCTS] = numbered(range(25))
    ask(mirror, PRODUCTS)
    read(mirror, economic)

    def shift(call: str) -> None:
        if call == "products 1":
            del economic.reference[PRODUCTS]["00002"]

    economic.on_call = shift
    ask(mirror, PRODUCTS)
    read(mirror, economic)

    assert len(mirror.names.living(PRODUCTS)) == 25
    assert mirror.tables.lists[PRODUCTS].problem == "e-conomic showed 24 of 24 or 25"


def test_names_of_another_agreement_change_nothing(mirror: Mirror, economic: Economic) -> None:
    """Before a name changes or goes, /self must name this agreement; new names need no such call."""
    ask(mirror, GROUPS)
    read(mirror, economic)
    assert "identity" not in economic.calls

    economic.agreement, economic.reference[GROUPS] = 1599004, {"1": "Norge", "2": "Udland", "3": "Sverige"}
    ask(mirror, GROUPS)
    with pytest.raises(WrongAgreement):
        read(mirror, economic)

    assert mirror.names.living(GROUPS) == {"1": "Indland", "2": "Udland"}
    assert asked(mirror) == ["debtor_groups night"]


def test_too_many_missing_names_wait_for_a_person(mirror: Mirror, economic: Economic) -> None:
    """More than 20 names and 2 % go only when a person has allowed it."""
    economic.reference[PRODUCTS] = numbered(range(100))
    ask(mirror, PRODUCTS)
    read(mirror, economic)
    economic.reference[PRODUCTS] = numbered(range(79))
    ask(mirror, PRODUCTS)
    read(mirror, economic)
    assert len(mirror.names.living(PRODUCTS)) == 100
    assert ("names", "products") in mirror.open_failures()

    ask(mirror, PRODUCTS, why=Why.ALLOW_DELETIONS)
    read(mirror, economic)
    assert len(mirror.names.living(PRODUCTS)) == 79
    assert mirror.open_failures() == {}


def test_a_refused_list_does_not_block_the_others(mirror: Mirror, economic: Economic) -> None:
    """403 on one list: it says so, the others are read, no failure, and nothing is tried again before the night."""

    def refuse(call: str) -> None:
        if call.startswith("employees"):
            raise Rejected("e-conomic refused the request (403): Access denied", status=403)

    economic.on_call = refuse
    ask(mirror, Listing.EMPLOYEES, GROUPS, UNITS)
    done = read(mirror, economic)

    assert done.finished
    assert mirror.names.living(GROUPS).keys() == {"1", "2"}
    assert "403" in str(mirror.tables.lists[Listing.EMPLOYEES].problem)
    assert (asked(mirror), mirror.open_failures()) == ([], {})


def test_trouble_waits_and_begins_with_another_list(mirror: Mirror, economic: Economic) -> None:
    """A list that answers 500 for ever keeps its event; the next try reads the others first."""

    def broken(call: str) -> None:
        if call.startswith("units"):
            raise Unavailable("e-conomic answered 500 at /units")

    economic.on_call = broken
    ask(mirror, UNITS, GROUPS)

    with pytest.raises(Unavailable):
        read(mirror, economic)
    a_minute_passes(mirror)
    with pytest.raises(Unavailable):
        read(mirror, economic)

    assert asked(mirror) == ["units night"]
    assert mirror.names.living(GROUPS).keys() == {"1", "2"}
    assert mirror.open_failures() == {}


def test_a_refused_token_tries_no_further_list(mirror: Mirror, economic: Economic) -> None:
    """401 is the agreement's: one call, everything waits, no list is marked."""

    def refuse(_call: str) -> None:
        raise CredentialsRefused("401")

    economic.on_call = refuse
    ask(mirror, UNITS, GROUPS)
    with pytest.raises(CredentialsRefused):
        read(mirror, economic)

    assert len(economic.calls) == 1
    assert mirror.tables.lists[UNITS].problem is None
    assert sorted(map(str, asked(mirror))) == ["debtor_groups night", "units night"]


def test_a_slice_ends_between_lists(mirror: Mirror, economic: Economic) -> None:
    """When time is up the rest stays outstanding, for the next slice at once."""
    ask(mirror, UNITS, GROUPS)
    done = read_names(mirror, economic, mirror.take(Kind.REFERENCE), more_time=lambda: False)

    assert (done.finished, done.again_in_s, len(economic.calls)) == (False, 0, 1)
    assert len(asked(mirror)) == 1


def test_an_event_for_a_list_nobody_knows_is_handled(mirror: Mirror, economic: Economic) -> None:
    """An event of another version's list ends; it never loops."""
    mirror.hint(None, None, Kind.REFERENCE, body="departments")

    assert read(mirror, economic).finished
    assert (asked(mirror), economic.calls) == ([], [])
