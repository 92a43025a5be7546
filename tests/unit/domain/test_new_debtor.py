"""Which debtor a company becomes, and what a person is asked first."""

from __future__ import annotations

from typing import Any

import pytest

from domain.companies import CompanyFields
from domain.new_debtor import (
    BadOverride,
    Draft,
    Missing,
    draft,
    is_public_name,
    outside_name,
    read_overrides,
)
from domain.new_debtor_settings import NewDebtorSettings, NumberSource, read_default, with_defaults
from domain.reference import Listing

LISTS = {
    Listing.CURRENCIES: {"DKK": "Danish krone", "EUR": "Euro"},
    Listing.DEBTOR_GROUPS: {"1": "Danish", "2": "Foreign"},
    Listing.PAYMENT_TERMS: {"1": "Net 14", "5": "Net 30"},
    Listing.VAT_ZONES: {"1": "Domestic", "2": "EU", "3": "Abroad"},
    Listing.LAYOUTS: {"19": "Standard", "20": "English"},
}
DEFAULTS = {
    "all": {"customer_group": "1", "payment_terms": "1"},
    "domestic": {"vat_zone": "1"},
    "eu": {"vat_zone": "2", "customer_group": "2", "layout": "20"},
    "abroad": {"vat_zone": "3"},
    "DE firm": {"currency": "EUR"},
}
SETTINGS = NewDebtorSettings(DEFAULTS, base_currency="DKK")
FIRM = CompanyFields(
    "Nordvind Service A/S",
    vat="31313139",
    street="Industrivej 7",
    zip="8700",
    city="Horsens",
    country="DK",
    phone="+4576000000",
    mail="faktura@nordvind.example",
    web="nordvind.example",
)
GERMAN = CompanyFields("Hansa Handel GmbH", vat="DE136695976", zip="20095", city="Hamburg", country="DE")


def drafted(company: CompanyFields, settings: NewDebtorSettings = SETTINGS, **said: object) -> dict[str, str | int]:
    """The body, of a company that lacks nothing."""
    found = draft(company, settings, LISTS, read_overrides(said))
    assert isinstance(found, Draft), found
    return dict(found.body)


def lacking(company: CompanyFields, settings: NewDebtorSettings = SETTINGS, **said: object) -> dict[str, str]:
    """What is asked, by field."""
    found = draft(company, settings, LISTS, read_overrides(said))
    assert isinstance(found, Missing), found
    return {lack.field: lack.reason for lack in found.lacks}


def test_danish_firm() -> None:
    """All that is known goes along, and the settings give the rest."""
    assert drafted(FIRM) == {
        "name": "Nordvind Service A/S",
        "address": "Industrivej 7",
        "zip": "8700",
        "city": "Horsens",
        "country": "Danmark",
        "cvr": "31313139",
        "email": "faktura@nordvind.example",
        "phone": "+4576000000",
        "website": "nordvind.example",
        "currency": "DKK",
        "debtor_group": 1,
        "payment_terms": 1,
        "vat_zone": 1,
    }


@pytest.mark.parametrize(
    ("company", "said", "zone"),
    [
        (FIRM, {}, 1),
        (GERMAN, {}, 2),
        (GERMAN._replace(vat="136695976"), {}, 2),
        (CompanyFields("Erika Mustermann", country="Tyskland"), {"kind": "person"}, 1),
        (CompanyFields("Kari Nordmann", country="NO"), {"kind": "person"}, 1),
        (CompanyFields("Fjell Drift AS", country="Norge"), {}, 3),
        (CompanyFields("Fjell Drift AS", country="NO", vat="NO 912 345 678 MVA"), {}, 3),
        (CompanyFields("Hans Hansen", country="DK"), {}, 1),
        (CompanyFields("P/F Havið", country="FO"), {"kind": "firm"}, 3),
        (CompanyFields("Ukendt ApS"), {"vat_zone": 3}, 3),
    ],
)
def test_vat_zone(company: CompanyFields, said: dict[str, object], zone: int) -> None:
    """The zone follows the country and the kind of customer; private people abroad are domestic."""
    assert drafted(company, **said)["vat_zone"] == zone


