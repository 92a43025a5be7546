"""
The JSON of debtors, invoices, failures and runs: snake_case, times UTC ending in Z, money as exact decimal strings.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from domain.alerts import IN_WORDS, RecordKind
from domain.answer_alerts import Answered
from domain.matching.verdicts import Candidate
from domain.questions import Outcome
from domain.reference import DEBTOR, LINE, Fields, Listing
from domain.told import money
from infra.database.alert_views import Alert, Known
from infra.database.api_views import Debtor, Invoice, Line
from infra.database.company_views import Company, Named
from infra.database.dialect import time_text
from infra.database.failure_list import Failure
from infra.database.import_views import Parts, Shown
from infra.database.runs import Run
from infra.database.views_names import Names

Json = dict[str, object]

DEBTOR_NAMES: Fields = {field: which for field, which in DEBTOR.items() if field != "currency"}
_INNER = ("by_itself", "who")
"""Options of a run that nobody gives."""

INVOICE_NAMES: Fields = {"layout": Listing.LAYOUTS, "sales_person": Listing.EMPLOYEES}


def quantity(amount: Decimal | None) -> str | None:
    """Exact, without needless decimals: `2`, `0.5`."""
    if amount is None:
        return None
    whole, _, decimals = f"{amount:f}".partition(".")
    decimals = decimals.rstrip("0")
    return f"{whole}.{decimals}" if decimals else whole


def time(moment: dt.datetime | None) -> str | None:
    """`2026-05-04T09:12:31.000Z`."""
    return None if moment is None else time_text(moment)


def day(date: dt.date | None) -> str | None:
    """`2026-05-04`."""
    return None if date is None else date.isoformat()


def named(row: Debtor | Invoice | Line, fields: Fields, names: Names) -> Json:
    """`layout_name` beside `layout`, and so on; null where nobody has a name."""
    return {f"{field}_name": names.of(which, getattr(row, field)) for field, which in fields.items()}


def debtor(row: Debtor, base_currency: str | None, names: Names) -> Json:
    """A debtor; the amounts are in `base_currency`, `currency` is the one it is invoiced in."""
    return {
        **row._asdict(),
        **named(row, DEBTOR_NAMES, names),
        "credit_limit": money(row.credit_limit),
        "balance": money(row.balance),
        "due_amount": money(row.due_amount),
        "base_currency": base_currency,
        "last_updated": time(row.last_updated),
        "read_at": time(row.read_at),
        "gone_at": time(row.gone_at),
    }


def invoice(row: Invoice, base_currency: str | None, names: Names, lines: Iterable[Line] | None = None) -> Json:
    """An invoice; `lines` only where one invoice is asked for."""
    shown: Json = {
        "number": row.number,
        "debtor": row.debtor_number,
        "date": day(row.date),
        "due": day(row.due),
        "currency": row.currency,
        "net": money(row.net),
        "vat": money(row.vat),
        "gross": money(row.gross),
        "open": money(row.remainder),
        "exchange_rate": quantity(row.exchange_rate),
        "base_currency": base_currency,
        "net_base": money(row.net_base),
        "gross_base": money(row.gross_base),
        "open_base": money(row.remainder_base),
        "payment_terms": row.payment_terms,
        "layout": row.layout,
        "sales_person": row.sales_person,
        **named(row, INVOICE_NAMES, names),
        "payment_terms_name": row.payment_terms_name or names.of(Listing.PAYMENT_TERMS, row.payment_terms),
        "order_number": row.order_number,
        "other_reference": row.other_reference,
        "heading": row.heading,
        "recipient": {
            "name": row.recipient_name,
            "address": row.recipient_address,
            "zip": row.recipient_zip,
            "city": row.recipient_city,
            "country": row.recipient_country,
            "ean": row.recipient_ean,
            "cvr": row.recipient_cvr,
            "vat_zone": row.recipient_vat_zone,
            "vat_zone_name": names.of(Listing.VAT_ZONES, row.recipient_vat_zone),
        },
        "lines_state": row.lines_state,
    }
    if lines is not None:
        shown["lines"] = [line(each, names) for each in lines]
    return shown


def line(row: Line, names: Names) -> Json:
    """One line; the amounts are in the invoice's currency."""
    return {
        "number": row.number,
        "position": row.position,
        "product": row.product,
        "description": row.description,
        "quantity": quantity(row.quantity),
        "unit": row.unit,
        **named(row, LINE, names),
        "unit_price": money(row.unit_price),
        "discount_pct": quantity(row.discount_pct),
        "vat_rate": quantity(row.vat_rate),
        "net": money(row.net),
    }


def failure(row: Failure) -> Json:
    """A failure; `kind` and `subject` say which thing."""
    return {
        "id": row.id,
        "agreement": row.agreement,
        "kind": row.subject_kind,
        "subject": row.subject,
        "reason": row.reason,
        "message": row.message,
        "advice": row.advice,
        "detail": row.detail,
        "state": row.state,
        "note": row.note,
        "times": row.times,
        "first_seen_at": time(row.first_seen_at),
        "last_seen_at": time(row.last_seen_at),
        "ended_at": time(row.ended_at),
    }


