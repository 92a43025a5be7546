"""
Answers to duplicate alerts: link, create, merge, not a duplicate, or leave; one, or all alerts of a reason.

Of two people who answer at once, one wins, and the other is told who said what. Debtors are locked first, then
companies, then alerts; what was read before is looked at again under the lock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from domain.alerts import AlertReason, Answer, Ending, RecordKind, RecordRef, proposed
from domain.companies import Change, LinkedHow, StoredCompany, What, said_by_debtor
from domain.errors import PermanentError
from domain.events import EventType
from domain.links import LinkedDebtor, NewLink, link, note_link
from domain.matching.verdicts import Candidate
from domain.merge_companies import merge
from domain.merging import Wish
from domain.proposals import new_company
from domain.questions import AT_ONCE, AskedRecord, NotAnswered, Outcome, Stores, Transaction, said_at
from domain.take_companies import CompanyChanges, Entry, company_event


class Choice(NamedTuple):
    """
    What a person says.

    Attributes:
        company: the one meant, of several candidates; by our own id.
        record: only this record of the group.
    """

    answer: Answer
    company: int | None = None
    record: RecordRef | None = None


class Answered(NamedTuple):
    """What became of each record, and the decision to undo it by; None when nothing was done."""

    decision: int | None
    outcomes: list[Outcome]


def answer(stores: Stores, alert: int, choice: Choice, *, who: str) -> Answered:
    """
    Answer one alert: all its open records, or one of them.

    Raises:
        NotAnswered: it was answered already, by whom is said; or nothing could be done about any of its records.
    """
    found = _Answering(stores, choice, who).about([alert])
    if not found.outcomes or all(outcome.problem for outcome in found.outcomes):
        raise NotAnswered(
            "; ".join(outcome.problem or "" for outcome in found.outcomes) or f"there is no alert {alert}"
        )
    return found


def answer_all(transaction: Transaction, reason: AlertReason, given: Answer, *, who: str) -> Answered:
    """
    Answer every open alert of a reason, `AT_ONCE` in a transaction; each record by its own likeliest company.

    What cannot be done about a record is in its outcome, and leaves it open.
    """
    after, decision, outcomes = 0, None, []
    while True:
        with transaction() as stores:
            alerts = stores.answers.open_alerts(reason, after, AT_ONCE)
            answering = _Answering(stores, Choice(given), who, decision, reason)
            done = answering.about(alerts) if alerts else Answered(decision, [])
        decision = done.decision
        outcomes += done.outcomes
        if len(alerts) < AT_ONCE:
            return Answered(decision, outcomes)
        after = alerts[-1]


class _Answering:
    """One transaction."""

    def __init__(
        self, stores: Stores, choice: Choice, who: str, decision: int | None = None, reason: AlertReason | None = None
    ) -> None:
        self._stores = stores
        self._choice = choice
        self._who = who
        self._decision = decision
        self._reason = reason
        self._debtors: Mapping[int, LinkedDebtor] = {}
        self._current: Sequence[AskedRecord] = ()
        self._survivors: dict[int, int] = {}  # alert → what its companies were merged into

    def about(self, alerts: Sequence[int]) -> Answered:
        before = self._lock(alerts)
        open_before = {each.id for each in before if each.ending is None}
        outcomes = []
        self._current = self._stores.answers.records(alerts)
        for each in self._current:
            if self._choice.record not in (None, each.record):
                continue
            if each.ending is None:
                outcomes.append(self._one(each))
            elif self._choice.record or each.id in open_before or not open_before:
                outcomes.append(_problem(each, _was_answered(each)))
        return Answered(self._decision, outcomes)

    def _lock(self, alerts: Sequence[int]) -> list[AskedRecord]:
        """Everything the answers may touch, in order; returns the records as they were before."""
        stores, answer_ = self._stores, self._choice.answer
        before = stores.answers.records(alerts)
        open_ones = [each for each in before if each.ending is None]
        if answer_ in (Answer.LINK, Answer.CREATE):
            self._debtors = stores.links.debtors(
                {each.record.id for each in open_ones if each.record.kind is RecordKind.DEBTOR}
            )
        if answer_ is Answer.CREATE:
            stores.companies.create_alone()
        if answer_ in (Answer.LINK, Answer.MERGE):
            wanted = {candidate.company for each in open_ones for candidate in each.candidates}
            wanted |= {each.record.id for each in open_ones if each.record.kind is RecordKind.COMPANY}
            stores.companies.lock(wanted)
        stores.answers.lock(alerts)
        return before

    def _one(self, each: AskedRecord) -> Outcome:
        try:
            return _ANSWERS[self._choice.answer](self, each)
        except PermanentError as error:
            return _problem(each, str(error))

    def _link(self, each: AskedRecord) -> Outcome:
        debtor = self._debtor(each)
        target = self._target(each)
        before = self._stores.companies.lock([target.company])[target.company]
        company = link(
            self._stores.companies,
            self._stores.links,
            self._stores.outbox,
            debtor,
            target.company,
            how=LinkedHow.PERSON,
            who=self._who,
            reasons=[reason.text() for reason in target.reasons],
            score=target.score,
        )
        changed = {
            name: [getattr(before.fields, name), value]
            for name, value in company.fields._asdict().items()
            if value != getattr(before.fields, name)
        }
        return self._done(each, Ending.LINKED, {"company": company.id, "changed": changed}, company.id)

    def _create(self, each: AskedRecord) -> Outcome:
        debtor = self._debtor(each)
        company = create_from(self._stores, debtor, who=self._who)
        pairs = [(each.record, candidate.company) for candidate in each.candidates]
        twins = [(RecordRef(RecordKind.COMPANY, company.id), candidate.company) for candidate in each.candidates]
        self._stores.answers.remember([*pairs, *twins], left=False, who=self._who)
        done = {"company": company.id, "created": company.fields._asdict(), "pairs": pairs_as_json([*pairs, *twins])}
        return self._done(each, Ending.CREATED, done, company.id)

    def _merge(self, each: AskedRecord) -> Outcome:
        """The whole group becomes one company, with its first record; the others are part of that."""
        if each.record.kind is not RecordKind.COMPANY:
            raise NotAnswered(f"{each.name} is a debtor: it is linked to a company, not merged with it")
        if self._choice.company is not None:
            raise NotAnswered("all companies of a group are merged; for some of them: debitor companies merge")
        survivor = self._survivors.get(each.alert)
        if survivor is not None:
            return self._done(each, Ending.MERGED, {"company": survivor}, survivor)
        group = [one for one in self._current if one.alert == each.alert and one.ending is None]
        companies = {one.record.id for one in group} | {c.company for one in group for c in one.candidates}
        merged = merge(self._stores.merging, Wish(tuple(sorted(companies))), who=self._who)
        self._survivors[each.alert] = merged.survivor.id
        done = {"company": merged.survivor.id, "merge": merged.id}
        return self._done(each, Ending.MERGED, done, merged.survivor.id)

    def _apart(self, each: AskedRecord) -> Outcome:
        left = self._choice.answer is Answer.LEAVE
        if self._choice.company is not None:
            raise NotAnswered("a company is named to link to it; every candidate is meant here")
        pairs = [(each.record, candidate.company) for candidate in each.candidates]
        self._stores.answers.remember(pairs, left=left, who=self._who)
        return self._done(each, Ending.LEFT if left else Ending.NOT_DUPLICATE, {"pairs": pairs_as_json(pairs)}, None)

    def _debtor(self, each: AskedRecord) -> LinkedDebtor:
        if each.record.kind is not RecordKind.DEBTOR:
            raise NotAnswered(f"{each.name} is a company: companies are merged, or are no duplicates")
        debtor = self._debtors.get(each.record.id)
        if debtor is None:
            raise NotAnswered(f"{each.name} is deleted in e-conomic")
        linked = self._stores.links.company_of(debtor.id)
        if linked is not None:
            raise NotAnswered(f"{each.name} is linked to company #{linked} already")
        return debtor

    def _target(self, each: AskedRecord) -> Candidate:
        """The company meant, or the one Debitor would propose."""
        wanted = self._choice.company
        if wanted is not None:
            found = next((candidate for candidate in each.candidates if candidate.company == wanted), None)
            if found is None:
                raise NotAnswered(f"company #{wanted} is none of the candidates of {each.name}")
            return found
        if len(each.candidates) > 1 and proposed(each.record.kind, each.candidates) is not Answer.LINK:
            raise NotAnswered(f"{each.name} may be one of {len(each.candidates)} companies: say which")
        return each.candidates[0]

    def _done(self, each: AskedRecord, how: Ending, done: Mapping[str, object], company: int | None) -> Outcome:
        answers = self._stores.answers
        if self._decision is None:
            self._decision = answers.begin(self._choice.answer, self._reason, self._who)
        answers.answered(each, how, who=self._who, decision=self._decision, done=done)
        return Outcome(each.alert, each.record, each.name, how, company)


_ANSWERS: Mapping[Answer, Callable[[_Answering, AskedRecord], Outcome]] = {
    Answer.LINK: _Answering._link,
    Answer.CREATE: _Answering._create,
    Answer.MERGE: _Answering._merge,
    Answer.NOT_DUPLICATE: _Answering._apart,
    Answer.LEAVE: _Answering._apart,
}


def create_from(stores: Stores, debtor: LinkedDebtor, *, who: str) -> StoredCompany:
    """
    Make a company of a debtor, on a person's word; nobody else may be creating companies.

    Raises:
        NotAnswered: it has no name.
    """
    [company_id] = stores.companies.new_ids(1)
    company = new_company(company_id, debtor)
    if not company.fields.name:
        raise NotAnswered(f"debtor {debtor.number} has no name to make a company of")
    changes = CompanyChanges(
        insert={company.id: company}, changed={company.id: None}, history=[Entry(company.id, What.CREATED, {})]
    )
    note_link(changes, debtor, Change(company), LinkedHow.CREATED)
    stores.companies.write(changes, who=who)
    stores.links.add([NewLink(debtor, company.id, LinkedHow.CREATED, (), said_by_debtor(debtor.values), who)])
    stores.outbox.add([company_event(EventType.COMPANY_CREATED, company)])
    return company


def _problem(each: AskedRecord, problem: str) -> Outcome:
    return Outcome(each.alert, each.record, each.name, problem=problem)


def _was_answered(each: AskedRecord) -> str:
    assert each.ending is not None
    assert each.at is not None
    company = (each.done or {}).get("company")
    which = f" (company #{company})" if company is not None else ""
    return f"{each.name}: {each.by} said {each.ending.value.replace('_', ' ')}{which} on {said_at(each.at)}"


def pairs_as_json(pairs: Iterable[tuple[RecordRef, int]]) -> list[list[object]]:
    """Pairs as a decision's `done` holds them."""
    return [[record.kind.value, record.id, company] for record, company in pairs]
