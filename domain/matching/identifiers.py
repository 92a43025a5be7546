"""
Numbers and addresses that point at one firm when they are well formed: CVR, P-number, EAN, phone, mail, web.
"""

from __future__ import annotations

import re
from functools import lru_cache

import phonenumbers
from stdnum import ean, get_cc_module
from stdnum.dk import cvr as danish_cvr

from domain.matching.vocabulary import FREE_MAIL, SHARED_SITES

_NOT_ALPHANUMERIC = re.compile(r"[\W_]+")
_LABEL = re.compile(r"^(?:CVR|MOMS|VAT|SENR|SE(?=\d{8}$))(?:NUMMER|NUMBER|NR|NO(?=\d))?")
_COUNTRY = re.compile(r"^(?P<country>[A-Z]{2})(?P<number>.*\d.*)$")
_PHONE_SEPARATORS = re.compile(r"[;,\n]|\s/\s|\s(?:og|eller|or)\s|(?<=\d{7})/|(?:ext|lok|x)\.?:?\s?\d", re.IGNORECASE)
_HOST = re.compile(r"^(?:[a-z][a-z0-9+.-]*://)?(?:[^/@\s]*@)?(?P<host>[^/:?#\s]+)")
_MAIL = re.compile(r"[^\s@,;<>\"'()]{1,64}@[^\s@,;<>\"'()]{3,190}")
_SECOND_LEVEL = frozenset({"co", "com", "org", "net", "ac", "gov", "edu"})
LONGEST = 100


def cvr_number(text: str, country: str = "DK") -> str:
    """
    A valid company number: eight digits for Denmark, country and number elsewhere; "" for anything else.

    `Test`, `0`, a mistyped digit or a CPR number are no evidence of anything, so they do not exist here.
    """
    compact = _NOT_ALPHANUMERIC.sub("", text[:LONGEST]).upper()
    if not any(c.isdigit() for c in compact):
        return ""
    compact = _LABEL.sub("", compact)
    if found := _COUNTRY.match(compact):
        country, compact = found["country"], found["number"]
    if country in ("", "DK"):
        digits = compact.lstrip("0")
        if digits.isascii() and danish_cvr.is_valid(digits) and len(set(digits)) > 1:
            return digits
        return ""
    return _foreign(country, compact)


@lru_cache(maxsize=64)
def _vat_module(country: str) -> object:
    known = len(country) == 2 and country.isascii() and country.isalpha()  # it becomes part of a module's name
    return get_cc_module(country, "vat") if known else None


def _foreign(country: str, compact: str) -> str:
    module = _vat_module(country)
    if module is None or not module.is_valid(compact):  # type: ignore[attr-defined]
        return ""
    return f"{country}{compact}"


def p_number(text: str) -> str:
    """Ten digits, the number of a Danish place of business; "" for anything else."""
    digits = _NOT_ALPHANUMERIC.sub("", text[:LONGEST])
    return digits if len(digits) == 10 and digits.isascii() and digits.isdigit() and len(set(digits)) > 1 else ""


def ean_number(text: str) -> str:
    """Thirteen digits with a right check digit; "" for anything else."""
    digits = _NOT_ALPHANUMERIC.sub("", text[:LONGEST])
    return digits if len(digits) == 13 and ean.is_valid(digits) and len(set(digits)) > 2 else ""


def phone_numbers(text: str, country: str = "DK") -> tuple[str, ...]:
    """
    At most two numbers of one field, E.164 where they can be completed ("+4576000000").

    Digits that are no full number of the country stay as they are ("3865286", a US number without its area code):
    `same_phone` knows how far such a number can be believed.
    """
    found: list[str] = []
    for part in _PHONE_SEPARATORS.split(text[:LONGEST]):
        number = _phone(part.strip(), country or "DK")
        if number and number not in found:
            found.append(number)
    return tuple(found[:2])


def _phone(text: str, country: str) -> str:
    digits = "".join(c for c in text if c.isascii() and c.isdigit())
    if len(digits) < 6 or len(digits) > 17 or len(set(digits)) == 1:
        return ""
    international = text.startswith(("+", "00", "(+"))
    if not international and country == "DK" and len(digits) == 8:
        return f"+45{digits}" if digits[0] not in "01" else ""
    if digits.startswith("0045"):
        digits = digits[4:]
    elif digits.startswith("45") and (international or country == "DK") and len(digits) == 10:
        digits = digits[2:]
    else:
        return _other_phone(text, digits, country)
    return f"+45{digits}" if len(digits) == 8 else ""


@lru_cache(maxsize=4096)
def _other_phone(text: str, digits: str, country: str) -> str:
    text = "+" + digits[2:] if digits.startswith("00") else text
    try:
        number = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        return digits
    if not phonenumbers.is_possible_number(number) or phonenumbers.is_possible_number_with_reason(number) in (
        phonenumbers.ValidationResult.IS_POSSIBLE_LOCAL_ONLY,
    ):
        return digits
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def mail_address(text: str) -> str:
    """The first mail address of a field, in lower case."""
    found = _MAIL.search(text[:LONGEST].lower())
    return found[0].rstrip(".") if found else ""


def mail_domain(mail: str) -> str:
    """The firm's own domain; "" for a mail provider's."""
    return own_domain(mail.rpartition("@")[2]) if "@" in mail else ""


def web_domain(text: str) -> str:
    """The firm's own domain of a web address; "" for a page on somebody else's site."""
    found = _HOST.match(text[:LONGEST].strip().lower())
    return own_domain(found["host"]) if found else ""


def own_domain(host: str) -> str:
    """The registered part ("firm.dk" of "www.shop.firm.dk"), unless many firms share it."""
    host = host.strip(".").removeprefix("www.")
    if host in FREE_MAIL:
        return ""
    labels = host.split(".")
    if len(labels) < 2 or not all(labels) or labels[-1].isdigit():
        return ""
    keep = 3 if len(labels) > 2 and labels[-2] in _SECOND_LEVEL and len(labels[-1]) == 2 else 2
    domain = ".".join(labels[-keep:])
    return "" if domain in FREE_MAIL or domain in SHARED_SITES else domain
