"""
What an agreement's settings say of new debtors: defaults by country and kind of customer, who numbers them, and whether
they may be made at all (crm.md §1).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import NamedTuple

from domain.countries import EU, is_country
from domain.reference import Listing


class Buyer(StrEnum):
    """What kind of customer a company is."""

    FIRM = "firm"
    PERSON = "person"
    PUBLIC = "public"


class Area(StrEnum):
    """Where a company is, as VAT sees it from the agreement's own country."""

    DOMESTIC = "domestic"
    EU = "eu"
    ABROAD = "abroad"


class Policy(StrEnum):
    """Whether a won deal makes a debtor."""

    AT_ONCE = "at-once"
    APPROVAL = "approval"
    NOT_ALLOWED = "not-allowed"


class NumberSource(StrEnum):
    """Who numbers new debtors."""

    ECONOMIC = "e-conomic"
    COMPANY = "company"  # its customer number


DEFAULTED = {
    "currency": Listing.CURRENCIES,
    "customer_group": Listing.DEBTOR_GROUPS,
    "payment_terms": Listing.PAYMENT_TERMS,
    "vat_zone": Listing.VAT_ZONES,
    "layout": Listing.LAYOUTS,
}
"""What the settings give a new debtor, and the list of e-conomic that it must be in."""

LABELS = {
    "currency": "currency",
    "customer_group": "debtor group",
    "payment_terms": "payment terms",
    "vat_zone": "VAT zone",
    "layout": "layout",
}

Lists = Mapping[Listing, Mapping[str, str]]
"""Key → name of what e-conomic's lists hold now. A list that was never read as a whole is left out."""


_VAT_NUMBERS = frozenset({"sweden", "uk", "united kingdom", "germany", "poland", "finland"})


class NewDebtorSettings(NamedTuple):
    """
    An agreement's settings.

    `defaults`: scope → field of DEFAULTED → key in its list. Of the scopes the closest one counts: "DE firm", "DE",
    "eu firm", "eu", "firm", "all". `home`: the agreement's own country, ISO 3166.
    """

    defaults: Mapping[str, Mapping[str, str]] = {}
    home: str | None = None
    base_currency: str | None = None
    policy: Policy = Policy.AT_ONCE
    number: NumberSource = NumberSource.ECONOMIC
    edits: bool = False  # whether the CRM may change debtors that exist
    kind: str | None = None  # the country the agreement was made for, as e-conomic calls it

    @property
    def has_vat_numbers(self) -> bool:
        """Whether its debtors have a VAT number beside the number they are registered by (e-conomic.md §2.3)."""
        return (self.kind or "").casefold() in _VAT_NUMBERS

    @property
    def home_country(self) -> str | None:
        """Where the agreement is at home; None when nobody said and its currency is used by several countries."""
        return self.home or {"DKK": "DK", "SEK": "SE", "NOK": "NO"}.get(self.base_currency or "")


def scopes(country: str, area: Area | None, kind: Buyer) -> Iterator[str]:
    """Where a default is looked for, the closest first."""
    for place in (country, area.value if area else ""):
        if place:
            yield f"{place} {kind}"
            yield place
    yield kind
    yield "all"


def area_of(country: str, home: str) -> Area:
    """Where a country is, seen from another."""
    return Area.DOMESTIC if country == home else Area.EU if country in EU and home in EU else Area.ABROAD


def read_default(text: str) -> tuple[str, str, str]:
    """
    Read one default as people write it: "eu.firm.vat_zone=2", "all.payment_terms=1", "DE.currency=EUR".

    Returns:
        Scope, field and key; an empty key takes the default back.

    Raises:
        ValueError: the text names no scope or field there is, or a VAT zone for every country.
    """
    path, equals, key = text.partition("=")
    *scope, name = path.strip().split(".")
    key = key.strip()
    if not equals or not scope or len(scope) > 2:
        raise ValueError(f"{text}: write SCOPE.FIELD=NUMBER, for example eu.firm.vat_zone=2")
    if name not in DEFAULTED:
        raise ValueError(f"{text}: there is no default called {name}; known are {', '.join(DEFAULTED)}")
    if key and name != "currency" and not (key.isascii() and key.isdigit()):
        raise ValueError(f"{text}: give the {LABELS[name]} by its number in e-conomic")
    place, kind = scope if len(scope) == 2 else (scope[0], "")
    if not kind and (place in list(Buyer) or place == "all"):
        if name == "vat_zone":
            raise ValueError(f"{text}: a VAT zone depends on the country; say domestic, eu, abroad or a country first")
    elif place not in list(Area):
        place = place.upper()
        if not is_country(place):
            known = ", ".join(("all", *Buyer, *Area))
            raise ValueError(f"{text}: {scope[0]} is none of {known}, and no country's two letters")
    if kind and kind not in list(Buyer):
        raise ValueError(f"{text}: {kind} is none of {', '.join(Buyer)}")
    return f"{place} {kind}".strip(), name, key.upper() if name == "currency" else key


def with_defaults(
    defaults: Mapping[str, Mapping[str, str]], changes: Iterable[tuple[str, str, str]]
) -> dict[str, dict[str, str]]:
    """Defaults with changes as `read_default` gives them."""
    result = {scope: dict(values) for scope, values in defaults.items()}
    for scope, name, key in changes:
        values = result.setdefault(scope, {})
        if key:
            values[name] = key
        else:
            values.pop(name, None)
    return {scope: values for scope, values in result.items() if values}