def test_private_people_abroad_by_the_settings() -> None:
    """Where the settings speak of private people there, they are believed."""
    settings = SETTINGS._replace(defaults=DEFAULTS | {"abroad person": {"vat_zone": "3"}})
    assert drafted(CompanyFields("Kari Nordmann", country="NO"), settings, kind="person")["vat_zone"] == 3


def test_the_closest_default_counts() -> None:
    """Country and kind before country, before area, before kind, before all."""
    body = drafted(GERMAN)
    assert (body["currency"], body["debtor_group"], body["payment_terms"], body["layout"]) == ("EUR", 2, 1, 20)
    assert body["cvr"] == "DE136695976"
    assert body["country"] == "Tyskland"


@pytest.mark.parametrize(
    ("company", "field", "reason"),
    [
        (FIRM._replace(country=None), "vat_zone", "country unknown"),
        (FIRM._replace(country="Langtbortistan"), "vat_zone", "country unknown"),
        (FIRM._replace(country="ZZ"), "vat_zone", "country unknown"),
        (GERMAN._replace(vat=None), "vat", "needs its VAT number"),
        (GERMAN._replace(vat="DE12"), "vat", "DE12 is no VAT number of Tyskland"),
        (GERMAN._replace(vat="SE556677889901"), "vat", "is no VAT number of Tyskland"),
        (GERMAN._replace(name="Hansa Handel", vat=None), "kind", "firm or private person? It decides on"),
        (CompanyFields("Vestkyst Kommune", country="DK"), "ean", "EAN number"),
        (FIRM._replace(ean="5790000000013"), "ean", "13 digits"),
        (FIRM._replace(ean="579000000"), "ean", "13 digits"),
        (FIRM._replace(pno="123"), "pno", "10 digits"),
        (FIRM._replace(vat="1234567"), "vat", "8 digits"),
        (FIRM._replace(name=" "), "name", "must have a name"),
        (FIRM._replace(name="x" * 256), "name", "256 characters, e-conomic takes 255"),
        (FIRM._replace(city="x" * 51), "city", "51 characters, e-conomic takes 50"),
        (FIRM._replace(zip="1" * 31), "zip", "31 characters"),
        (FIRM._replace(street="x" * 511), "street", "511 characters"),
        (CompanyFields("Fjell AS", country="NO", vat="9" * 41), "vat", "41 characters, e-conomic takes 40"),
    ],
)
def test_asks(company: CompanyFields, field: str, reason: str) -> None:
    """What is missing, does not fit or would be a guess is named, and that alone."""
    found = lacking(company)
    assert list(found) == [field]
    assert reason in found[field]


def test_names_everything_at_once() -> None:
    """A person is asked once for all that is missing."""
    settings = NewDebtorSettings()
    found = lacking(CompanyFields("Vestkyst Kommune", country="DK", city="x" * 99), settings)
    assert set(found) == {"ean", "city", "currency", "customer_group", "payment_terms", "vat_zone"}
    assert "--home" in found["vat_zone"]
    assert found["customer_group"] == "the agreement's settings have no debtor group for public bodies"


def test_what_was_said_completes_it() -> None:
    """The same company goes through once a person said what was missing."""
    assert drafted(CompanyFields("Vestkyst Kommune", country="DK"), ean="5790000000012")["ean"] == "5790000000012"
    assert "ean" not in drafted(CompanyFields("Vestkyst Kommune", country="DK"), ean="")
    assert drafted(FIRM._replace(country=None), country="Danmark")["vat_zone"] == 1
    assert drafted(FIRM._replace(city="x" * 51), city="Horsens")["city"] == "Horsens"
    assert drafted(GERMAN._replace(name="Erika Mustermann", vat=None), kind="person")["vat_zone"] == 1
    assert drafted(GERMAN._replace(vat=None), vat="", vat_zone=1)["vat_zone"] == 1
    body = drafted(FIRM, customer_group=2, payment_terms="5", currency="eur", layout=19, number=4711)
    assert [body[name] for name in ("debtor_group", "payment_terms", "currency", "layout", "number")] == [
        2,
        5,
        "EUR",
        19,
        4711,
    ]


