"""
What matching proposes for debtors: link, create, leave, ask a person, or change the company a debtor is linked to.

Pure but for reads through ports, and writes nothing: a test, an import and every drain propose by this one function,
and `domain.match_debtors` carries out what still holds.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import NamedTuple, Protocol

from domain.companies import CompanyFields, Owner, Refusal, StoredCompany, owners_of, said_by_debtor
from domain.links import LinkedDebtor, followed, joined
from domain.matching.growing import GrowingIndex
from domain.matching.index import CompanyIndex, look_up
from domain.matching.keys import KeyKind
from domain.matching.records import Record
from domain.matching.verdicts import Action, Verdict, judge
from domain.normal_forms import company_form, debtor_form

MatchedDebtor = LinkedDebtor
"""A debtor to be matched: one in scope that is not gone."""

FIRST_NEW = 1 << 62
"""Companies that are only proposed have ids from here on: behind every stored one, in the order they are proposed."""


class Proposed(StrEnum):
    """What is proposed for a debtor."""

    LINK = "link"
    CREATE = "create"  # nobody like it is known
    ALERT = "alert"
    LEAVE = "leave"  # it has no company, and gets none
    UPDATE = "update"  # its company's fields change
    NONE = "none"  # it has a company, which says what the debtor says


class Left(StrEnum):
    """Why a debtor is left without a company; the values are message ids."""

    NAMELESS = "it has no name to make a company of"
    NOT_WANTED = "no company fits, and none is to be made from a debtor of this agreement"
    UNLINKED = "somebody said that it is not the company it was linked to; only a person links it again"
    REVERTED = "the import that linked it was reverted"
    BEING_MADE = "it may be the debtor that is being created for a company right now"


class Standing(NamedTuple):
    """
    What is known of a debtor's links.

    Attributes:
        company: the one it is linked to.
        seen: what it said of that company when it was last held against it.
        refused: companies that somebody said it is not.
        left: why it is left alone until a person acts: it had a link that was cut.
        editing: a change that was asked for here is being written into it: its company follows when that has ended.
    """

    company: int | None = None
    seen: Mapping[str, str | None] = {}
    refused: frozenset[int] = frozenset()
    left: Left | None = None
    editing: bool = False


class LinkedCompany(NamedTuple):
    """
    A company with its links.

    Attributes:
        debtors: those linked to it, id → agreement.
        settings: their agreements → who owns a field, where that is not the default.
    """

    company: StoredCompany
    debtors: Mapping[int, int] = {}
    settings: Mapping[int, Mapping[str, str]] = {}

    @property
    def owners(self) -> dict[str, Owner] | None:
        """Who owns its fields; None without a debtor."""
        return owners_of(self.settings.values()) if self.settings else None

    def joined_by(self, debtor: MatchedDebtor, company: StoredCompany) -> LinkedCompany:
        """With one debtor more, which made it what it is now."""
        return LinkedCompany(
            company,
            {**self.debtors, debtor.id: debtor.agreement},
            {**self.settings, debtor.agreement: debtor.owners},
        )


class LinkView(Protocol):
    """Links of a firm's debtors, as they are read."""

    def standings(self, debtors: Collection[int]) -> Mapping[int, Standing]:
        """By debtor; those that never had a link, and of which nobody said anything, are left out."""
        ...

    def companies(self, ids: Collection[int]) -> Mapping[int, LinkedCompany]:
        """These companies, deleted and merged ones too."""
        ...


class Proposal(NamedTuple):
    """
    What is proposed for one debtor.

    Attributes:
        verdict: None for a debtor that has a company or is left alone.
        company: the one to link to, or the one it is linked to.
        new_of: the debtor, by id, whose new company this one is linked to: that one is created before.
        news: ids from FIRST_NEW on among the verdict's candidates → the debtor, by id, whose new company it is.
        changed: field → before, after: what changes of the company.
        refused: field → what e-conomic says, and why it is only shown.
        left: why it is left without a company.
        form: the debtor's normal form, when it was judged.
        judged: the normal form of `company` when it was judged.
    """

    debtor: MatchedDebtor
    action: Proposed
    verdict: Verdict | None = None
    company: int | None = None
    new_of: int | None = None
    news: Mapping[int, int] = {}
    changed: Mapping[str, tuple[str | None, str | None]] = {}
    refused: Mapping[str, tuple[str, Refusal]] = {}
    left: Left | None = None
    form: Record | None = None
    judged: Record | None = None


class Newcomers(GrowingIndex):
    """
    An index that also knows the companies proposed so far.

    A test that proposes a register in portions passes one to all of them; then its verdicts are those of a start, in
    which each portion finds what the ones before it have made.
    """

    def __init__(self, base: CompanyIndex | None = None) -> None:
        super().__init__(base)
        self._debtors: list[int] = []

    def expect(self, debtor: MatchedDebtor) -> None:
        """A company will be made from this debtor."""
        self.add(FIRST_NEW + len(self._debtors), company_form(new_company(0, debtor).fields._asdict()))
        self._debtors.append(debtor.id)

    def debtor_of(self, company: int) -> int:
        """Whose company an id from FIRST_NEW on is."""
        return self._debtors[company - FIRST_NEW]


def new_company(company: int, debtor: MatchedDebtor) -> StoredCompany:
    """The company that is made from a debtor."""
    said = said_by_debtor(debtor.values)
    name = said.pop("name") or ""
    return StoredCompany(company, CompanyFields(name, relation="customer", **said))


