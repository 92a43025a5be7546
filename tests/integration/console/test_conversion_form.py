"""The form that a conversion's link leads to."""

from __future__ import annotations

import pytest
from flask import Flask

from domain.conversion_requests import Wanted
from domain.conversions import Candidate, Conversion, Missing, Needs, Save
from infra.database import tables_mirror
from infra.database.unit_of_work import SqlUnitOfWork
from infra.form_links import GOOD_S
from tests.integration.console.world import NOW, Browser, FakeServices, World
from tests.support.companies import crm, take

AGREEMENT = 1001
ASKED = Needs(
    (Missing("zip", "is missing"), Missing("vat_zone", "country unknown")),
    (Candidate(4711, "Nordvind", 81.5, ("same phone",)), Candidate(4, "Noget", 50.0, (), "Noget ApS")),
)


@pytest.fixture
def asking(services: FakeServices, world: World) -> Conversion:
    """A conversion that asks for a debtor, a zip and a VAT zone; e-conomic's zones are known."""
    world.agreement(AGREEMENT, world.firm())
    world.insert(tables_mirror.reference_list, agreement=AGREEMENT, list="vat_zones", tried_at=NOW, read_at=NOW)
    world.name(AGREEMENT, "vat_zones", 1, "Domestic")
    take(services.database, crm(zip=None))
    asked = services.desk.ask(AGREEMENT, Wanted("crm-17")).conversion
    needing = asked.needing(ASKED, "doubtful", "Is it one of these?")
    with services.database.write() as connection:
        SqlUnitOfWork(connection, services.database.sql, AGREEMENT).conversions.save([Save(needing)])
    return needing


def path(services: FakeServices, conversion: Conversion) -> str:
    return services.forms.url(conversion.id).removeprefix(services.settings.public_url)


def now(services: FakeServices, conversion: Conversion) -> Conversion:
    with services.database.read() as connection:
        uow = SqlUnitOfWork(connection, services.database.sql, AGREEMENT)
        return uow.conversions.peek([conversion.id])[conversion.id]


def test_the_form_asks(app: Flask, services: FakeServices, asking: Conversion) -> None:
    """Without an account: the debtors it may be with their reasons first, then each missing field with its reason."""
    shown = Browser(app, "da").get(path(services, asking)).get_data(as_text=True)

    assert shown.index("same phone") < shown.index("Dette mangler") < shown.index("country unknown")
    assert "Noget ApS" in shown
    assert '<option value="1">1 Domestic</option>' in shown


def test_one_of_them_is_chosen(app: Flask, services: FakeServices, asking: Conversion) -> None:
    """The same conversion goes on with it, once."""
    browser = Browser(app)
    address = path(services, asking)

    assert browser.post(address, browser.token(address), link="4711").status_code == 303

    goes_on = now(services, asking)
    assert (goes_on.state.value, goes_on.said.link) == ("requested", 4711)
    assert "being worked on" in browser.get(address).get_data(as_text=True)


def test_none_of_them(app: Flask, services: FakeServices, asking: Conversion) -> None:
    """What was missing goes along; fields nobody asked for do not."""
    browser = Browser(app)
    address = path(services, asking)
    browser.post(address, browser.token(address), zip="8700", vat_zone="1", name="Somebody else")

    said = now(services, asking).said
    assert (dict(said.overrides), said.create, said.link) == ({"zip": "8700", "vat_zone": "1"}, True, None)


def test_only_a_good_link_opens_it(
    app: Flask, services: FakeServices, asking: Conversion, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another key's, a changed one's and an old one's do not; nor does a post without the page's own token."""
    browser, address = Browser(app), path(services, asking)
    assert browser.get(address[:-1]).status_code == 404
    assert browser.get("/conversion/1").status_code == 404
    assert browser.post(address, "x", link="4711").status_code == 400

    monkeypatch.setattr("infra.form_links.GOOD_S", -GOOD_S)
    assert browser.get(address).status_code == 410
    assert now(services, asking).state.value == "needs_input"