def test_vat_number_of_its_own() -> None:
    """Agreements of five countries take it beside the registration; a registration alone is no VAT number."""
    swedish = SETTINGS._replace(kind="sweden", home="SE")
    firm = CompanyFields("Norrsken Bygg AB", vat="SE 556677-889901", zip="11122", country="SE")

    assert drafted(firm, swedish)["vat_number"] == "SE556677889901"
    assert drafted(firm, swedish)["cvr"] == "SE 556677-889901"
    assert "vat_number" not in drafted(firm._replace(vat="556677-8899"), swedish)
    assert drafted(GERMAN, swedish)["vat_number"] == "DE136695976"
    assert "needs its VAT number" in lacking(GERMAN._replace(vat=None), swedish)["vat"]
    assert "vat_number" not in drafted(GERMAN)
    assert "vat_number" not in drafted(GERMAN, SETTINGS._replace(kind="denmark"))


def test_kind_is_asked_only_where_it_matters() -> None:
    """Somebody who may be a firm or a private person is asked about only if the settings treat them differently."""
    hansen = CompanyFields("Hans Hansen", country="DK")
    assert drafted(hansen)["payment_terms"] == 1

    settings = SETTINGS._replace(defaults=DEFAULTS | {"person": {"payment_terms": "5"}})
    assert lacking(hansen, settings) == {"kind": "firm or private person? It decides on payment terms"}
    assert drafted(hansen, settings, kind="person")["payment_terms"] == 5
    assert drafted(hansen._replace(vat="31313139"), settings)["payment_terms"] == 1


def test_lists_are_checked() -> None:
    """What e-conomic's lists do not hold any more is not sent; a list nobody has read yet is left to e-conomic."""
    settings = SETTINGS._replace(defaults=DEFAULTS | {"all": {"customer_group": "7", "payment_terms": "1"}})
    assert lacking(FIRM, settings) == {"customer_group": "e-conomic has no debtor group 7 any more: choose another"}
    assert lacking(FIRM, currency="XYZ") == {"currency": "e-conomic has no currency XYZ any more: choose another"}
    assert lacking(FIRM, layout="a") == {"layout": "the layout must be given by its number in e-conomic"}
    unread = draft(FIRM, settings, {}, {})
    assert isinstance(unread, Draft)
    assert unread.body["debtor_group"] == 7


def test_a_list_of_one_needs_no_setting() -> None:
    """Where e-conomic has one debtor group only, it is that one."""
    settings = SETTINGS._replace(defaults={"domestic": {"vat_zone": "1"}, "all": {"payment_terms": "1"}})
    found = draft(FIRM, settings, LISTS | {Listing.DEBTOR_GROUPS: {"4": "All"}}, {})
    assert isinstance(found, Draft)
    assert found.body["debtor_group"] == 4


def test_numbers_of_the_company() -> None:
    """With that setting a debtor is numbered as its company, or a person is asked."""
    settings = SETTINGS._replace(number=NumberSource.COMPANY)
    assert drafted(FIRM._replace(customer_number="00815"), settings)["number"] == 815
    assert "has none" in lacking(FIRM, settings)["number"]
    assert "no debtor number" in lacking(FIRM._replace(customer_number="K-7"), settings)["number"]
    assert drafted(FIRM, settings, number=9)["number"] == 9
    assert "number" not in drafted(FIRM._replace(customer_number="815"))


