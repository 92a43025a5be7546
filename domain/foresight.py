"""
What a run of matching will have made of the companies, before it has: each portion of debtors is judged as if the ones
before it had been carried out.

So a test that writes nothing says what a start does, and a start says it before it begins.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from domain.companies import Change, said_by_debtor
from domain.import_rows import VERDICTS, Judgement, Verdict
from domain.links import followed, joined
from domain.matching.index import CompanyIndex
from domain.matching.keys import keys_of
from domain.matching.records import Record
from domain.normal_forms import company_form
from domain.proposals import (
    FIRST_NEW,
    LinkedCompany,
    LinkView,
    MatchedDebtor,
    Newcomers,
    Proposal,
    Proposed,
    Standing,
    new_company,
    propose,
)


class ForeseenIndex(Newcomers):
    """An index that also knows how stored and new companies will have changed."""

    def __init__(self) -> None:
        super().__init__()
        self._forms: dict[int, Record] = {}
        self._under: dict[int, list[int]] = {}  # key → changed companies

    def change(self, company: int, form: Record) -> None:
        """From now on a company, stored or new, is this."""
        for key in keys_of(self._forms[company]) if company in self._forms else ():
            self._under[key.hash].remove(company)
        self._forms[company] = form
        for key in keys_of(form):
            self._under.setdefault(key.hash, []).append(company)

    def under(self, keys: Collection[int], most: int) -> dict[int, Sequence[int]]:
        found = dict(super().under(keys, most))
        for key in keys:
            ids = found.get(key, ())
            if len(ids) > most:
                continue
            changed = self._under.get(key, ())
            now = [company for company in ids if company not in self._forms or company in changed]
            now += [company for company in changed if company not in ids and self._counts(company)]
            if now != list(ids):
                found[key] = sorted(now)[: most + 1]
        return {key: ids for key, ids in found.items() if ids}

    def records(self, ids: Collection[int]) -> Mapping[int, Record]:
        found = dict(super().records(ids))
        found.update({company: self._forms[company] for company in found if company in self._forms})
        return found


class Foresight:
    """
    Judges the debtors of one run, a portion after the other; about a kilobyte for each company that will change.

    `carry_out` judges a portion by what was there before it: so what a portion changes counts from the next one on.
    """

    def __init__(self) -> None:
        self._index = ForeseenIndex()
        self._companies: dict[int, LinkedCompany] = {}  # as they will be
        self._makers: list[int] = []  # the debtors, by number, whose companies get ids from FIRST_NEW on
        self._made: dict[int, int] = {}  # and these ids

    def judge(
        self,
        debtors: Sequence[MatchedDebtor],
        index: CompanyIndex,
        links: LinkView,
        *,
        may_create: bool,
        crowded: Collection[int],
        creating: Collection[str],
    ) -> list[Judgement]:
        """What becomes of each debtor, in order; at most a portion, sorted by number."""
        self._index.over(index)
        proposals = propose(
            debtors,
            self._index,
            _Foreseen(links, self._companies),
            may_create=may_create,
            crowded=crowded,
            creating=creating,
            revisit=True,
        )
        for proposal in proposals:
            if proposal.action is Proposed.CREATE:
                self._note_maker(proposal.debtor.number)
        judgements = [self._judgement(proposal) for proposal in proposals]
        changes = self._happen(links, list(zip(debtors, judgements, strict=True)))
        return [
            judgement if change is None else judgement._replace(changed=change.changed, refused=change.refused)
            for judgement, change in zip(judgements, changes, strict=True)
        ]

    def remember(self, judged: Sequence[tuple[MatchedDebtor, Judgement]], index: CompanyIndex, links: LinkView) -> None:
        """A portion that was judged before the run was cut short."""
        self._index.over(index)
        for debtor, judgement in judged:
            if judgement.verdict is Verdict.NEW:
                self._index.expect(debtor)
                self._note_maker(debtor.number)
        self._happen(links, judged)

    def _note_maker(self, number: int) -> None:
        self._made[number] = FIRST_NEW + len(self._makers)
        self._makers.append(number)

    def _judgement(self, proposal: Proposal) -> Judgement:
        verdict = proposal.verdict
        candidates = tuple(
            each._replace(company=-self._makers[each.company - FIRST_NEW]) if each.company >= FIRST_NEW else each
            for each in (verdict.candidates if verdict is not None else ())
        )
        joins = None
        form = proposal.form if proposal.action is Proposed.CREATE else proposal.judged
        if proposal.new_of is not None:
            joins = -candidates[0].company
            form = self._index.records([self._made[joins]])[self._made[joins]]
        return Judgement(
            VERDICTS[proposal.action],
            proposal.company,
            joins,
            verdict.rung if verdict is not None else None,
            candidates,
            form,
            proposal.changed,
            proposal.refused,
            proposal.left.value if proposal.left is not None else None,
        )

    def _happen(self, links: LinkView, judged: Sequence[tuple[MatchedDebtor, Judgement]]) -> list[Change | None]:
        """Let a portion come true; returns what each debtor changes of its company."""
        named = {each.company for _, each in judged if each.company is not None}
        read = links.companies(named - self._companies.keys())
        seen = links.standings([debtor.id for debtor, each in judged if each.verdict is Verdict.UPDATE])
        changes: list[Change | None] = []
        changed: set[int] = set()
        for debtor, each in judged:
            company = self._made.get(debtor.number) if each.verdict is Verdict.NEW else each.company
            if each.joins is not None:
                company = self._made[each.joins]
            linked = None if company is None else self._companies.get(company) or read.get(company)
            change = None
            if company is not None and each.verdict is Verdict.NEW:
                new = new_company(company, debtor)
                self._companies[company] = LinkedCompany(new).joined_by(debtor, new)
            elif linked is not None and each.verdict is Verdict.LINKED:
                change = joined(linked.company, debtor, linked.owners)
                self._companies[linked.company.id] = linked.joined_by(debtor, change.company)
            elif linked is not None and each.verdict is Verdict.UPDATE:
                said, shared = said_by_debtor(debtor.values), len(linked.debtors) > 1
                change = followed(linked.company, said, seen[debtor.id].seen, linked.owners, shared=shared)
                self._companies[linked.company.id] = linked._replace(company=change.company)
            if change is not None and change.changed:
                changed.add(change.company.id)
            changes.append(change)
        for company in sorted(changed):
            row = self._companies[company].company
            self._index.change(company, company_form(row.fields._asdict(), row.crm_id))
        return changes


class _Foreseen:
    """A `LinkView` of companies as they will be."""

    def __init__(self, links: LinkView, companies: Mapping[int, LinkedCompany]) -> None:
        self._links = links
        self._companies = companies

    def standings(self, debtors: Collection[int]) -> Mapping[int, Standing]:
        return self._links.standings(debtors)

    def companies(self, ids: Collection[int]) -> Mapping[int, LinkedCompany]:
        found = {company: self._companies[company] for company in ids if company in self._companies}
        return {**self._links.companies([company for company in ids if company not in found]), **found}
