"""
How conversions end or come to a stop, gathered over one transaction and written together at its end.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Protocol

from domain.companies import CompanyFields, LinkedHow, Owner, Side, StoredCompany, said_by_debtor, take_change
from domain.conversions import Candidate, Conversion, Needs, Save, State, Step
from domain.debtors import Debtor
from domain.events import EventType, NewEvent, company_subject
from domain.links import LinkedDebtor, NewLink, joined, note_link
from domain.new_debtor import Draft, Missing
from domain.ports import FailureReport, UnitOfWork
from domain.take_companies import CompanyChanges, told_changes

CUSTOMER = "customer"
"""The relation of a company that has become a debtor."""


class Office(Protocol):
    """What the rules need to know of settings, lists and addresses, inside a transaction."""

    def likely(self, uow: UnitOfWork, company: StoredCompany) -> Sequence[Debtor]:
        """Debtors of the mirror that may be this company."""
        ...

    def draft(self, uow: UnitOfWork, company: CompanyFields, overrides: Mapping[str, str]) -> Draft | Missing:
        """What e-conomic would be asked to create."""
        ...

    def policy(self, uow: UnitOfWork) -> str:
        """at-once, approval or not-allowed."""
        ...

    def form_url(self, conversion: int) -> str:
        """Where a person without an account may say what is missing; good for a while."""
        ...

    def new_key(self) -> str:
        """An idempotency key that was never used."""
        ...


class Ends:
    """
    One transaction's.

    Args:
        companies: conversion → its company, locked; those the CRM has not told of are left out.
        debtors: number → the debtor's row, locked, of those that may be linked.
        numbers: company → the living debtors of the agreement that it is linked to.
    """

    def __init__(
        self,
        uow: UnitOfWork,
        agreement: int,
        office: Office,
        *,
        companies: Mapping[int, StoredCompany],
        debtors: Mapping[int, LinkedDebtor],
        numbers: dict[int, list[int]],
    ) -> None:
        self._uow = uow
        self._agreement = agreement
        self._office = office
        self._companies = companies
        self._debtors = debtors
        self._numbers = numbers
        self._owned = uow.conversions.linked(debtors)
        self._owners: Mapping[int, Mapping[str, Owner]] = {}
        if debtors:
            self._owners = uow.companies.owners({company.id for company in companies.values()})
        self._saves: list[Save] = []
        self._failures: list[FailureReport] = []
        self._mended: list[int] = []
        self._events: list[NewEvent] = []
        self._changes = CompanyChanges()
        self._links: list[NewLink] = []
        self.outcomes: Counter[str] = Counter()

    def write(self) -> None:
        """Everything that was gathered; the outbox last, since its subjects stay locked."""
        uow = self._uow
        if self._links:
            uow.companies.write(self._changes, who="debitor")
            uow.matching.links.add(self._links)
        uow.conversions.save(self._saves)
        uow.failures.report(self._failures)
        if self._mended:
            uow.failures.resolve("conversion", self._mended)
        uow.outbox.add([*told_changes(self._changes), *self._events])

    def save(self, save: Save) -> None:
        """A conversion that goes on."""
        self._saves.append(save)

    def link(
        self, row: Conversion, number: int, state: State, *, how: LinkedHow, found: Candidate | None = None
    ) -> None:
        """The debtor is the company's from now on, and the company is a customer."""
        debtor, company = self._debtors.get(number), self._companies.get(row.id)
        if debtor is None or company is None:
            self.fail(row, "gone", f"Debtor {number} is gone from e-conomic again.", advice="Have it created anew")
            return
        owner = self._owned.get(number)
        if company.deleted or (owner is not None and owner[0] != company.id):
            why = "the company was deleted in the CRM" if owner is None else f"it is linked to {owner[1]}"
            ours = row._replace(said=row.said._replace(link=number), doubt=False)
            self.fail(ours, "not_linked", f"Debtor {number} cannot be linked: {why}.", advice="Mend that, and replay")
            return
        if owner is None:
            self._join(row, company, debtor, how, found)
        self.ended(row, number, state, str(debtor.values.get("name") or ""))

    def _join(
        self, row: Conversion, company: StoredCompany, debtor: LinkedDebtor, how: LinkedHow, found: Candidate | None
    ) -> None:
        change = joined(company, debtor, self._owners.get(company.id))
        if not is_customer(company.fields.relation):
            became = take_change(change.company, Side.PERSON, {"relation": CUSTOMER}, owners=None)
            change.company, change.changed = became.company, change.changed | became.changed
        note_link(self._changes, debtor, change, how)
        self._links.append(
            NewLink(
                debtor,
                company.id,
                how,
                () if found is None else found.reasons,
                said_by_debtor(debtor.values),
                row.who,
                None if found is None else found.score,
            )
        )
        self._owned[debtor.number] = company.id, company.fields.name
        self._numbers.setdefault(company.id, []).append(debtor.number)

    def ended(self, row: Conversion, number: int, state: State, name: str) -> None:
        """The company has this debtor."""
        company = self._companies[row.id]
        ended = row._replace(company=company.id).ended(state, number)
        self._saves.append(Save(ended, Step(state.value, {"debtor": number})))
        self._mended.append(row.id)
        debtor = {"number": number, "name": name, "linked_existing": state is State.LINKED}
        self._tell(EventType.DEBTOR_CREATED, row, {"debtor": debtor})
        self.outcomes[state.value] += 1

    def need(self, row: Conversion, needs: Needs, reason: str) -> None:
        """A person is asked."""
        needing = row.needing(needs, reason, in_words(needs))
        self._saves.append(Save(needing, Step("needs_input", needs.as_json())))
        self._mended.append(row.id)
        url = self._office.form_url(row.id)
        self._tell(EventType.CONVERSION_NEEDS_INPUT, row, {**needs.as_json(), "url": url})
        self.outcomes["needs_input"] += 1

    def await_approval(self, row: Conversion) -> None:
        """The bookkeeper is asked."""
        waiting = row.moved(State.WAITING_APPROVAL, reason="approval", message="The bookkeeper must approve it.")
        self._saves.append(Save(waiting._replace(told=True), Step("waiting_approval")))
        self._tell(EventType.CONVERSION_WAITING, row, waiting_data(waiting, self._office.form_url(row.id)))
        self.outcomes["waiting_approval"] += 1

    def fail(
        self,
        row: Conversion,
        reason: str,
        message: str,
        *,
        errors: Sequence[Mapping[str, str]] = (),
        advice: str = "Mend what is named, in the CRM or in e-conomic, and replay",
    ) -> None:
        """Nothing more happens by itself; `errors` name fields and reasons."""
        failed = row.moved(State.FAILED, reason=reason, message=message[:2_000])
        self._saves.append(Save(failed, Step("failed", {"reason": reason, "errors": list(errors)})))
        company = self._companies.get(row.id)
        named = f"Company {row.crm_id or f'#{row.company}'}" if company is None else company.fields.name
        said = "; ".join(f"{each['field'] or 'debtor'}: {each['reason']}" for each in errors) or message
        self._failures.append(
            FailureReport(
                "conversion",
                str(row.id),
                reason,
                f"{named} did not become a debtor: {said}",
                f"{advice}: nothing is created twice.",
                json.dumps({"conversion": row.id, "company": row.crm_id, "errors": list(errors)}, ensure_ascii=False),
            )
        )
        first = errors[0] if errors else {"field": "", "reason": message}
        data = {"field": first["field"] or None, "reason": first["reason"], "errors": list(errors)}
        self._tell(EventType.DEBTOR_CREATION_FAILED, row, data)
        self.outcomes["failed"] += 1

    def _tell(self, kind: EventType, row: Conversion, data: Mapping[str, object]) -> None:
        self._events.append(conversion_event(kind, row, self._companies.get(row.id), data))


def conversion_event(
    kind: EventType, row: Conversion, company: StoredCompany | None, data: Mapping[str, object]
) -> NewEvent:
    """A conversion's events are its company's, once the CRM has told of it."""
    crm_id, subject = row.crm_id, f"conversion {row.id}"
    if company is not None:
        crm_id, subject = company.crm_id, company_subject(company.id)
    return NewEvent(kind, subject, {"company": {"id": crm_id}, "conversion": str(row.id), **data}, row.agreement)


def waiting_data(row: Conversion, url: str) -> dict[str, object]:
    """What `conversion.waiting` says."""
    return {"reason": row.reason or "busy", "message": row.message, "url": url}


def is_customer(relation: str | None) -> bool:
    """Whether a company is one already, in the words CRMs use."""
    return (relation or "").casefold() in (CUSTOMER, "kunde")


def in_words(needs: Needs) -> str:
    """What a person is asked, in one line."""
    if needs.missing:
        return "; ".join(f"{each.field}: {each.reason}" for each in needs.missing)
    return f"{len(needs.candidates)} existing debtors may be the company." if needs.candidates else "Look in e-conomic."
