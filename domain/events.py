"""
Events for the CRM and whoever else listens (design.md §5.3).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol


class EventType(StrEnum):
    """Everything Debitor tells; the value is the event's `type` and its routing key."""

    DEBTOR_CREATED = "debtor.created"
    DEBTOR_UPDATED = "debtor.updated"
    DEBTOR_DELETED = "debtor.deleted"
    DEBTOR_RENUMBERED = "debtor.renumbered"
    DEBTOR_CREATION_FAILED = "debtor.creation_failed"
    CONVERSION_NEEDS_INPUT = "conversion.needs_input"
    CONVERSION_WAITING = "conversion.waiting"
    INVOICE_BOOKED = "invoice.booked"
    INVOICE_PAID = "invoice.paid"
    COMPANY_CREATED = "company.created"
    COMPANY_UPDATED = "company.updated"
    COMPANY_MERGED = "company.merged"
    COMPANY_UNMERGED = "company.unmerged"
    COMPANY_ERASED = "company.erased"
    DUPLICATE_FOUND = "duplicate.found"
    AGREEMENT_PAUSED = "agreement.paused"
    AGREEMENT_RESUMED = "agreement.resumed"
    IMPORT_WAITING = "import.waiting"
    CAMPAIGN_MEMBERS_ADDED = "campaign.members_added"


class NewEvent(NamedTuple):
    """
    An event to be told.

    `subject` is what it is about: `company_subject(…)` for a company and everything that happens to it, so that a
    receiver can put them in order; `agreement` is None where the event belongs to no single one. `data` is as
    design.md §5.5 shows it: plain values, `Decimal` (sent as text), dates and aware datetimes (ISO 8601).
    """

    type: EventType
    subject: str
    data: Mapping[str, object]
    agreement: int | None = None


def company_subject(company: int) -> str:
    """
    The subject of a company, by our own id of it; a merged company's events go on under the survivor's.

    Debtors and invoices of a linked company are told under it as well.
    """
    return f"company {company}"


def debtor_subject(agreement: int, debtor: int) -> str:
    """The subject of a debtor that belongs to no company, by our own id of it, which a re-numbering keeps."""
    return f"debtor {agreement} {debtor}"


class Outbox(Protocol):
    """Events to be told, inside one transaction."""

    def wanted(self) -> frozenset[str]:
        """The types that an endpoint of the firm takes: changes that may be many are told to nobody else."""
        ...

    def add(self, events: Sequence[NewEvent]) -> None:
        """
        They are told once this transaction is committed, and only then.

        Call it once, with all of a transaction's events, as late as can be: each subject stays locked until the end,
        and subjects are locked in order.
        """
        ...
