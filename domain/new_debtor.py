"""
The debtor to make of a company: what to send to e-conomic, and what a person must say first.

Nothing is guessed and nothing is cut off: what is missing, does not fit, or has more than one possible answer is named
with its reason and waits (crm.md §6; limits: e-conomic.md §2.3).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from domain.companies import CompanyFields
from domain.countries import country_code, country_name, is_country
from domain.debtors import MAX_NUMBER, cvr_key
from domain.matching import identifiers
from domain.matching.names import normal_name
from domain.matching.text import words
from domain.new_debtor_settings import (
    DEFAULTED,
    LABELS,
    Area,
    Buyer,
    Lists,
    NewDebtorSettings,
    NumberSource,
    area_of,
    scopes,
)

TEXTS = {
    "name": ("name", 255),
    "street": ("address", 510),
    "zip": ("zip", 30),
    "city": ("city", 50),
    "country": ("country", 50),
    "vat": ("cvr", 40),
    "pno": ("p_number", 10),
    "ean": ("ean", 13),
    "mail": ("email", 255),
    "phone": ("phone", 255),
    "web": ("website", 255),
}
"""A company's field → the debtor's, and how many characters e-conomic takes."""

OVERRIDES = (*TEXTS, *DEFAULTED, "number", "kind")
"""What a person, or the CRM, may say about the debtor to be made."""

Overrides = Mapping[str, str]
"""Field of OVERRIDES → what was said; "" leaves a field empty that the company or the settings would fill."""

_OUTSIDE = {theirs: ours for ours, (theirs, _) in TEXTS.items()} | {
    "debtor_group": "customer_group",
    "vat_number": "vat",
}


def outside_name(debtor_field: str) -> str:
    """A field of a debtor as people and the CRM call it, for what e-conomic complains of."""
    return _OUTSIDE.get(debtor_field, debtor_field)


class Lack(NamedTuple):
    """One thing a person must say: a field of OVERRIDES, and why."""

    field: str
    reason: str


class Draft(NamedTuple):
    """What to send, named as in `Debtor`: complete, and every value fits."""

    body: Mapping[str, str | int]


class Missing(NamedTuple):
    """Nothing can be sent yet. `body` is what is known so far, for the form."""

    lacks: tuple[Lack, ...]
    body: Mapping[str, str | int]


class BadOverride(ValueError):
    """Something said about a new debtor cannot be used; `field` says which, the message why."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def read_overrides(said: Mapping[str, object]) -> dict[str, str]:
    """
    Take what the CRM, the API or a form says; None and absent are the same.

    Raises:
        BadOverride: an unknown field, or a value of the wrong kind.
    """
    found: dict[str, str] = {}
    for name, value in said.items():
        if name not in OVERRIDES:
            raise BadOverride(name, f"nothing called {name} can be said; known are {', '.join(OVERRIDES)}")
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise BadOverride(name, "must be a text or a whole number")
        text = str(value).strip()
        if name == "kind" and text and text not in list(Buyer):
            raise BadOverride(name, f"must be one of {', '.join(Buyer)}")
        found[name] = text
    return found


def draft(
    company: CompanyFields, settings: NewDebtorSettings, lists: Lists, overrides: Overrides | None = None
) -> Draft | Missing:
    """
    The debtor that e-conomic is to make of a company, or what is missing.

    The currency falls back to the agreement's own, and a list with one entry needs no setting. Where the kind of
    customer cannot be told it matters only if the kinds would be treated differently.
    """
    return _Drafting(company, settings, lists, overrides or {}).made()


_WHO = {
    Buyer.FIRM: ("firm", "firms"),
    Buyer.PERSON: ("private person", "private people"),
    Buyer.PUBLIC: ("public body", "public bodies"),
}


