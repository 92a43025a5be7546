"""What several companies are as one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import pytest

from domain.companies import DEFAULT_OWNERS, CompanyFields, Owner, StoredCompany
from domain.merging import Keep, Member, NotMerged, Plan, Wish, plan

NOON = dt.datetime(2026, 5, 4, 12, tzinfo=dt.UTC)


def member(
    number: int, *, debtors: int = 0, address_at: int = 0, deleted: bool = False, **fields: str | None
) -> Member:
    """Company number one is the oldest."""
    row = StoredCompany(number, CompanyFields(**{"name": f"Nordvind {number}", **fields}), deleted=deleted)  # type: ignore[arg-type]
    return Member(row, NOON + dt.timedelta(days=number), NOON + dt.timedelta(days=address_at or number), debtors)


def planned(*members: Member, owners: Mapping[str, Owner] | None = None, **wish: Any) -> Plan:
    if owners is None and any(each.debtors for each in members):
        owners = DEFAULT_OWNERS
    return plan(members, Wish(tuple(each.company.id for each in members), **wish), owners)


@pytest.mark.parametrize(
    ("members", "wish", "survivor"),
    [
        ([member(2), member(1)], {}, 1),
        ([member(1), member(2, debtors=1), member(3, debtors=2)], {}, 2),
        ([member(1), member(2, debtors=1)], {"keep": Keep.OLDEST}, 1),
        ([member(1), member(2, debtors=1)], {"survivor": 1}, 1),
        ([member(1, deleted=True, debtors=1), member(2)], {}, 2),
    ],
)
def test_who_lives_on(members: list[Member], wish: dict[str, Any], survivor: int) -> None:
    """The one that is asked for; otherwise the linked one, or the oldest, and never a deleted one."""
    assert planned(*members, **wish).survivor.id == survivor


def test_blanks_are_filled() -> None:
    """What the survivor lacks comes from the others, the preferred ones first; what it has, stays."""
    made = planned(member(1, vat="1"), member(3, phone="3", mail="c@x.example"), member(2, vat="2", phone="2"))

    assert (made.fields.name, made.fields.vat, made.fields.phone, made.fields.mail) == (
        "Nordvind 1",
        "1",
        "2",
        "c@x.example",
    )
    assert made.sources == {"name": 1, "vat": 1, "phone": 2, "mail": 3}
    assert [row.id for row in made.merged] == [2, 3]
    assert made.differing == ("name", "vat", "phone")


def test_what_is_written_otherwise_does_not_differ() -> None:
    """Capitals, spaces and a country's prefix are no difference to a person."""
    made = planned(member(1, name="A", vat="DK31313139"), member(2, name="a", vat="31 31 31 39"))
    assert made.differing == ()


def test_half_an_address_of_each_is_nobodys() -> None:
    """The newest address is taken whole; only one that says nothing else fills what it lacks."""
    old = member(1, street="Havnegade 1", zip="7100", city="Vejle", country="DK")
    new = member(2, street="Kystvej 3", zip="8000")
    made = planned(old, new).fields
    assert (made.street, made.zip, made.city, made.country) == ("Kystvej 3", "8000", None, None)
    same = member(3, zip="8000", city="Aarhus", country="DK")
    assert planned(old, new._replace(address_at=NOON + dt.timedelta(days=9)), same).fields.city == "Aarhus"
    assert planned(old, member(2, country="SE")).fields.country == "DK", "a country alone is no address"


def test_what_e_conomic_owns_comes_with_its_debtor() -> None:
    """Number, CVR and billing address are of the linked one, whoever lives on; its blanks are filled."""
    made = planned(
        member(1, vat="1", customer_number="1", pno="1", phone="1", billing_city="Horsens"),
        member(2, vat="2", customer_number="2", phone="2", billing_street="Kystvej 3", debtors=1),
        survivor=1,
    )
    assert (made.fields.vat, made.fields.customer_number, made.fields.pno, made.fields.phone) == ("2", "2", "1", "1")
    assert (made.fields.billing_street, made.fields.billing_city) == ("Kystvej 3", "Horsens")


def test_field_by_field() -> None:
    """A field comes from the company that is named, blank or not, or is a value of its own."""
    made = planned(
        member(1, phone="1", mail="a@x.example", city="Vejle"),
        member(2, vat="2"),
        take={"phone": 2, "name": 2},
        values={"city": "Aarhus", "vat": None},
    )
    assert (made.fields.name, made.fields.phone, made.fields.city, made.fields.vat) == (
        "Nordvind 2",
        None,
        "Aarhus",
        None,
    )
    assert made.sources == {"name": 2, "mail": 1}


@pytest.mark.parametrize(
    ("wish", "field", "said"),
    [
        ({"companies": (1,)}, "companies", "two different"),
        ({"companies": (1, 1)}, "companies", "two different"),
        ({"companies": tuple(range(51))}, "companies", "at most 50"),
        ({"survivor": 3}, "survivor", "must be one of the companies"),
        ({"take": {"cvr": 1}}, "cvr", "no field 'cvr'"),
        ({"take": {"name": 3}}, "name", "must come from one of the companies"),
        ({"take": {"name": 1}, "values": {"name": "x"}}, "name", "not both"),
        ({"values": {"name": None}}, "name", "needs a name"),
        ({"values": {"city": "x" * 501}}, "city", "longer than 500"),
        ({"values": {"city": "\0"}}, "city", "cannot be stored"),
        ({"survivor": 2}, "survivor", "was deleted"),
    ],
)
def test_a_wrong_wish_names_the_field(wish: dict[str, Any], field: str, said: str) -> None:
    """What cannot be is refused in words, naming the field."""
    members = [member(1), member(2, deleted=True)]
    with pytest.raises(NotMerged, match=said) as refused:
        plan(members, Wish(**{"companies": (1, 2), **wish}), None)
    assert refused.value.field == field
