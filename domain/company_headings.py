"""
What the columns of a company file may be called: ChannelCRM's own headings, and plain ones in Danish and English.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

from domain.companies import CompanyFields

CRM_ID, CHANGED = "id", "changed"
"""What a column may hold besides fields: the CRM's id of the company, and when the row was true."""

CHANNELCRM = {
    CRM_ID: "company.id",
    "relation": "company.relationprim",
    "account_manager": "company.kam",
    "customer_number": "company.financekey",
    "other_key": "company.otherkey",
    **{f"billing_{name}": f"company.finance{name}" for name in ("name", "street", "zip", "city", "country", "mail")},
}
"""What ChannelCRM calls a column where it is not `company.` and the field's name."""

_PLAIN = {
    CRM_ID: "id|crm id|company id|firma id|virksomheds id",
    "name": "name|company|company name|navn|firma|firmanavn|virksomhed|virksomhedsnavn",
    "department": "department|afdeling",
    "vat": "vat|vat number|vat no|cvr|cvr nr|cvr nummer|cvr number|moms nr|momsnummer|se nr",
    "pno": "pno|p number|p no|p nr|p nummer|pnr|production unit|produktionsenhed",
    "ean": "ean|ean nr|ean nummer|ean number|gln|gln nummer",
    "street": "street|address|street address|address 1|adresse|adresse 1|vej|gade|gadenavn",
    "zip": "zip|zip code|postal code|postcode|post code|postnr|post nr|postnummer",
    "city": "city|town|by|bynavn|postdistrikt",
    "country": "country|country code|land|landekode",
    "phone": "phone|phone number|telephone|tel|telefon|telefonnr|telefonnummer|tlf|tlf nr",
    "mail": "mail|email|e mail|mail address|email address|mailadresse|e mail adresse|e mailadresse",
    "web": "web|website|web site|homepage|url|www|hjemmeside|webside",
    "relation": "relation|relation type|relationstype|type",
    "customer_number": "customer number|customer no|customer nr|debtor number|debtor no|kundenummer|kundenr|kunde nr"
    "|debitornummer|debitornr|debitor nr",
    "other_key": "other key|anden nøgle|external key",
    "account_manager": "account manager|responsible|owner|kundeansvarlig|ansvarlig|sælger",
    "description": "description|note|notes|comment|beskrivelse|bemærkning|bemærkninger|noter",
    "billing_name": "billing name|invoice name|fakturanavn|faktura navn",
    "billing_street": "billing street|billing address|invoice address|fakturaadresse|faktura adresse|fakturavej",
    "billing_zip": "billing zip|billing postcode|invoice zip|fakturapostnr|faktura postnr|faktura postnummer",
    "billing_city": "billing city|invoice city|fakturaby|faktura by",
    "billing_country": "billing country|invoice country|fakturaland|faktura land",
    "billing_mail": "billing mail|billing email|invoice mail|invoice email|fakturamail|faktura mail|faktura e mail"
    "|fakturaemail",
    CHANGED: "changed|last changed|updated|last updated|modified|last modified|ændret|sidst ændret|opdateret",
}


def _folded(heading: str) -> str:
    text = unicodedata.normalize("NFC", heading).casefold().replace("company.", "company ", 1)
    return re.sub(r"[\W_]+", " ", text).strip()


def heading_of(name: str) -> str:
    """ChannelCRM's heading of a column."""
    return CHANNELCRM.get(name, f"company.{name}")


_MEANINGS = {
    **{_folded(text): name for name, texts in _PLAIN.items() for text in texts.split("|")},
    **{_folded(heading_of(name)): name for name in (CRM_ID, *CompanyFields._fields, CHANGED)},
    **{_folded(f"company.{alias}"): name for alias, name in (("companyid", CRM_ID), ("cvr", "vat"), ("email", "mail"))},
    **{_folded(f"company.{alias}"): name for alias, name in (("relation", "relation"), ("lastchanged", CHANGED))},
    **{_folded(name): name for name in CompanyFields._fields},
}


def meaning(heading: str) -> str | None:
    """The field a heading stands for; None for one that says nothing to us."""
    return _MEANINGS.get(_folded(heading))


class UnusableHeadings(Exception):
    """No row of the file can be understood; the message says why."""


class Columns(NamedTuple):
    """What each column holds, in the file's order (None: nothing of ours), and what it is called there."""

    fields: list[str | None]
    headings: list[str]

    @property
    def ignored(self) -> list[str]:
        """Headings that are not read."""
        return [text for text, name in zip(self.headings, self.fields, strict=True) if name is None and text]

    def called(self, name: str) -> str:
        """What the file calls a field."""
        return self.headings[self.fields.index(name)] if name in self.fields else name


def columns_of(headings: Sequence[str]) -> Columns:
    """
    Read the heading row.

    Raises:
        UnusableHeadings: two columns hold the same, or none holds a name or an id.
    """
    texts = [" ".join(heading.split())[:100] for heading in headings]
    while texts and not texts[-1]:
        texts.pop()
    fields = [meaning(text) for text in texts]
    for name in (CRM_ID, *CompanyFields._fields, CHANGED):
        same = [text for text, field in zip(texts, fields, strict=True) if field == name]
        if len(same) > 1:
            raise UnusableHeadings(f"columns {' and '.join(map(repr, same))} both hold the {_words(name)}: keep one")
    if "name" not in fields and CRM_ID not in fields:
        known = ", ".join(repr(text) for text in texts[:8] if text)
        raise UnusableHeadings(
            f"no column is called name, navn, company.name, id or the like{f': it has {known}' if known else ''}"
        )
    return Columns(fields, texts)


def _words(name: str) -> str:
    return name.replace("_", " ")
