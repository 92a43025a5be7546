"""Who may change what of a company, and what becomes of a change that was refused."""

from __future__ import annotations

import pytest

from domain.companies import (
    DEFAULT_OWNERS,
    Change,
    CompanyFields,
    Owner,
    Refusal,
    Side,
    StoredCompany,
    Values,
    owners_of,
    said_by_debtor,
    same_value,
    take_change,
)

FIELDS = CompanyFields(
    "Nordvind Service A/S",
    vat="31313139",
    street="Industrivej 7",
    zip="8700",
    city="Horsens",
    phone="+4576000000",
    account_manager="mlj",
)
COMPANY = StoredCompany(17, FIELDS, crm_id="crm-17")
LINKED = owners_of([{}])


def crm(company: StoredCompany, **said: str | None) -> Change:
    return take_change(company, Side.CRM, said, owners=LINKED)


def economic(company: StoredCompany, before: Values, **said: str | None) -> Change:
    return take_change(company, Side.ECONOMIC, said, owners=LINKED, before=before)


def test_an_unlinked_company_is_what_the_crm_says() -> None:
    """Without a debtor the CRM changes any field, and what it leaves blank stays as it was."""
    change = take_change(COMPANY, Side.CRM, {"name": "Nordvind A/S", "vat": "87654321", "phone": None}, owners=None)

    assert change.changed == {"name": ("Nordvind Service A/S", "Nordvind A/S"), "vat": ("31313139", "87654321")}
    assert change.company.fields.phone == "+4576000000"
    assert not change.refused
    assert not change.company.apart


def test_the_crm_does_not_change_what_the_books_own() -> None:
    """The CRM's CVR number of a linked company is refused and kept as a difference; the same again is no news."""
    change = crm(COMPANY, vat="87654321", account_manager="pkh")

    assert change.refused == {"vat": ("87654321", Refusal.OWNED)}
    assert change.changed == {"account_manager": ("mlj", "pkh")}
    assert change.company.apart == {"vat": "87654321"}
    again = crm(change.company, vat="87654321", account_manager="pkh")
    assert (again.refused, again.changed) == ({}, {})


def test_a_difference_ends_when_the_crm_comes_round() -> None:
    """Once the CRM says what is stored, nothing stands apart any more."""
    apart = crm(COMPANY, vat="87654321").company
    change = crm(apart, vat="31313139")

    assert "vat" in change.agreed
    assert change.company.apart == {}


def test_blank_fields_are_filled_by_anybody() -> None:
    """A field that is e-conomic's may be filled by the CRM while it is blank: nothing is lost."""
    assert crm(COMPANY, ean="5790000000005").changed == {"ean": (None, "5790000000005")}


def test_the_newest_change_wins() -> None:
    """A phone number changed on one side only is taken, from either side."""
    assert crm(COMPANY, phone="+4512345678").changed["phone"][1] == "+4512345678"
    before = {"phone": "76000000"}
    change = economic(COMPANY, before, phone="12345678")
    assert change.changed["phone"][1] == "12345678"
    assert change.company.apart == {"phone": "+4576000000"}, "what the CRM still says is known"


def test_an_old_word_repeated_undoes_nothing() -> None:
    """After e-conomic changed the phone number, the CRM's old one said again changes nothing and is no conflict."""
    changed = economic(COMPANY, {"phone": "76000000"}, phone="12345678").company
    again = crm(changed, phone="+4576000000", name="Nordvind Service A/S")

    assert (again.changed, again.refused) == ({}, {})


def test_both_changed_is_for_a_person() -> None:
    """A field both sides changed stays as it is, and the later side's value is shown."""
    changed = economic(COMPANY, {"phone": "76000000"}, phone="12345678").company
    both = crm(changed, phone="+4587654321")

    assert both.refused == {"phone": ("+4587654321", Refusal.BOTH_CHANGED)}
    assert both.company.fields.phone == "12345678"


def test_both_agree_again_and_the_newest_wins_again() -> None:
    """When the CRM took over e-conomic's change, its next own change is taken."""
    changed = economic(COMPANY, {"phone": "76000000"}, phone="12345678").company
    followed = crm(changed, phone="12345678").company
    assert crm(followed, phone="+4587654321").changed["phone"] == ("12345678", "+4587654321")


def test_an_address_is_one_thing() -> None:
    """A street from one side and a city from the other are never mixed."""
    moved = economic(
        COMPANY, {"street": "Industrivej 7", "city": "Horsens"}, street="Havnegade 1", city="Vejle"
    ).company
    both = crm(moved, street="Industrivej 7", zip="8000", city="Horsens")

    assert both.refused == {"zip": ("8000", Refusal.BOTH_CHANGED)}
    assert both.company.fields.street == "Havnegade 1"


def test_blank_in_the_books_clears_nothing() -> None:
    """A debtor without a phone number does not take the company's away."""
    assert economic(COMPANY, {"phone": "76000000"}, phone=None).changed == {}


def test_a_person_changes_anything() -> None:
    """What a person decides stands against both sides, and the CRM's old word does not undo it."""
    change = take_change(COMPANY, Side.PERSON, {"vat": "87654321", "name": "Nordvind"}, owners=LINKED)

    assert change.company.fields[:3] == ("Nordvind", None, "87654321")
    assert crm(change.company, vat="31313139", name="Nordvind Service A/S").changed == {}


def test_of_several_agreements_the_strictest_decides() -> None:
    """A field that one agreement gives to e-conomic is e-conomic's."""
    owners = owners_of([{"vat": "crm", "phone": "crm"}, {"phone": "e-conomic"}])

    assert (owners["vat"], owners["phone"]) == (Owner.ECONOMIC, Owner.ECONOMIC)
    assert owners_of([{"vat": "crm"}])["vat"] is Owner.CRM
    assert owners_of([{}]) == DEFAULT_OWNERS


@pytest.mark.parametrize(
    ("field", "a", "b", "same"),
    [
        ("vat", "DK 31 31 31 39", "31313139", True),
        ("vat", "31313139", "31313138", False),
        ("phone", "+45 76 00 00 00", "76000000", True),
        ("phone", "+46 76 00 00 00", "76000000", False),
        ("country", "Danmark", "DK", True),
        ("web", "https://www.nordvind.example/", "nordvind.example", True),
        ("name", "NORDVIND  Service", "Nordvind service", True),
        ("name", "Nordvind", None, False),
    ],
)
def test_the_same_said_otherwise(field: str, a: str, b: str | None, same: bool) -> None:
    """Two ways of writing one value are no difference."""
    assert same_value(field, a, b) is same


def test_a_debtor_speaks_of_its_company() -> None:
    """A debtor's address is where the company is and where its bills go."""
    said = said_by_debtor({"number": 4711, "name": "Nordvind", "address": "Havnegade 1", "cvr": "", "mobile": "12"})

    assert said["customer_number"] == "4711"
    assert said["street"] == said["billing_street"] == "Havnegade 1"
    assert said["vat"] is None
    assert said["phone"] == "12"
    assert set(said) < set(CompanyFields._fields)
