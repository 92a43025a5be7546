"""
What a company's debtor is looked for by before one is made, in the mirror and in e-conomic.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import phonenumbers

from domain.companies import Values
from domain.debtors import Debtor, cvr_key
from domain.matching.names import normal_name
from domain.normal_forms import company_form


class Traces(NamedTuple):
    """
    What a debtor of a company is looked for by; empty = not by that.

    Attributes:
        cvrs: the CVR number in the ways it is written.
        phones: digits only, with and without the country.
        mail: lower case.
        name: the name without its legal form, as it is written.
        word: the first word of it, looked for where the zip is the same too.
    """

    cvrs: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()
    mail: str = ""
    name: str = ""
    word: str = ""
    zip: str = ""
    number: int | None = None


class DebtorSearch(Protocol):
    """The mirrored debtors of one agreement, as one transaction sees them."""

    def traced(self, traces: Traces) -> Sequence[Debtor]:
        """Living debtors that one of the traces leads to, a few hundred at most; index look-ups only."""
        ...

    def refused(self, company: int) -> set[int]:
        """The numbers of the debtors that somebody said this company is not."""
        ...


def traces(values: Values) -> Traces:
    """What to look for a company's debtors by."""
    form = company_form(values)
    name = plain_name(values.get("name") or "")
    number = form.customer_number
    return Traces(
        cvrs=_cvrs(values.get("vat") or ""),
        phones=tuple(dict.fromkeys(each for phone in form.phones.split() for each in _dialled(phone))),
        mail=form.mail,
        name=name if len(name) > 1 else "",
        word=name.split()[0] if form.zip and name else "",
        zip=(values.get("zip") or "").strip(),
        number=int(number) if number.isascii() and number.isdigit() and len(number) <= 9 else None,
    )


def plain_name(name: str) -> str:
    """A name as it is written, without the legal form behind it."""
    words = name.split()
    core = normal_name(name).core
    while len(words) > 1 and normal_name(" ".join(words[:-1])).core == core:
        words.pop()
    return " ".join(words).rstrip(",")


def _cvrs(text: str) -> tuple[str, ...]:
    """The ways in which people write one CVR number."""
    key = cvr_key(text)
    if not key:
        return ()
    ways = [text.strip(), key]
    if len(key) == 8 and key.isdigit():
        pairs = " ".join(key[at : at + 2] for at in range(0, 8, 2))
        ways += [prefix + digits for prefix in ("", "DK", "DK ", "DK-") for digits in (key, pairs)]
    elif digits := _digits(key):
        ways.append(digits)
    return tuple(dict.fromkeys(ways))


def _digits(key: str) -> str:
    """The number behind a country's two letters; "" when something else follows them."""
    return key[2:] if key[:2].isalpha() and key[2:].isdigit() else ""


def _dialled(phone: str) -> list[str]:
    """The digits of a phone number with and without its country."""
    digits = phone.lstrip("+")
    if not phone.startswith("+"):
        return [digits]
    try:
        number = phonenumbers.parse(phone)
    except phonenumbers.NumberParseException:
        return [digits, f"00{digits}"]
    at_home = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL)
    return [digits, f"00{digits}", "".join(c for c in at_home if c.isdigit())]