def run(row: Run) -> Json:
    """A run, with the options a person has; `read` of `total` records of the phase it is in, `total` null = unknown."""
    return {
        "id": row.id,
        "type": row.type,
        "agreement": row.agreement,
        "state": row.state,
        "options": {name: value for name, value in row.options.items() if name not in _INNER},
        "phase": row.progress.get("phase"),
        "read": row.progress.get("read", 0),
        "total": row.progress.get("total"),
        "counts": row.counts,
        "message": row.message,
        "created_at": time(row.created_at),
        "started_at": time(row.started_at),
        "finished_at": time(row.finished_at),
    }


def import_row(shown: Shown) -> Json:
    """What an import says and did about a debtor; a company that is only about to be made is its debtor's number."""
    row, names = shown
    judgement, done = row.judgement, row.done
    company = done.company if done is not None and done.company is not None else None
    if company is None and judgement is not None:
        company = judgement.company
    changed = done.changed if done is not None else judgement.changed if judgement is not None else {}
    return {
        "debtor": row.content.number,
        "name": row.content.values.get("name"),
        "verdict": None if judgement is None else judgement.verdict.value,
        "company": None if company is None else _named(company, names),
        "joins": None if judgement is None else judgement.joins,
        "score": None if judgement is None else judgement.score,
        "candidates": [] if judgement is None else [_candidate(each, names) for each in judgement.candidates],
        "changed": {name: list(pair) for name, pair in changed.items()},
        "not_taken": {} if judgement is None else {name: theirs for name, (theirs, _) in judgement.refused.items()},
        "note": None if judgement is None else judgement.note,
        "done": None if done is None else done.outcome.value,
        "done_note": None if done is None else done.note,
        "reverted": None if row.reverted is None else row.reverted.value,
        "reverted_note": row.revert_note,
    }


def _named(company: int, names: Mapping[int, Named]) -> Json:
    found = names.get(company)
    return {"debitor_id": company, "id": found.crm_id if found else None, "name": found.name if found else None}


def _candidate(candidate: Candidate, names: Mapping[int, Named]) -> Json:
    new = candidate.company < 0
    return {
        "company": None if new else _named(candidate.company, names),
        "new_of_debtor": -candidate.company if new else None,
        "score": candidate.score,
        "reasons": [reason.text() for reason in candidate.reasons],
        "against": [reason.text() for reason in candidate.against],
    }


def checks(asked: Sequence[Shown], parts: Parts) -> Json:
    """The links a person is asked about, and the share of right links that follows from the answers, 0-1."""
    return {
        "links": [
            {
                **import_row(each),
                "sample": None if each.row.tick is None else each.row.tick.sample.value,
                "right": None if each.row.tick is None else each.row.tick.right,
            }
            for each in asked
        ],
        "precision": parts.as_json(),
    }


def company(row: Company) -> Json:
    """A company; `id` is the CRM's."""
    return {
        "id": row.crm_id,
        "debitor_id": row.id,
        **row.fields._asdict(),
        "debtors": [each._asdict() for each in row.debtors],
        "differences": [{**each._asdict(), "since": time(each.since)} for each in row.differences],
        "created_at": time(row.created_at),
        "changed_at": time(row.changed_at),
        "deleted_at": time(row.deleted_at),
    }


def alert(row: Alert) -> Json:
    """A group of records that may be one; `id` is the `group` of its events."""
    return {
        "id": row.id,
        "reason": row.reason.value,
        "why": IN_WORDS[row.reason],
        "state": row.state,
        "score": row.score,
        "records": [
            {
                **known(each.record),
                "candidates": [
                    {
                        **known(candidate.company),
                        "score": candidate.score,
                        "reasons": candidate.reasons,
                        "against": candidate.against,
                    }
                    for candidate in each.candidates
                ],
                "proposed": each.proposed,
                "ending": each.ending,
                "ended_by": each.by,
                "ended_at": time(each.at),
                "decision": each.decision,
            }
            for each in row.records
        ],
        "joined_to": row.joined_to,
        "raised_at": time(row.raised_at),
        "changed_at": time(row.changed_at),
        "closed_at": time(row.closed_at),
    }


def known(row: Known) -> Json:
    """A debtor or company; of a company `id` is the CRM's."""
    shown = row._asdict()
    own, crm_id, agreement, number = (shown.pop(name) for name in ("id", "crm_id", "agreement", "number"))
    which = {"agreement": agreement, "number": number}
    if row.kind is RecordKind.COMPANY:
        which = {"id": crm_id, "debitor_id": own}
    return {"kind": row.kind.value, **which, **{name: value for name, value in shown.items() if name != "kind"}}


def answered(done: Answered) -> Json:
    """What was answered; `decision` takes it back."""
    return {"decision": done.decision, "outcomes": [outcome(each) for each in done.outcomes]}


def outcome(row: Outcome) -> Json:
    """What became of one record; `problem` says why it was left as it is."""
    return {
        "alert": row.alert,
        "record": row.name,
        "ending": row.ending,
        "company": row.company,
        "problem": row.problem,
        "kept": list(row.kept),
    }