@dataclass(slots=True)
class _Drafting:
    """One company."""

    company: CompanyFields
    settings: NewDebtorSettings
    lists: Lists
    overrides: Overrides
    body: dict[str, str | int] = field(default_factory=dict)
    lacks: list[Lack] = field(default_factory=list)

    def made(self) -> Draft | Missing:
        values = self._values()
        country = country_code(values["country"])
        if not is_country(country):
            country = ""
        area = area_of(country, self.settings.home_country) if country and self.settings.home_country else None
        kinds = self._kinds(values, country)
        self._texts(values, country)
        self._identifiers(values, country, area, kinds)
        self._defaults(values, country, area, kinds)
        self._number()
        return Missing(tuple(self.lacks), self.body) if self.lacks else Draft(self.body)

    def _lack(self, name: str, reason: str) -> None:
        self.lacks.append(Lack(name, reason))

    def _values(self) -> dict[str, str]:
        """The company's texts with what was said instead. Bills go to the billing address where there is one."""
        c = self.company
        values = {name: getattr(c, name) or "" for name in TEXTS}
        if c.billing_street or c.billing_zip or c.billing_city:
            values |= {
                name: getattr(c, f"billing_{name}") or ("" if name != "country" else values["country"])
                for name in ("street", "zip", "city", "country")
            }
        values["country"] = values["country"] or c.billing_country or ""
        values["mail"] = parted_by_spaces(c.billing_mail or c.mail or "")
        values |= {name: text for name, text in self.overrides.items() if name in TEXTS}
        return {name: tidy(text, lines=name == "street") for name, text in values.items()}

    def _kinds(self, values: Mapping[str, str], country: str) -> frozenset[Buyer]:
        """What kinds of customer the company may be."""
        if said := self.overrides.get("kind"):
            return frozenset({Buyer(said)})
        name = normal_name(values["name"])
        if name.legal_form:
            return frozenset({Buyer.FIRM})
        if country in ("DK", "") and is_public_name(values["name"]):
            return frozenset({Buyer.PUBLIC})
        if values["ean"]:  # public bodies have one, and so have firms that deliver to them
            return frozenset({Buyer.FIRM, Buyer.PUBLIC})
        if cvr_key(values["vat"]):
            return frozenset({Buyer.FIRM})
        return frozenset({Buyer.FIRM, Buyer.PERSON})

    def _texts(self, values: Mapping[str, str], country: str) -> None:
        if not values["name"]:
            self._lack("name", "a debtor must have a name")
        for name, text in values.items():
            if name == "country" and country:
                text = country_name(country)
            if name in ("vat", "pno", "ean") or not text:
                continue
            self.body[TEXTS[name][0]] = text
            self._fit(name, text)

    def _fit(self, name: str, text: str) -> bool:
        if why := unfit(name, text):
            self._lack(name, why)
        return why is None

    def _identifiers(self, values: Mapping[str, str], country: str, area: Area | None, kinds: frozenset[Buyer]) -> None:
        self._vat(values["vat"] if cvr_key(values["vat"]) else "", country, area, kinds)
        ean = joined_digits(values["ean"])
        if ean:
            self.body["ean"] = ean
            self._fit("ean", ean)
        elif kinds == {Buyer.PUBLIC} and country in ("DK", "") and "ean" not in self.overrides:
            self._lack("ean", "a public body takes invoices by its EAN number: give it, or leave it empty on purpose")
        pno = joined_digits(values["pno"])
        if pno:
            self.body["p_number"] = pno
            self._fit("pno", pno)

    def _vat(self, vat: str, country: str, area: Area | None, kinds: frozenset[Buyer]) -> None:
        """
        A number that VAT depends on must be well formed; elsewhere e-conomic takes any text.

        Where debtors have a VAT number of their own a well-formed one is that, too; at home a firm may be known by its
        registration alone.
        """
        if not vat:
            on_purpose = "vat" in self.overrides and "vat_zone" in self.overrides
            if area is Area.EU and Buyer.PERSON not in kinds and not on_purpose:
                self._lack(
                    "vat",
                    f"a firm in {country_name(country)} needs its VAT number: without one it is charged like a private"
                    " person",
                )
            return
        self.body["cvr"] = vat
        if self.settings.has_vat_numbers and country and is_vat_number(vat, country):
            self.body["vat_number"] = identifiers.cvr_number(vat, country)
        if not self._fit("vat", vat):
            return
        if area is Area.EU and kinds != {Buyer.PERSON}:
            if not is_vat_number(vat, country):
                self._lack("vat", f"{vat} is no VAT number of {country_name(country)}: correct it")
        elif country == "DK":
            digits = cvr_key(vat)
            if len(digits) == 8 and digits.isdigit():
                self.body["cvr"] = digits
            else:
                self._lack("vat", f"{vat} is no CVR number, which has 8 digits: correct it, or leave it empty")

    def _defaults(self, values: Mapping[str, str], country: str, area: Area | None, kinds: frozenset[Buyer]) -> None:
        choices: dict[str, set[str]] = {}
        for name in DEFAULTED:
            if name in self.overrides:
                choices[name] = {self.overrides[name]}
            elif name == "vat_zone":
                choices[name] = {self._vat_zone(country, area, kind) for kind in kinds}
            else:
                choices[name] = {self._default(name, country, area, kind) for kind in kinds}
        differ = [name for name, found in choices.items() if len(found) > 1]
        if area is Area.EU and kinds == {Buyer.FIRM, Buyer.PERSON} and "vat_zone" not in self.overrides:
            differ = differ or ["vat_zone"]  # a firm there must show its VAT number, a private person has none
        if differ:
            said = " or ".join(_WHO[kind][0] for kind in sorted(kinds))
            self._lack("kind", f"{said}? It decides on {', '.join(LABELS[name] for name in differ)}")
        for name, found in choices.items():
            if len(found) == 1:
                self._choose(name, found.pop(), country, area, kinds)

    def _default(self, name: str, country: str, area: Area | None, kind: Buyer) -> str:
        for scope in scopes(country, area, kind):
            if value := self.settings.defaults.get(scope, {}).get(name):
                return value
        if name == "currency":
            return self.settings.base_currency or ""
        entries = self.lists.get(DEFAULTED[name], {})
        return next(iter(entries)) if len(entries) == 1 and name != "layout" else ""

    def _vat_zone(self, country: str, area: Area | None, kind: Buyer) -> str:
        """Private people abroad are domestic unless the settings say otherwise for just them (crm.md §6)."""
        if area is None:
            return ""
        own = [f"{country} {kind}", f"{area} {kind}"] if kind is Buyer.PERSON else [*scopes(country, area, kind)][:4]
        if kind is Buyer.PERSON:
            own += [f"{Area.DOMESTIC} {kind}", Area.DOMESTIC.value, self.settings.home_country or ""]
        return next((zone for scope in own if (zone := self.settings.defaults.get(scope, {}).get("vat_zone"))), "")

    def _choose(self, name: str, key: str, country: str, area: Area | None, kinds: Iterable[Buyer]) -> None:
        label, entries = LABELS[name], self.lists.get(DEFAULTED[name])
        if not key:
            if name != "layout":
                self._lack(name, self._why_not(name, country, area, kinds))
            return
        if name == "currency":
            key = key.upper()
        elif not (key.isascii() and key.isdigit()):
            self._lack(name, f"the {label} must be given by its number in e-conomic")
            return
        if entries is not None and key not in entries:
            self._lack(name, f"e-conomic has no {label} {key} any more: choose another")
            return
        self.body["debtor_group" if name == "customer_group" else name] = key if name == "currency" else int(key)

    def _why_not(self, name: str, country: str, area: Area | None, kinds: Iterable[Buyer]) -> str:
        if name == "vat_zone" and not country:
            return "country unknown: say which it is, or choose the VAT zone"
        if name == "vat_zone" and area is None:
            return "the agreement's own country is not set: `debitor agreement new-debtors NUMBER --home DK` sets it"
        where = {Area.DOMESTIC: "at home", Area.EU: "in the EU", Area.ABROAD: "abroad"}.get(area) if area else ""
        said = " and ".join(_WHO[kind][1] for kind in sorted(kinds))
        return f"the agreement's settings have no {LABELS[name]} for {said} {where}".rstrip()

    def _number(self) -> None:
        said = self.overrides.get("number")
        if said is None and self.settings.number is NumberSource.COMPANY:
            said = self.company.customer_number or ""
            if not said:
                self._lack("number", "new debtors get the company's customer number, and the company has none")
        if not said:
            return
        if said.isascii() and said.isdigit() and 1 <= int(said) <= MAX_NUMBER:
            self.body["number"] = int(said)
        else:
            self._lack("number", f"{said} is no debtor number, which is a whole number from 1 to {MAX_NUMBER}")