def propose(
    debtors: Sequence[MatchedDebtor],
    index: CompanyIndex,
    links: LinkView,
    *,
    may_create: bool,
    crowded: Collection[int] = (),
    creating: Collection[str] = (),
    revisit: bool = False,
) -> list[Proposal]:
    """
    What to do about each debtor, in order; a later one finds the companies proposed for earlier ones.

    Args:
        debtors: at most a few hundred at once.
        index: a `Newcomers` over the stored companies goes on from the portion before.
        may_create: whether companies are made from debtors that fit none.
        crowded: see `domain.matching.index.look_up`.
        creating: names under which debtors are being created for companies: one that is first seen now may be it.
        revisit: a person started this: debtors whose import was reverted are looked at again.
    """
    newcomers = index if isinstance(index, Newcomers) else Newcomers(index)
    proposing = _Proposing(newcomers, links, may_create, crowded, {_plain(name) for name in creating}, revisit)
    return proposing.made(debtors)


class _Proposing:
    """One portion of debtors."""

    def __init__(
        self,
        index: Newcomers,
        links: LinkView,
        may_create: bool,
        crowded: Collection[int],
        creating: Collection[str],
        revisit: bool,
    ) -> None:
        self._index = index
        self._links = links
        self._may_create = may_create
        self._crowded = crowded
        self._creating = creating
        self._revisit = revisit
        self._companies: dict[int, LinkedCompany] = {}

    def made(self, debtors: Sequence[MatchedDebtor]) -> list[Proposal]:
        standings = self._links.standings([debtor.id for debtor in debtors])
        self._read({standing.company for standing in standings.values() if standing.company is not None})
        forms = {
            debtor.id: debtor_form(debtor.values)
            for debtor in debtors
            if (standing := standings.get(debtor.id, _NEW)).company is None and not self._is_left(standing)
        }
        self._index.read_ahead(list(forms.values()))
        self._read(self._numbered(forms.values()))
        proposals = [
            self._judged(debtor, forms[debtor.id], standings.get(debtor.id, _NEW))
            if debtor.id in forms
            else self._standing(debtor, standings[debtor.id])
            for debtor in debtors
        ]
        self._read({each.company for each in proposals if each.action is Proposed.LINK and each.company is not None})
        return [self._with_changes(each) if each.action is Proposed.LINK else each for each in proposals]

    def _read(self, companies: Collection[int]) -> None:
        if missing := [company for company in companies if company not in self._companies]:
            self._companies.update(self._links.companies(missing))

    def _is_left(self, standing: Standing) -> bool:
        return standing.left is not None and not (self._revisit and standing.left is Left.REVERTED)

    def _standing(self, debtor: MatchedDebtor, standing: Standing) -> Proposal:
        if standing.company is None:
            return Proposal(debtor, Proposed.LEAVE, left=standing.left)
        linked, said = self._companies[standing.company], said_by_debtor(debtor.values)
        if not linked.company.living or said == standing.seen:
            return Proposal(debtor, Proposed.NONE, company=standing.company)
        change = followed(linked.company, said, standing.seen, linked.owners, shared=len(linked.debtors) > 1)
        return Proposal(
            debtor,
            Proposed.UPDATE if change.changed or change.refused else Proposed.NONE,
            company=standing.company,
            changed=change.changed,
            refused=change.refused,
        )

    def _numbered(self, forms: Collection[Record]) -> set[int]:
        """The companies that claim one of these debtors' numbers as theirs."""
        found = look_up(list(forms), self._index, kinds=[KeyKind.CUSTOMER_NUMBER])
        return {company for each in found for company in each.alone.values() if company < FIRST_NEW}

    def _judged(self, debtor: MatchedDebtor, form: Record, standing: Standing) -> Proposal:
        index = self._index.without(standing.refused)
        (found,) = look_up([form], index, self._crowded)
        if self._is_of_others(found.alone.get(KeyKind.CUSTOMER_NUMBER), debtor):
            form = replace(form, customer_number="")
            (found,) = look_up([form], index, self._crowded)
        index.without(())
        verdict = judge(form, found)
        new = [each.company for each in verdict.candidates if each.company >= FIRST_NEW]
        news = {company: self._index.debtor_of(company) for company in new}
        proposal = Proposal(debtor, Proposed(verdict.action.value), verdict, news=news, form=form)
        if verdict.action is Action.LINK:
            assert verdict.company is not None
            if verdict.company < FIRST_NEW:
                return proposal._replace(company=verdict.company, judged=found.records[verdict.company])
            return proposal._replace(new_of=news[verdict.company])
        if verdict.action is Action.LEAVE:
            return proposal._replace(left=Left.NAMELESS)
        if verdict.action is Action.CREATE:
            if _plain(str(debtor.values["name"])) in self._creating:
                return proposal._replace(action=Proposed.LEAVE, left=Left.BEING_MADE)
            if not self._may_create:
                return proposal._replace(action=Proposed.LEAVE, left=Left.NOT_WANTED)
            self._index.expect(debtor)
        return proposal

    def _is_of_others(self, company: int | None, debtor: MatchedDebtor) -> bool:
        """Whether a company's customer number is that of another agreement's debtor: numbers repeat between them."""
        agreements = set(self._companies[company].debtors.values()) if company in self._companies else set()
        return bool(agreements) and debtor.agreement not in agreements

    def _with_changes(self, proposal: Proposal) -> Proposal:
        linked = self._companies.get(proposal.company) if proposal.company is not None else None
        if linked is None:
            return proposal
        change = joined(linked.company, proposal.debtor, linked.owners)
        return proposal._replace(changed=change.changed, refused=change.refused)


_NEW = Standing()


def _plain(name: str) -> str:
    return " ".join(name.casefold().split())
