"""
The CRM's stored events about companies, acted on.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence

from domain.companies import LONGEST, LONGEST_ID, CompanyFields
from domain.crm_events import CrmEvent, Misshapen, read_stored
from domain.hints import Hint
from domain.ports import FailureReport, UnitOfWork, WorkPort
from domain.refresh_debtors import Refreshed
from domain.take_companies import Deletion, Outcome, Taken, Upsert, take_companies

AT_ONCE = 500
"""Events of one transaction: their companies stay locked until it ends."""

WHO = "crm"
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def take_company_events(work: WorkPort, hints: Sequence[Hint], *, more_time: Callable[[], bool]) -> Refreshed:
    """
    Act on the CRM's events, oldest first; what one of them says wrong is a failure of its own.

    Each event's effect, its failure and its end are one transaction.
    """
    done = Refreshed(hints=len(hints))
    for start in range(0, max(len(hints), 1), AT_ONCE):
        some = hints[start : start + AT_ONCE]
        last = start + AT_ONCE >= len(hints)
        with work.transaction(release=last) as uow:
            _take(uow, some, done)
            uow.inbox.handled([hint.id for hint in some])
        if not last and not more_time():
            done.finished = False
            break
    return done


def _take(uow: UnitOfWork, hints: Sequence[Hint], done: Refreshed) -> None:
    records: list[Upsert | Deletion] = []
    failures: list[FailureReport] = []
    for hint in hints:
        try:
            records.append(record_of(read_stored(hint.body or ""), hint.correlation_id))
        except (Misshapen, ValueError, KeyError) as error:
            failures.append(_unusable(hint, error))
    taken = take_companies(uow.companies, records, who=WHO, alerts=uow.alerts)
    done.outcomes.update(each.outcome.value for each in taken)
    done.outcomes["unusable"] += len(failures)
    last = {
        failure_subject(record.crm_id): each
        for record, each in zip(records, taken, strict=True)
        if each.outcome is not Outcome.SUPERSEDED  # it says nothing of how things are now
    }
    merged = {crm_id: each for crm_id, each in last.items() if each.outcome is Outcome.MERGED}
    uow.failures.resolve("company", last.keys() - merged.keys())
    uow.failures.report([*failures, *(_still_alive(crm_id, each) for crm_id, each in merged.items())])


def record_of(event: CrmEvent, cause: str | None = None) -> Upsert | Deletion:
    """
    What an event says of a company.

    Raises:
        Misshapen: a field is longer than can be, or empty where it must not be.
    """
    crm_id = str(event.data["id"]).strip()
    if not crm_id or len(crm_id) > LONGEST_ID:
        raise Misshapen("data.id", f"must have 1 to {LONGEST_ID} characters")
    stamp = microseconds(event.timestamp)
    if event.type == "company.deleted":
        return Deletion(crm_id, stamp, cause)
    return Upsert(company_values(event.data), crm_id, stamp, cause)


def company_values(data: Mapping[str, object], *, where: str = "data.") -> dict[str, str | None]:
    """
    The fields of a company that a body speaks of; blank text is None.

    Raises:
        Misshapen: naming the field, `where` before it.
    """
    values: dict[str, str | None] = {}
    for name in CompanyFields._fields:
        if name not in data:
            continue
        value = data[name]
        if value is not None and not isinstance(value, str):
            raise Misshapen(where + name, "must be text")
        text = (value or "").strip()
        if len(text) > LONGEST[name]:
            raise Misshapen(where + name, f"is longer than {LONGEST[name]:,} characters")
        values[name] = text or None
    if not values.get("name"):
        raise Misshapen(f"{where}name", "is missing")
    return values


def microseconds(moment: dt.datetime) -> int:
    """Since 1970, exactly: what orders the CRM's words on either database."""
    return (moment - _EPOCH) // dt.timedelta(microseconds=1)


def failure_subject(crm_id: str | None) -> str:
    """What a failure about a company of the CRM is filed under."""
    return (crm_id or "")[:64]


def _unusable(hint: Hint, error: Exception) -> FailureReport:
    return FailureReport(
        "crm event",
        str(hint.id),
        "unusable",
        f"The CRM's event about a company cannot be used: {error}.",
        "Correct the field in the CRM, where it sends the company again; then dismiss this.",
        hint.body,
    )


def _still_alive(crm_id: str, taken: Taken) -> FailureReport:
    return FailureReport(
        "company",
        crm_id,
        "still_alive",
        f"The CRM still changes company {crm_id}, which was merged into another here.",
        "Merge or delete it in the CRM as well, or undo the merge here. Only its own copy was changed.",
        None if taken.company is None else f"Debitor's company {taken.company}",
    )
