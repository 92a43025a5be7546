"""
A record as it came, and its normal form: debtors and companies alike.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from domain.matching import identifiers
from domain.matching.addresses import normal_address
from domain.matching.names import normal_name
from domain.matching.text import LONGEST, fold

_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f\x85\u2028\u2029\u200b\ufeff\ud800-\udfff]+")
_ADDRESS_LINE = re.compile(r"^\s*(?:\d+\s+\S+\s+\S+|[^\W\d].{3,}\s\d+\s?[a-zA-Z]?\s*$|(?:DK-)?\d{4}\s+[^\W\d])")
_NAME_LIMIT = 2_000


@dataclass(frozen=True, slots=True)
class RawRecord:
    """
    One debtor or company as stored or sent; absent is "".

    Attributes:
        own_id: the CRM's id: of the company itself, or the one a debtor or event names as its company.
        customer_number: the debtor's number, or the one a company claims to have.
        country: ISO 3166 code of two letters, or "" when unknown; a phone without country code belongs to it.
        phones: any fields that hold phone numbers, most important first.
    """

    name: str = ""
    department: str = ""
    street: str = ""
    zip: str = ""
    city: str = ""
    country: str = ""
    cvr: str = ""
    p_number: str = ""
    ean: str = ""
    phones: tuple[str, ...] = ()
    mail: str = ""
    web: str = ""
    own_id: str = ""
    customer_number: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """
    A normalised record; absent is "". Fields are those of `names.Name`, `addresses.Address` and `identifiers`.

    Attributes:
        phones: at most three numbers joined by spaces.
        domains: own domains of mail and web joined by spaces; none of a mail provider.
    """

    name: str = ""
    legal_form: str = ""
    owner: str = ""
    department: str = ""
    street: str = ""
    direction: str = ""
    kind: str = ""
    house: str = ""
    house_end: str = ""
    zip: str = ""
    city: str = ""
    country: str = ""
    cvr: str = ""
    p_number: str = ""
    ean: str = ""
    phones: str = ""
    mail: str = ""
    domains: str = ""
    own_id: str = ""
    customer_number: str = ""

    def packed(self) -> str:
        """One text of 60 to 200 characters to be stored; equal exactly when the records are."""
        return "\x1f".join([getattr(self, name) for name in self.__slots__])

    @classmethod
    def unpacked(cls, text: str) -> Record:
        """Raises TypeError if the text has another number of fields than `packed` gives: it must be made anew."""
        return cls(*text.split("\x1f"))


def normalise(raw: RawRecord) -> Record:
    """The normal form; any text is accepted, of any length, and costs about 50 µs."""
    country = raw.country.strip()[:3].upper()
    if len(country) != 2 or not (country.isascii() and country.isalpha()):
        country = ""
    name_text, street_text = _name_and_street(raw.name[:_NAME_LIMIT], raw.street[:_NAME_LIMIT])
    name = normal_name(name_text)
    address = normal_address(street_text, raw.zip, raw.city, country)
    phones: dict[str, None] = {}
    for field in raw.phones[:3]:
        if field:
            phones.update(dict.fromkeys(identifiers.phone_numbers(field, country)))
    mail = identifiers.mail_address(_plain(raw.mail)) if raw.mail else ""
    web = identifiers.web_domain(_plain(raw.web)) if raw.web else ""
    domains = dict.fromkeys(domain for domain in (identifiers.mail_domain(mail), web) if domain)
    return Record(
        name.core,
        name.legal_form,
        name.owner,
        normal_name(raw.department).core if raw.department else "",
        *address,
        country,
        identifiers.cvr_number(raw.cvr, country) if raw.cvr else "",
        identifiers.p_number(raw.p_number) if raw.p_number else "",
        identifiers.ean_number(raw.ean) if raw.ean else "",
        " ".join(list(phones)[:3]),
        mail,
        " ".join(domains),
        _plain(raw.own_id),
        _plain(raw.customer_number).lstrip("0"),
    )


def _plain(text: str) -> str:
    return _CONTROL.sub("", text[:LONGEST]).replace("\n", " ").strip()[:100]


def _name_and_street(name: str, street: str) -> tuple[str, str]:
    """Without control characters; address lines under a name are moved to where they belong."""
    name, street = _CONTROL.sub(" ", name.replace("\r", "\n")), _CONTROL.sub(" ", street.replace("\r", "\n"))
    lines = [line for line in name.split("\n") if line.strip()]
    if len(lines) < 2:
        return name, street
    ours = [line for line in lines[1:] if _ADDRESS_LINE.match(fold(line))]
    if not ours:
        return " ".join(lines), street
    return " ".join(line for line in lines if line not in ours), street if street.strip() else "\n".join(ours)
