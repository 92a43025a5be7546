"""
The normal forms of companies and debtors: what matching compares, made from the values as they are stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from domain.companies import Values
from domain.countries import country_code
from domain.matching.records import RawRecord, Record, normalise

_COMPARED = ("name", "department", "street", "zip", "city", "country", "vat", "pno", "ean", "phone", "mail", "web")


def company_form(values: Values, crm_id: str | None = None) -> Record:
    """A company's values as matching compares them; those of the last batch are remembered."""
    return _of_company(*(values.get(name) or "" for name in (*_COMPARED, "customer_number")), crm_id or "")


@lru_cache(maxsize=8_192)
def _of_company(*text: str) -> Record:
    name, department, street, zip_code, city, country, vat, pno, ean, phone, mail, web, number, crm_id = text
    return normalise(
        RawRecord(
            name=name,
            department=department,
            street=street,
            zip=zip_code,
            city=city,
            country=country_code(country),
            cvr=vat,
            p_number=pno,
            ean=ean,
            phones=(phone,) if phone else (),
            mail=mail,
            web=web,
            own_id=crm_id,
            customer_number=number,
        )
    )


def debtor_form(values: Mapping[str, object]) -> Record:
    """
    A debtor as matching compares it.

    Args:
        values: the debtor's columns by name.
    """

    def text(name: str) -> str:
        value = values.get(name)
        return "" if value is None else str(value)

    return normalise(
        RawRecord(
            name=text("name"),
            street=text("address"),
            zip=text("zip"),
            city=text("city"),
            country=country_code(text("country")),
            cvr=text("cvr") or text("vat_number"),
            p_number=text("p_number"),
            ean=text("ean"),
            phones=tuple(filter(None, (text("phone"), text("mobile")))),
            mail=text("email"),
            web=text("website"),
            customer_number=text("number"),
        )
    )
