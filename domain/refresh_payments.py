"""
Use case: look for payments, of which no webhook tells.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from domain.accounting_api import AccountingApi
from domain.debtor_reader import last_number, listed
from domain.debtors import MAX_NUMBER
from domain.hints import Hint, Kind, NewHint, Source
from domain.invoices import Invoice
from domain.ports import UnitOfWork, WorkPort
from domain.refresh_debtors import Refreshed

OPEN_AT_ONCE = 10_000


def refresh_payments(
    work: WorkPort, api: AccountingApi, hints: Sequence[Hint], *, more_time: Callable[[], bool]
) -> Refreshed:
    """
    Compare what is still to be paid with e-conomic's list of unpaid invoices: no webhook tells of a payment.

    Whatever differs gets a hint of its own and is read like any other invoice. When time is up, a hint with the
    last number compared stands for the rest of the list; newer hints wait until that is done.

    Raises:
        TransientError: the agreement's work has to wait.

    Source: e-conomic.md §5.13.
    """
    done = Refreshed(hints=len(hints))
    begun = [hint for hint in hints if hint.new is not None] or list(hints)
    after = min((hint.new or 0 for hint in begun), default=0)
    cause = begun[-1].correlation_id if begun else ""
    while True:
        page = listed(api.unpaid_after, after)
        last = last_number(page, after) if page.more else MAX_NUMBER
        done.finished = not page.more and len(begun) == len(hints)
        rests = not page.more or not more_time()
        with work.transaction(release=done.finished) as uow:
            changed = sorted(_paid_since(uow, page.items, after, last))
            asked = [NewHint(work.agreement, Kind.INVOICES, Source.PAYMENT, cause, n, n) for n in changed]
            uow.inbox.add(asked)
            if rests:
                uow.inbox.handled([hint.id for hint in begun])
                if page.more:
                    uow.inbox.add([NewHint(work.agreement, Kind.PAYMENTS, Source.PAYMENT, cause, None, last)])
        done.outcomes["asked"] += len(asked)
        if rests:
            return done
        after = last


def _paid_since(uow: UnitOfWork, unpaid: Sequence[Invoice], after: int, last: int) -> set[int]:
    """Invoices above `after`, up to `last`, whose remainder is another one in the mirror than in e-conomic's list."""
    stored = uow.invoices.stored([invoice.number for invoice in unpaid])
    listed_ones = {invoice.number for invoice in unpaid}
    changed = {
        invoice.number
        for invoice in unpaid
        if invoice.number not in stored or stored[invoice.number].remainder != invoice.remainder
    }
    while True:
        open_ones = uow.invoices.open_numbers(after, OPEN_AT_ONCE)
        changed.update(number for number in open_ones if number <= last and number not in listed_ones)
        if len(open_ones) < OPEN_AT_ONCE or open_ones[-1] >= last:
            return changed
        after = open_ones[-1]
