"""
One transaction of the work on conversions: what was answered is decided and stored, what is due is taken up.

Rows are locked in one order: debtors, companies, conversions, and the outbox last.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from domain.companies import CompanyFields, LinkedHow, StoredCompany
from domain.conversion_calls import Answer
from domain.conversion_ends import Ends, Office
from domain.conversion_look import Existing, Sought, judge_existing, seek_ours, worth_storing
from domain.conversion_requests import locked_survivors
from domain.conversions import (
    LEASE_S,
    UNKNOWN_BOUND_S,
    Conversion,
    Missing,
    Needs,
    Save,
    State,
    Step,
    name_key,
)
from domain.debtor_reader import Readings
from domain.errors import AnswerLost, NumberTaken, PermanentError, Rejected, TransientError, Unavailable
from domain.links import LinkedDebtor
from domain.new_debtor import Missing as Lacking
from domain.new_debtor import outside_name
from domain.new_debtor_settings import Policy
from domain.ports import UnitOfWork
from domain.refresh_debtors import decided
from domain.trust import DeletionGuard
from domain.work import wait_s

SOON_S = 0.5
MOST_WAIT_S = 30.0  # for the CRM to tell of a company

MOST_REFUSALS = 3
"""So often a look may be refused for good before a person is told."""

MOST_BUGS = 5


class Start(NamedTuple):
    """A call to be made: a look for the company, or for what an earlier call created, or the creation."""

    conversion: Conversion
    company: CompanyFields | None = None
    number: int | None = None  # of the one debtor to be looked at
    seek: bool = False


class _Trusting(DeletionGuard):
    """For a debtor that e-conomic has just given us: whoever had its number before is gone, whatever else we know."""

    def __init__(self) -> None:
        pass

    def check(self, uow: UnitOfWork, going: Collection[int], *, foreign: bool) -> None:
        pass


class Turn:
    """One transaction's work; `outcomes` says in the end what came of it."""

    def __init__(self, uow: UnitOfWork, agreement: int, office: Office, answers: Sequence[Answer]) -> None:
        self._uow = uow
        self._agreement = agreement
        self._office = office
        self._answers = answers
        self._starts: list[Start] = []
        self.outcomes: Counter[str] = Counter()

    def taken(self, room: int, busy: Sequence[Conversion]) -> list[Start]:
        """Do it; returns the calls to be made once it is committed, at most `room` of them for what is due."""
        called = [answer.conversion for answer in self._answers]
        due = self._due(room, [*busy, *called])
        if not (due or called):
            return []
        conversions = self._uow.conversions
        self._linked = conversions.linked({debtor.number for answer in self._answers for debtor in answer.found})
        self._rows = self._store()
        self._companies = self._lock_companies([*called, *due])
        self._numbers = conversions.debtors_of({company.id for company in self._companies.values()})
        rows = conversions.lock({each.id for each in (*called, *due)})
        self._names = conversions.creating_names()
        self._ends = Ends(
            self._uow,
            self._agreement,
            self._office,
            companies=self._companies,
            debtors=self._rows,
            numbers=self._numbers,
        )
        for answer in self._answers:
            row = rows.get(answer.conversion.id)
            if row is not None and _unchanged(row, answer.conversion):
                self._settle(answer, row)
        for each in due:
            row = rows.get(each.id)
            if row is not None and row.state is each.state:
                self._take_up(row)
        self._ends.write()
        self.outcomes = self._ends.outcomes
        return self._starts

    def _due(self, room: int, busy: Sequence[Conversion]) -> list[Conversion]:
        """At most one of a name: they go one after the other."""
        if room <= 0:
            return []
        names = {each.name_key for each in busy if each.name_key is not None}
        found: list[Conversion] = []
        for each in self._uow.conversions.due(2 * room, busy=[each.id for each in busy], names=names):
            if each.name_key is None or each.name_key not in names:
                found.append(each)
            if each.name_key is not None:
                names.add(each.name_key)
            if len(found) == room:
                break
        return found

    def _lock_companies(self, conversions: Sequence[Conversion]) -> dict[int, StoredCompany]:
        """Conversion → its company, as far as the CRM has told of it."""
        companies = self._uow.companies
        unknown = {each.crm_id for each in conversions if each.company is None and each.crm_id is not None}
        known = companies.known(unknown) if unknown else {}
        ids = {each.id: each.company or known.get(each.crm_id or "") for each in conversions}
        rows = locked_survivors(companies, {company for company in ids.values() if company is not None})
        return {row_id: rows[company] for row_id, company in ids.items() if company is not None and company in rows}

    def _store(self) -> Mapping[int, LinkedDebtor]:
        """Let the mirror know the debtors that may be linked; returns their rows, locked, by number."""
        readings = Readings()
        for answer in self._answers:
            if answer.made is not None:
                readings.add(answer.stamp, answer.made.number, answer.made)
            elif answer.sought:
                for debtor in answer.found:
                    if debtor.number not in self._linked:
                        readings.add(answer.stamp, debtor.number, debtor)
            elif answer.number is not None and answer.error is None:
                readings.add(answer.stamp, answer.number, answer.found[0] if answer.found else None)
            elif answer.company is not None:
                for debtor in worth_storing(answer.company, answer.found, self._linked):
                    readings.add(answer.stamp, debtor.number, debtor)
        if not readings.read:
            return {}
        debtors = self._uow.debtors
        rising = debtors.raise_stamps(readings.stamps)
        fresh = {number: readings.read[number] for number in rising}
        changes = decided(self._uow, readings, fresh, (), _Trusting())
        debtors.write(changes, {a.made.number: a.conversion.cause or "" for a in self._answers if a.made is not None})
        debtors.adopt_invoices([number for number, debtor in fresh.items() if debtor is not None])
        living = debtors.living(readings.read)
        rows = self._uow.matching.links.debtors([row.id for row in living.values()])
        return {row.number: row for row in rows.values()}

    def _settle(self, answer: Answer, row: Conversion) -> None:
        """What an answer means for its conversion."""
        if answer.error is not None:
            self._put_off(row, answer.error)
        elif answer.made is not None:
            self._link(row, answer.made.number, State.CREATED)
        elif answer.gone:
            message = "The debtor was created and is gone from e-conomic again."
            self._ends.fail(row, "gone", message, advice="Have it created anew")
        elif answer.sought:
            self._sought(row, answer)
        elif answer.refused is not None:
            self._refused(row, answer.refused)
        else:
            self._looked(row, answer)

    def _link(self, row: Conversion, number: int, state: State) -> None:
        """What a call of ours created."""
        self._ends.link(row, number, state, how=LinkedHow.CONVERSION)
        if row.name_key is not None:
            self._names.pop(row.name_key, None)

    def _put_off(self, row: Conversion, error: Exception) -> None:
        """It could not be asked; or it was sent, and nobody knows what became of it."""
        if isinstance(error, TransientError) and not isinstance(error, AnswerLost | Unavailable):
            # Nothing was sent, or certainly nothing written: the agreement's work waits as a whole, and this one keeps
            # its place before those that nothing was begun for.
            later = row._replace(reason=error.reason, message=str(error)[:500])
            self._ends.save(Save(later, next_in_s=-row.age_s))
            return
        lost = isinstance(error, AnswerLost)
        transient = error if isinstance(error, TransientError) else Unavailable(str(error))
        later = row.put_off(transient.reason, str(error) or repr(error))._replace(doubt=row.doubt or lost)
        if isinstance(error, PermanentError) and later.attempts >= MOST_REFUSALS:
            self._ends.fail(later, error.reason, str(error))
        elif not isinstance(error, PermanentError | TransientError) and later.attempts >= MOST_BUGS:
            self._ends.fail(later, "bug", f"Debitor failed: {error!r}; see the log")
        else:
            step = Step("lost" if lost else "no_answer", {"reason": transient.reason})
            self._ends.save(Save(later, step, wait_s(transient, later.attempts)))
            self.outcomes["lost" if lost else "put_off"] += 1

    # A look before anything is created

    def _looked(self, row: Conversion, answer: Answer) -> None:
        company = self._company(row)
        if company is None or self._has_its_debtor(row, company):
            return
        if row.said.link is not None:
            if answer.found:
                self._ends.link(row, row.said.link, State.LINKED, how=LinkedHow.PERSON)
            else:
                self._ends.need(row, Needs((Missing("link", f"e-conomic has no debtor {row.said.link}"),)), "not_found")
            return
        existing = Existing() if row.said.create else self._existing(row, company, answer)
        if existing.being_made:
            self._ends.save(Save(row._replace(reason="same_name"), next_in_s=SOON_S))
        elif existing.certain is not None:
            found = existing.certain
            if found.number in self._rows:
                self._ends.link(row, found.number, State.LINKED, how=existing.how, found=found)
            else:  # seen in the mirror only: is it still there?
                self._starts.append(Start(row, row.said.about(company.fields), number=found.number))
        elif existing.doubtful:
            self._ends.need(row, Needs(candidates=existing.doubtful), "doubtful")
        elif answer.number is not None:
            self._ends.save(Save(row, next_in_s=0.0))  # the mirror was out of date: look again
        elif not (row.doubt and self._was_ours(row, answer)):
            self._draft(row, company, answer)

    def _existing(self, row: Conversion, company: StoredCompany, answer: Answer) -> Existing:
        company = company._replace(fields=row.said.about(company.fields))
        mirrored = () if answer.number is not None else self._office.likely(self._uow, company)
        linked = dict(self._linked)
        if others := {each.number for each in mirrored} - linked.keys():
            linked |= self._uow.conversions.linked(others)
        being_made = {name for name, row_id in self._names.items() if row_id != row.id}
        refused = self._uow.debtor_search.refused(company.id)
        found = [debtor for debtor in (*answer.found, *mirrored) if debtor.number not in refused]
        return judge_existing(company, found, linked=linked, being_made=being_made, second=row.second)

    def _was_ours(self, row: Conversion, answer: Answer) -> bool:
        """Whether an earlier call without an answer made one of these after all."""
        sought = self._seek(row, answer)
        if sought.ours is None or sought.ours.number not in self._rows:
            return False
        self._link(row, sought.ours.number, State.LINKED)
        return True

    def _draft(self, row: Conversion, company: StoredCompany, answer: Answer) -> None:
        policy = self._office.policy(self._uow)
        drafted = self._office.draft(self._uow, company.fields, row.said.overrides)
        if policy == Policy.NOT_ALLOWED:
            self._ends.fail(row, "not_allowed", "The agreement's settings do not let deals make debtors.")
        elif isinstance(drafted, Lacking):
            self._ends.need(row, Needs(tuple(Missing(*lack) for lack in drafted.lacks)), "incomplete")
        elif policy == Policy.APPROVAL and not row.said.approved:
            self._ends.await_approval(row)
        else:
            self._freeze(row, drafted.body, answer)

    def _freeze(self, row: Conversion, body: Mapping[str, object], answer: Answer) -> None:
        """From the end of this transaction on the key and the body stand, and the call may be made."""
        name = name_key(str(body["name"]))
        if self._names.setdefault(name, row.id) != row.id:
            self._ends.save(Save(row._replace(name_key=name, reason="same_name"), next_in_s=SOON_S))
            return
        known = [debtor.number for debtor in answer.found if name_key(debtor.name) == name]
        frozen = row.frozen(self._office.new_key(), body, known)._replace(name_key=name)
        self._send(frozen, "creating")

    def _send(self, row: Conversion, step: str) -> None:
        sent = row.sent()
        self._ends.save(Save(sent, Step(step, {"key": sent.key}), next_in_s=0.0, lease_s=LEASE_S))
        self._starts.append(Start(sent))

    # After a call to create

    def _seek(self, row: Conversion, answer: Answer) -> Sought:
        assert row.first_sent_at is not None
        return seek_ours(row, answer.found, linked=self._linked, first_sent=row.first_sent_at, complete=answer.complete)

    def _sought(self, row: Conversion, answer: Answer) -> None:
        """Exactly one is ours; none means that nothing was created; anything else is for a person."""
        assert row.body is not None
        sought, refused = self._seek(row, answer), answer.refused
        if sought.ours is not None:
            self._link(row, sought.ours.number, State.CREATED)
        elif not sought.sure:
            self._ends.need(row, Needs(candidates=sought.doubtful), "unsure")
        elif isinstance(refused, NumberTaken):
            holder = f" by {answer.found[0].name}" if answer.found else ""
            taken = Missing("number", f"debtor {row.body['number']} is taken{holder}: choose another number")
            self._ends.need(row._replace(doubt=False), Needs((taken,)), refused.reason)
        elif refused is not None:
            self._refused(row, refused)
        else:
            self._freeze(row, row.body, answer)

    def _refused(self, row: Conversion, error: Rejected) -> None:
        errors = [{"field": outside_name(each.field), "reason": each.reason} for each in error.complaints]
        self._ends.fail(row._replace(doubt=False), error.reason, str(error), errors=errors)

    # What is due

    def _take_up(self, row: Conversion) -> None:
        met = self._companies.get(row.id)
        if met is None:
            self._wait_for_company(row)
            return
        if row.company is None and self._another_runs(row, met):
            self._ends.save(Save(row._replace(reason="same_company"), next_in_s=2.0))
            return
        company = self._company(row)
        if company is None:
            return
        if row.company != company.id:  # told of at last, or merged into another meanwhile
            row = row._replace(company=company.id, attempts=0, reason=None, message=None)
            row = row._replace(name_key=row.name_key or name_key(company.fields.name))
            self._ends.save(Save(row, Step("company_known", {"company": company.id}), next_in_s=0.0))
        if row.state is State.CREATING:
            if row.key_is_good:
                self._send(row, "sent_again")
            else:
                self._starts.append(Start(row, seek=True))
        elif row.state is State.REQUESTED and not self._has_its_debtor(row, company):
            self._starts.append(Start(row, row.said.about(company.fields), number=row.said.link))

    def _wait_for_company(self, row: Conversion) -> None:
        if row.age_s > UNKNOWN_BOUND_S:
            message = f"The CRM has not told of company {row.crm_id}, which is to become a debtor."
            self._ends.fail(row, "unknown_company", message, advice="Have the CRM send the company, and replay")
            return
        later = row.put_off("unknown_company", f"The CRM has not told of company {row.crm_id} yet.")
        self._ends.save(Save(later, next_in_s=min(MOST_WAIT_S, 0.2 * 2.0 ** min(later.attempts, 10))))

    def _another_runs(self, row: Conversion, company: StoredCompany) -> bool:
        """A conversion of the company was begun by another name of it; that one ends first."""
        others = self._uow.conversions.of_companies([company.id]).get(company.id, [])
        return any(each.running and each.id != row.id for each in others)

    def _company(self, row: Conversion) -> StoredCompany | None:
        """The company; nothing is created for one that was deleted, and what is being created comes to its end."""
        company = self._companies[row.id]
        if company.deleted and row.state is State.REQUESTED:
            message = "The company was deleted in the CRM."
            self._ends.fail(row, "company_deleted", message, advice="If it lives again, replay")
            return None
        return company

    def _has_its_debtor(self, row: Conversion, company: StoredCompany) -> bool:
        """Whether the company is linked to a debtor already: nothing is left to do."""
        numbers = self._numbers.get(company.id, [])
        if row.second or not numbers:
            return False
        number = next((each for each in numbers if each == row.said.link), numbers[0])
        self._ends.ended(row, number, State.LINKED, company.fields.name)
        return True


def _unchanged(row: Conversion, called: Conversion) -> bool:
    """Whether a conversion still is what the call was made for."""
    return (row.state, row.key, row.sends, row.said) == (called.state, called.key, called.sends, called.said)
