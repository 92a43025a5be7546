"""
Use case: read the booked invoices that hints point at, with their lines, and make the mirror agree.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence

from domain.accounting_api import AccountingApi, Unreadable
from domain.errors import PermanentError
from domain.hints import Hint, HintTracker, Kind, NewHint, Source
from domain.invoice_reader import InvoiceReader, InvoiceReadings
from domain.ports import FailureReport, Tally, UnitOfWork, WorkPort, Written
from domain.reference import ask_for_names, of_invoices
from domain.refresh_debtors import Refreshed
from domain.told import INVOICE_TYPES, told_invoices


def refresh_invoices(
    work: WorkPort, api: AccountingApi, hints: Sequence[Hint], *, more_time: Callable[[], bool]
) -> Refreshed:
    """
    Read every invoice the hints name in the fewest calls; one transaction per page.

    A stored invoice leaves a hint for its debtor, whose balance it changed.

    Raises:
        TransientError: the agreement's work has to wait; what is stored so far stays stored.
    """
    done = Refreshed(hints=len(hints))
    tracker = HintTracker(hints)
    remaining = {number for hint in hints for number in hint.numbers()}
    if not remaining:
        _finish_empty(work, hints)
    for readings in InvoiceReader(work, api, len(remaining)).read(sorted(remaining)):
        remaining -= readings.covered()
        store_invoices(work, readings, done, tracker=tracker, release=not remaining)
        if remaining and not more_time():
            break
    done.finished = not remaining  # past the bound of single reads the next slice goes on
    return done


def _finish_empty(work: WorkPort, hints: Sequence[Hint]) -> None:
    with work.transaction(release=True) as uow:
        uow.inbox.handled([hint.id for hint in hints])


def store_invoices(
    work: WorkPort,
    readings: InvoiceReadings,
    done: Refreshed,
    *,
    tracker: HintTracker | None = None,
    release: bool = False,
) -> None:
    """One transaction: headers, lines, failures, hints; a changed invoice leaves a hint for its debtor."""
    covered = readings.covered()
    causes = tracker.causes(covered) if tracker else {}
    with work.transaction(release=release) as uow:
        written = uow.invoices.write(list(readings.headers.values()), readings.stamps, causes)
        lines = uow.invoices.write_lines(readings.lines, readings.states, readings.lines_stamps)
        settle_failures(uow, readings)
        # An event's invoice may be stored already, by a resync that read its debtor before: the balance is old then.
        named = {readings.headers[number].debtor_number for number in causes if number in readings.headers}
        uow.inbox.add(debtor_hints(work.agreement, readings, written.debtors | named, causes))
        if tracker:
            uow.inbox.handled([hint.id for hint in tracker.answered(covered)])
        lists = of_invoices(readings.headers.values(), readings.all_lines())
        ask_for_names(uow, work.agreement, lists, next(iter(causes.values()), ""))
        _tell(uow, work.agreement, readings, written)
    count(done, written.tally, lines, readings)


def _tell(uow: UnitOfWork, agreement: int, readings: InvoiceReadings, written: Written) -> None:
    if not written.new and not written.paid:
        return
    wanted = uow.outbox.wanted()
    if wanted.isdisjoint(INVOICE_TYPES):
        return
    booked, paid = ([readings.headers[number] for number in numbers] for numbers in (written.new, written.paid))
    owners = uow.invoices.parties([*written.new, *written.paid])
    today = dt.datetime.now(dt.UTC).date()
    uow.outbox.add(told_invoices(agreement, booked, paid, owners, readings.lines, wanted, today=today))


def debtor_hints(
    agreement: int, readings: InvoiceReadings, debtors: set[int], causes: Mapping[int, str]
) -> list[NewHint]:
    """One hint for each debtor whose invoices changed, carrying on the invoice's correlation id."""
    cause = {header.debtor_number: causes.get(number, "") for number, header in readings.headers.items()}
    return [
        NewHint(agreement, Kind.DEBTORS, Source.INVOICE, cause.get(number, ""), number, number)
        for number in sorted(debtors)
    ]


def count(done: Refreshed, headers: Tally, lines: Tally, readings: InvoiceReadings) -> None:
    done.outcomes.update(
        {
            "created": headers.created,
            "updated": headers.updated,
            "unchanged": headers.unchanged,
            "stale": headers.stale,
            "lines": lines.created,
            "absent": len(readings.absent),
            "unreadable": len(readings.unreadable),
            "lines_unverified": readings.count_doubtful(),
        }
    )


def settle_failures(uow: UnitOfWork, readings: InvoiceReadings) -> None:
    """Close the failures of what succeeded, and report what did not."""
    uow.failures.resolve("invoice", readings.headers)
    uow.failures.report([*unreadable_invoices(readings.unreadable), *_absent(readings.absent)])
    if readings.refused is not None:
        uow.failures.report([lines_refused(readings.refused)])


def unreadable_invoices(unreadable: Iterable[Unreadable]) -> list[FailureReport]:
    return [
        FailureReport(
            "invoice",
            str(bad.number) if bad.number is not None else "unknown number",
            "unreadable",
            f"e-conomic's answer for this invoice cannot be stored: {bad.problem}",
            "Look the invoice up in e-conomic; when it reads well there, replay.",
        )
        for bad in unreadable
    ]


def _absent(numbers: Iterable[int]) -> list[FailureReport]:
    return [
        FailureReport(
            "invoice",
            str(number),
            "not_found",
            "An event named this invoice, but e-conomic does not know a booked invoice of that number.",
            "Compare the number with e-conomic; if it is booked there, replay, otherwise dismiss.",
        )
        for number in numbers
    ]


def lines_refused(error: PermanentError) -> FailureReport:
    return FailureReport(
        "lines",
        "invoices",
        error.reason,
        f"e-conomic refuses the bulk list of invoice lines: {error}",
        "Check the app's roles and DEBITOR_ECONOMIC_Q2C_URL (an old version may be retired), then"
        " debitor resync NUMBER --invoices. Headers are stored, lines wait.",
    )


def turn_into_failures(uow: UnitOfWork, hints: Sequence[Hint]) -> None:
    """Events nobody can use: each becomes a failure with the body it came with."""
    uow.failures.report(_unusable(hint) for hint in hints)
    uow.inbox.handled([hint.id for hint in hints])


def _unusable(hint: Hint) -> FailureReport:
    if hint.webhook_id is not None:
        return FailureReport(
            "crm event",
            str(hint.id),
            "unknown_type",
            "The CRM sent an event of a type that Debitor does not know.",
            "Have the CRM send only company.upserted, company.deleted and prospect.converted; then dismiss this.",
            hint.body,
        )
    return FailureReport(
        "hook",
        str(hint.id),
        "unusable",
        "e-conomic's webhook was authenticated, but holds no debtor or invoice number.",
        "Compare the webhook's address and body in e-conomic with `debitor agreement webhooks NUMBER --print`.",
        hint.body,
    )