def test_bills_go_to_the_billing_address() -> None:
    """A billing address is the debtor's address; where the company is decides on VAT."""
    company = FIRM._replace(
        billing_street="Postboks 9",
        billing_zip="1000",
        billing_city="København K",
        billing_mail="a@b.example; c@d.example",
    )
    body = drafted(company)
    assert (body["address"], body["zip"], body["city"]) == ("Postboks 9", "1000", "København K")
    assert body["country"] == "Danmark"
    assert body["email"] == "a@b.example c@d.example"


def test_texts_are_tidied() -> None:
    """Stray spaces and control characters do not travel; an address keeps its lines."""
    body = drafted(
        FIRM._replace(name="Nordvind\t Service\n A/S ", street=" Industrivej 7\r\nBygning  B\n", vat="DK-31 31 31 39")
    )
    assert (body["name"], body["address"], body["cvr"]) == (
        "Nordvind Service A/S",
        "Industrivej 7\nBygning B",
        "31313139",
    )
    assert "cvr" not in drafted(FIRM._replace(name="Hans Hansen", vat="Test"))


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"colour": "red"}, "colour"),
        ({"vat_zone": True}, "vat_zone"),
        ({"name": ["x"]}, "name"),
        ({"kind": "x"}, "kind"),
    ],
)
def test_unusable_overrides(said: dict[str, Any], field: str) -> None:
    """What cannot be used is refused with its field."""
    with pytest.raises(BadOverride) as caught:
        read_overrides(said)
    assert caught.value.field == field


def test_null_overrides_say_nothing() -> None:
    """The CRM's form of an override that is not given."""
    assert read_overrides({"layout": None, "vat_zone": 1, "name": " A "}) == {"vat_zone": "1", "name": "A"}


@pytest.mark.parametrize(
    ("name", "public"),
    [
        ("Vestkyst Kommune", True),
        ("Region Midtjylland", True),
        ("Sundhedsstyrelsen", True),
        ("Kommunens Kantine", False),
        ("Nordvind Service", False),
    ],
)
def test_public_names(name: str, public: bool) -> None:
    """Public bodies are known by their names."""
    assert is_public_name(name) is public


def test_complaints_are_named_as_people_know_them() -> None:
    """A field of the debtor is shown as the field that was filled in."""
    assert [outside_name(name) for name in ("debtor_group", "cvr", "address", "city")] == [
        "customer_group",
        "vat",
        "street",
        "city",
    ]


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("all.payment_terms=1", ("all", "payment_terms", "1")),
        ("eu.firm.vat_zone=2", ("eu firm", "vat_zone", "2")),
        ("de.currency=eur", ("DE", "currency", "EUR")),
        ("public.payment_terms=", ("public", "payment_terms", "")),
    ],
)
def test_defaults_are_read(text: str, read: tuple[str, str, str]) -> None:
    """A default is written as scope, field and number."""
    assert read_default(text) == read


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("vat_zone=1", "SCOPE.FIELD=NUMBER"),
        ("all.vat_zone=1", "depends on the country"),
        ("firm.vat_zone=1", "depends on the country"),
        ("eu.colour=1", "no default called colour"),
        ("eu.layout=A", "by its number"),
        ("mars.layout=1", "mars is none of"),
        ("eu.dog.layout=1", "dog is none of"),
        ("eu.firm", "SCOPE.FIELD=NUMBER"),
    ],
)
def test_unusable_defaults(text: str, reason: str) -> None:
    """What cannot be meant is refused with the reason."""
    with pytest.raises(ValueError, match=reason):
        read_default(text)


def test_defaults_change_one_by_one() -> None:
    """A change leaves the others alone; an empty one takes a default back."""
    stored = {"all": {"layout": "1"}, "eu": {"vat_zone": "2"}}
    changed = with_defaults(stored, [("all", "layout", ""), ("eu", "layout", "3")])
    assert changed == {"eu": {"vat_zone": "2", "layout": "3"}}
