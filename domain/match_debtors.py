"""
Use case: carry out what matching proposes for debtors.

`propose` says what to do and writes nothing; `carry_out` does what still holds when everything it touches is locked.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol

from domain.alerts import AlertStore, Ending, alerts_of
from domain.companies import Change, LinkedHow, What, said_by_debtor
from domain.events import Outbox
from domain.links import LinkedDebtor, LinkStore, NewLink, followed, joined, note_change, note_link
from domain.matching.index import CompanyIndex, look_up
from domain.matching.records import Record
from domain.matching.verdicts import Action, Verdict, judge
from domain.normal_forms import company_form
from domain.proposals import (
    Left,
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
from domain.take_companies import CompanyChanges, CompanyStore, Entry, told_changes

__all__ = [
    "Carried",
    "Did",
    "Left",
    "LinkView",
    "MatchStores",
    "MatchedDebtor",
    "Newcomers",
    "Proposal",
    "Proposed",
    "carry_out",
    "propose",
]


class Did(StrEnum):
    """What became of a proposal."""

    LINKED = "linked"
    CREATED = "created"
    UPDATED = "updated"
    ALERTED = "alerted"
    LEFT = "left"
    NOTHING = "nothing"
    STALE = "stale"  # something it rests on has changed since: nothing was done, propose anew


class Carried(NamedTuple):
    """What became of a proposal; `company` is the one it is linked to now."""

    proposal: Proposal
    did: Did
    company: int | None = None


class MatchLinks(LinkStore, LinkView, Protocol):
    """Links inside one transaction, as matching reads and writes them."""


class MatchStores(Protocol):
    """What carrying out needs, in one transaction."""

    @property
    def companies(self) -> CompanyStore: ...
    @property
    def links(self) -> MatchLinks: ...
    @property
    def index(self) -> CompanyIndex: ...
    @property
    def alerts(self) -> AlertStore: ...
    @property
    def outbox(self) -> Outbox: ...


def carry_out(
    stores: MatchStores,
    proposals: Sequence[Proposal],
    *,
    who: str,
    run_id: int | None = None,
    crowded: Collection[int] = (),
    causes: Mapping[int, str] | None = None,
) -> list[Carried]:
    """
    Link, create, change and ask, as proposed, in the transaction that `stores` is part of.

    The debtors are locked, then whoever else creates companies is held up if some are to be created, then the companies
    are locked. What a proposal rests on is looked at once more: the debtor as it was judged and without a company, the
    company alive and as it was judged, nobody like it for one to be created. A proposal that does not hold any more is
    *stale*, and nothing is done about it.

    Args:
        proposals: at most a few hundred, in the order they were proposed in.
        who: for the history.
        run_id: the import that does it.
        crowded: what `propose` was given.
        causes: debtor → correlation id of what brought it here.
    """
    return _Carrying(stores, who, run_id, crowded, causes or {}).out(proposals)


class _Carrying:
    """One transaction."""

    def __init__(
        self,
        stores: MatchStores,
        who: str,
        run_id: int | None,
        crowded: Collection[int],
        causes: Mapping[int, str],
    ) -> None:
        self._stores = stores
        self._who = who
        self._run_id = run_id
        self._crowded = crowded
        self._causes = causes
        self._debtors: Mapping[int, LinkedDebtor] = {}
        self._standings: Mapping[int, Standing] = {}
        self._companies: dict[int, LinkedCompany] = {}
        self._forms: dict[int, Record] = {}  # of companies as they were locked, before this portion changed them
        self._made: dict[int, int] = {}  # debtor → its new company
        self._ids: list[int] = []
        self._index = Newcomers(stores.index)
        self._changes = CompanyChanges(run_id=run_id)
        self._links: list[NewLink] = []
        self._seen: dict[int, Mapping[str, str | None]] = {}
        self._asked: dict[int, Verdict] = {}
        self._fitting_none: list[int] = []

    def out(self, proposals: Sequence[Proposal]) -> list[Carried]:
        self._lock(proposals)
        carried = [self._carry(proposal) for proposal in proposals]
        self._write()
        return carried

    def _lock(self, proposals: Sequence[Proposal]) -> None:
        stores = self._stores
        ids = [proposal.debtor.id for proposal in proposals]
        self._debtors = stores.links.debtors(ids)
        self._standings = stores.links.standings(ids)
        if creating := [each for each in proposals if each.action is Proposed.CREATE]:
            stores.companies.create_alone()
            self._ids = stores.companies.new_ids(len(creating))[::-1]
        if wanted := {each.company for each in proposals if each.company is not None}:
            rows = stores.companies.lock(wanted)
            self._companies.update(stores.links.companies(wanted))
            self._forms = {row.id: company_form(row.fields._asdict(), row.crm_id) for row in rows.values()}
        if creating:
            self._index.read_ahead([each.form for each in creating if each.form is not None])

    def _carry(self, proposal: Proposal) -> Carried:
        debtor = self._debtors.get(proposal.debtor.id)
        if debtor is None or said_by_debtor(debtor.values) != said_by_debtor(proposal.debtor.values):
            return Carried(proposal, Did.STALE)
        standing = self._standings.get(debtor.id, Standing())
        if proposal.action in (Proposed.UPDATE, Proposed.NONE):
            return self._follow(proposal, standing)
        if standing.company is not None:
            return Carried(proposal, Did.STALE, standing.company)
        match proposal.action:
            case Proposed.LINK:
                return self._link(proposal, standing)
            case Proposed.CREATE:
                return self._create(proposal, standing)
            case Proposed.ALERT:
                return self._ask(proposal)
        if proposal.left in (Left.NAMELESS, Left.NOT_WANTED):
            self._fitting_none.append(debtor.id)
        return Carried(proposal, Did.LEFT)

    def _follow(self, proposal: Proposal, standing: Standing) -> Carried:
        """The company of a linked debtor takes over what may be taken over."""
        linked = self._companies.get(proposal.company) if proposal.company is not None else None
        if linked is None or standing.company != proposal.company:
            return Carried(proposal, Did.STALE, standing.company)
        company, said = linked.company, said_by_debtor(proposal.debtor.values)
        if not company.living or said == standing.seen or standing.editing:
            return Carried(proposal, Did.NOTHING, company.id)
        change = followed(company, said, standing.seen, linked.owners, shared=len(linked.debtors) > 1)
        note_change(self._changes, proposal.debtor.id, change, cause=self._causes.get(proposal.debtor.id))
        self._companies[company.id] = linked._replace(company=change.company)
        self._seen[proposal.debtor.id] = said
        did = Did.UPDATED if change.changed or change.refused else Did.NOTHING
        return Carried(proposal._replace(changed=change.changed, refused=change.refused), did, company.id)

    def _link(self, proposal: Proposal, standing: Standing) -> Carried:
        company_id = proposal.company if proposal.new_of is None else self._made.get(proposal.new_of)
        linked = self._companies.get(company_id) if company_id is not None else None
        if linked is None or not linked.company.living or linked.company.id in standing.refused:
            return Carried(proposal, Did.STALE)
        if proposal.new_of is None and self._forms[linked.company.id] != proposal.judged:
            return Carried(proposal, Did.STALE)
        change = joined(linked.company, proposal.debtor, linked.owners)
        verdict = proposal.verdict
        assert verdict is not None
        how = LinkedHow.SCORE if verdict.rung is None else LinkedHow.LADDER
        self._join(proposal.debtor, linked, change, how, reasons=_reasons(verdict), score=verdict.candidates[0].score)
        return Carried(proposal._replace(changed=change.changed, refused=change.refused), Did.LINKED, linked.company.id)

    def _create(self, proposal: Proposal, standing: Standing) -> Carried:
        """Looked for once more, now that nobody else creates any."""
        assert proposal.form is not None
        (found,) = look_up([proposal.form], self._index.without(standing.refused), self._crowded)
        self._index.without(())
        if standing.left not in (None, Left.REVERTED) or judge(proposal.form, found).action is not Action.CREATE:
            return Carried(proposal, Did.STALE)
        company = new_company(self._ids.pop(), proposal.debtor)
        self._index.add(company.id, company_form(company.fields._asdict()))
        self._made[proposal.debtor.id] = company.id
        self._changes.insert[company.id] = company
        cause = self._causes.get(proposal.debtor.id)
        self._changes.changed[company.id] = cause
        self._changes.history.append(Entry(company.id, What.CREATED, {}, cause))
        self._join(proposal.debtor, LinkedCompany(company), Change(company), LinkedHow.CREATED)
        return Carried(proposal, Did.CREATED, company.id)

    def _ask(self, proposal: Proposal) -> Carried:
        verdict = proposal.verdict
        assert verdict is not None
        made = {company: self._made.get(debtor) for company, debtor in proposal.news.items()}
        candidates = []
        for candidate in verdict.candidates:
            company = made.get(candidate.company, candidate.company)
            if company is None:
                return Carried(proposal, Did.STALE)
            candidates.append(candidate._replace(company=company))
        self._asked[proposal.debtor.id] = verdict._replace(candidates=tuple(candidates))
        return Carried(proposal, Did.ALERTED)

    def _join(
        self,
        debtor: MatchedDebtor,
        linked: LinkedCompany,
        change: Change,
        how: LinkedHow,
        *,
        reasons: Sequence[str] = (),
        score: float | None = None,
    ) -> None:
        note_link(self._changes, debtor, change, how, cause=self._causes.get(debtor.id))
        self._companies[change.company.id] = linked.joined_by(debtor, change.company)
        seen = said_by_debtor(debtor.values)
        self._links.append(
            NewLink(debtor, change.company.id, how, reasons, seen, self._who, score=score, run_id=self._run_id)
        )

    def _write(self) -> None:
        stores, changes = self._stores, self._changes
        if changes.insert or changes.update:
            stores.companies.write(changes, who=self._who)
        stores.links.add(self._links)
        stores.links.saw(self._seen)
        stores.alerts.close_for(debtors=self._fitting_none, how=Ending.CLEARED, who=self._who)
        stores.alerts.raise_groups(alerts_of(self._asked))
        stores.outbox.add(told_changes(changes))


def _reasons(verdict: Verdict) -> list[str]:
    """In words: the rung that pointed at the company, and what speaks for it."""
    rung = [] if verdict.rung is None else [f"same {verdict.rung.value}"]
    return list(dict.fromkeys([*rung, *(reason.text() for reason in verdict.candidates[0].reasons)]))