def is_vat_number(text: str, country: str) -> bool:
    """Whether a text is a well-formed VAT number of this country, with or without the country before it."""
    number = identifiers.cvr_number(text, country)
    if country == "DK":
        return number.isdigit()
    return number.startswith(country) or (country == "GR" and number.startswith("EL"))  # as Greece writes itself


_PUBLIC_WORDS = frozenset({"kommune", "politi", "universitet", "folketinget", "forsvaret", "skatteforvaltningen"})
_PUBLIC_ENDINGS = ("styrelsen", "styrelse", "ministeriet", "ministerium", "kommune")


def is_public_name(name: str) -> bool:
    """Whether a name is a Danish public body's."""
    found = words(name.casefold())
    return (
        bool(_PUBLIC_WORDS.intersection(found))
        or any(word.endswith(_PUBLIC_ENDINGS) for word in found)
        or (len(found) > 1 and found[0] == "region")
    )


def unfit(name: str, text: str) -> str | None:
    """Why e-conomic would not take a text in a field of TEXTS, or should not; None where it fits."""
    if name == "ean" and not identifiers.ean_number(text):
        return "an EAN number has 13 digits, the last one checks the others: correct it"
    if name == "pno" and not (len(text) == 10 and text.isascii() and text.isdigit()):
        return "a P-number has 10 digits: correct it, or leave it empty"
    limit = TEXTS[name][1]
    return None if len(text) <= limit else f"has {len(text)} characters, e-conomic takes {limit}: shorten it"


def joined_digits(text: str) -> str:
    """An EAN or P-number without what people part its digits by."""
    return re.sub(r"[\s.-]", "", text)


def parted_by_spaces(mails: str) -> str:
    """Several mail addresses as e-conomic has them in one field."""
    return re.sub(r"[;,]", " ", mails)


def tidy(text: str, *, lines: bool) -> str:
    """Without stray spaces and control characters; an address keeps its lines."""
    parts = re.split(r"[\r\n]+", text) if lines else [text]
    tidied = (" ".join("".join(c if c.isprintable() else " " for c in part).split()) for part in parts)
    return "\n".join(part for part in tidied if part)
