"""
What the mirror's changes are told as: debtors updated, deleted, re-numbered; invoices booked and paid.

Only what an event or the poller brought is told, and only where an endpoint takes it. A resync tells nothing: it
compares what nobody announced, at first the whole history (docs/decisions/0012).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from domain.debtors import Debtor, DebtorChanges
from domain.events import EventType, NewEvent, company_subject, debtor_subject
from domain.invoices import Invoice, Line

NEWLY_BOOKED = dt.timedelta(days=31)
"""An invoice met for the first time that is dated before is history, not news: a first resync may be under way."""

DEBTOR_TYPES = frozenset({EventType.DEBTOR_UPDATED, EventType.DEBTOR_DELETED, EventType.DEBTOR_RENUMBERED})
INVOICE_TYPES = frozenset({EventType.INVOICE_BOOKED, EventType.INVOICE_PAID})

_MONEY = ("credit_limit", "balance", "due_amount")


class Party(NamedTuple):
    """A debtor as an event names it; `company` and `crm_id` are of the company it is linked to, if any."""

    id: int
    number: int
    name: str
    in_scope: bool
    company: int | None = None
    crm_id: str | None = None


def money(amount: Decimal | None) -> str | None:
    """Exact, with two decimals at least: `200.00`, `0.125`."""
    if amount is None:
        return None
    whole, _, decimals = f"{amount:f}".partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(2, '0')}"


def told_debtors(
    agreement: int, changes: DebtorChanges, before: Mapping[int, Party], wanted: Collection[str]
) -> list[NewEvent]:
    """
    What changes of debtors are told as.

    Args:
        before: the rows that change or become tombstones, by id, as they were.
        wanted: the types somebody takes.
    """
    events: list[NewEvent] = []
    for row_id, debtor in changes.update:
        party = before.get(row_id)
        if party is None or not party.in_scope:
            continue
        moved = party.number != debtor.number
        data: dict[str, object] = {"company": _company(party), "debtor": _debtor(debtor)}
        if moved:
            data["former_number"] = party.number
        kind = EventType.DEBTOR_RENUMBERED if moved else EventType.DEBTOR_UPDATED
        events.append(NewEvent(kind, _subject(agreement, party), data))
    for row_id in changes.bury:
        party = before.get(row_id)
        if party is not None and party.in_scope:
            gone = {"company": _company(party), "debtor": {"number": party.number, "name": party.name}}
            events.append(NewEvent(EventType.DEBTOR_DELETED, _subject(agreement, party), gone))
    return [event for event in events if event.type in wanted]


def told_invoices(
    agreement: int,
    booked: Iterable[Invoice],
    paid: Iterable[Invoice],
    owners: Mapping[int, Party],
    lines: Mapping[int, Sequence[Line]],
    wanted: Collection[str],
    *,
    today: dt.date,
) -> list[NewEvent]:
    """
    What new and newly paid invoices are told as; one that is paid when it is first met is told as both.

    Args:
        owners: whose invoices they are, by number; one without an owner is told without a company.
        lines: of those whose lines were read just now.
    """
    news = [invoice for invoice in booked if invoice.date >= today - NEWLY_BOOKED]
    told = [(EventType.INVOICE_BOOKED, invoice) for invoice in news]
    told += [(EventType.INVOICE_PAID, invoice) for invoice in news if invoice.gross and not invoice.remainder]
    told += [(EventType.INVOICE_PAID, invoice) for invoice in paid]
    events = []
    for kind, invoice in told:
        party = owners.get(invoice.number)
        if kind not in wanted or (party is not None and not party.in_scope):
            continue
        data: dict[str, object] = {
            "number": invoice.number,
            "debtor": invoice.debtor_number,
            "company": _company(party),
            "date": invoice.date,
            "due": invoice.due,
            "currency": invoice.currency,
            "net": money(invoice.net),
            "gross": money(invoice.gross),
            "open": money(invoice.remainder),
        }
        if kind is EventType.INVOICE_BOOKED:
            data["lines"] = len(lines[invoice.number]) if invoice.number in lines else None
        subject = f"invoice {agreement} {invoice.number}" if party is None else _subject(agreement, party)
        events.append(NewEvent(kind, subject, data))
    return events


def _subject(agreement: int, party: Party) -> str:
    return debtor_subject(agreement, party.id) if party.company is None else company_subject(party.company)


def _company(party: Party | None) -> dict[str, object] | None:
    """As the CRM knows it; one that is not of the CRM has no id there."""
    return None if party is None or party.company is None else {"id": party.crm_id}


def _debtor(debtor: Debtor) -> dict[str, object]:
    content = debtor._asdict()
    return {**content, **{name: money(content[name]) for name in _MONEY}}
