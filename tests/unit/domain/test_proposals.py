"""What matching proposes for debtors, with companies and links in memory."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from domain.companies import CompanyFields, StoredCompany, said_by_debtor
from domain.matching.index import MemoryIndex
from domain.matching.verdicts import Rung
from domain.normal_forms import company_form
from domain.proposals import (
    Left,
    LinkedCompany,
    MatchedDebtor,
    Newcomers,
    Proposal,
    Proposed,
    Standing,
    new_company,
    propose,
)

AGREEMENT = 1442871
NORDVIND = CompanyFields(
    "Nordvind Service A/S", vat="31313139", street="Industrivej 7", zip="8700", city="Horsens", country="DK"
)


class Links:
    """`LinkView` in memory."""

    def __init__(self, *companies: LinkedCompany, standings: Mapping[int, Standing] | None = None) -> None:
        self._companies = {each.company.id: each for each in companies}
        self._standings = standings or {}
        self.index = MemoryIndex(
            {row.id: company_form(row.fields._asdict()) for row, *_ in companies if row.living},
        )

    def standings(self, debtors: Collection[int]) -> dict[int, Standing]:
        return {each: self._standings[each] for each in debtors if each in self._standings}

    def companies(self, ids: Collection[int]) -> dict[int, LinkedCompany]:
        return {each: self._companies[each] for each in ids if each in self._companies}


def a_company(row_id: int, fields: CompanyFields = NORDVIND, **values: Any) -> LinkedCompany:
    return LinkedCompany(StoredCompany(row_id, fields._replace(**values)))


def linked(company: LinkedCompany, *debtors: int, agreement: int = AGREEMENT) -> LinkedCompany:
    return company._replace(debtors=dict.fromkeys(debtors, agreement), settings={agreement: {}})


def a_debtor(number: int = 4711, *, agreement: int = AGREEMENT, **values: object) -> MatchedDebtor:
    fields = {
        "name": "Nordvind Service ApS",
        "address": "Industrivej 7",
        "zip": "8700",
        "city": "Horsens",
        "country": "Danmark",
        "cvr": "31313139",
    }
    return MatchedDebtor(number + 100_000, agreement, number, {**fields, "number": number, **values}, {})


def made_from(debtor: MatchedDebtor, **values: Any) -> LinkedCompany:
    return a_company(1, new_company(1, debtor).fields, **values)


def said(debtor: MatchedDebtor) -> dict[str, str | None]:
    return said_by_debtor(debtor.values)


def one(debtor: MatchedDebtor, links: Links, **options: Any) -> Proposal:
    [proposal] = propose([debtor], links.index, links, **{"may_create": True, **options})
    return proposal


def test_a_debtor_is_linked_and_says_what_that_changes() -> None:
    """The report of a link names the rung and the fields of the company that the books own."""
    proposal = one(a_debtor(), Links(a_company(1)))

    assert (proposal.action, proposal.company) == (Proposed.LINK, 1)
    assert proposal.verdict is not None
    assert proposal.verdict.rung is Rung.CVR
    assert proposal.changed["customer_number"] == (None, "4711")
    assert "name" not in proposal.changed


def test_nobody_like_it_is_created_where_that_is_wanted() -> None:
    """A stranger becomes a company, unless its agreement makes none or it has no name."""
    assert one(a_debtor(), Links()).action is Proposed.CREATE
    unwanted = one(a_debtor(), Links(), may_create=False)
    assert (unwanted.action, unwanted.left) == (Proposed.LEAVE, Left.NOT_WANTED)
    nameless = one(a_debtor(name="", cvr=None, address=None), Links())
    assert (nameless.action, nameless.left) == (Proposed.LEAVE, Left.NAMELESS)


def test_two_debtors_of_one_firm_are_one_new_company() -> None:
    """The second finds what the first will make, in one portion and in two that share what is expected."""
    first, second = a_debtor(4711), a_debtor(4712, name="Nordvind Service")
    links = Links()
    together = propose([first, second], links.index, links, may_create=True)
    assert [each.action for each in together] == [Proposed.CREATE, Proposed.LINK]
    assert together[1].new_of == first.id

    newcomers = Newcomers(links.index)
    apart = [propose([each], newcomers, links, may_create=True)[0] for each in (first, second)]
    assert [(each.action, each.new_of) for each in apart] == [(each.action, each.new_of) for each in together]


def test_not_this_company_is_not_proposed_again() -> None:
    """What a debtor is not is no candidate: not linked, not asked about."""
    debtor = a_debtor()
    links = Links(a_company(1), standings={debtor.id: Standing(refused=frozenset({1}))})
    assert one(debtor, links).action is Proposed.CREATE


def test_a_cut_link_is_left_alone() -> None:
    """After unlinking only a person links again; after a revert, a started import looks again."""
    debtor = a_debtor()
    unlinked = Links(a_company(1), standings={debtor.id: Standing(refused=frozenset({2}), left=Left.UNLINKED)})
    reverted = Links(a_company(1), standings={debtor.id: Standing(left=Left.REVERTED)})

    assert one(debtor, unlinked).left is Left.UNLINKED
    assert one(debtor, unlinked, revisit=True).left is Left.UNLINKED
    assert one(debtor, reverted).left is Left.REVERTED
    assert one(debtor, reverted, revisit=True).action is Proposed.LINK


def test_a_linked_debtor_changes_what_it_may() -> None:
    """Only what the debtor says now and did not say before counts; the rest is none, a refused field is named."""
    debtor, before = a_debtor(phone="75620000"), a_debtor()
    company = linked(made_from(before, phone="12345678"), debtor.id)
    crm_has_phone = company._replace(company=company.company._replace(changed_by={"phone": "crm"}))

    followed = one(debtor, Links(company, standings={debtor.id: Standing(1, said(before))}))
    assert (followed.action, followed.changed) == (Proposed.UPDATE, {"phone": ("12345678", "75620000")})
    refused = one(debtor, Links(crm_has_phone, standings={debtor.id: Standing(1, said(before))}))
    assert (refused.action, refused.changed, list(refused.refused)) == (Proposed.UPDATE, {}, ["phone"])
    assert one(debtor, Links(company, standings={debtor.id: Standing(1, said(debtor))})).action is Proposed.NONE


def test_the_number_follows_and_a_second_debtor_does_not_lead() -> None:
    """A re-numbered debtor takes the company's customer number along, unless that is another debtor's."""
    old, new = a_debtor(4711), a_debtor(4720)
    debtor = new._replace(id=old.id)
    standings = {debtor.id: Standing(1, said(old))}

    alone = one(debtor, Links(linked(made_from(old), debtor.id), standings=standings))
    assert alone.changed == {"customer_number": ("4711", "4720")}
    second = Links(linked(made_from(old, customer_number="4699"), 1, debtor.id), standings=standings)
    assert one(debtor, second).action is Proposed.NONE


def test_a_deleted_company_keeps_its_debtor() -> None:
    """What the CRM deleted is neither changed nor replaced by another company."""
    debtor = a_debtor(phone="75620000")
    gone = linked(a_company(1), debtor.id)
    links = Links(
        gone._replace(company=gone.company._replace(deleted=True)), standings={debtor.id: Standing(1, said(a_debtor()))}
    )
    assert one(debtor, links).action is Proposed.NONE


def test_numbers_of_another_agreement_are_not_its_own() -> None:
    """Agreements count their debtors from 1: a customer number that is another agreement's debtor points at nobody."""
    stranger = {"name": "Sydhavn Maskiner", "address": "Havnegade 3", "zip": "9000", "city": "Aalborg", "cvr": None}
    company = a_company(1, customer_number="4711")

    assert one(a_debtor(**stranger), Links(company)).action is Proposed.ALERT
    theirs = linked(company, 1, agreement=7)
    assert one(a_debtor(**stranger), Links(theirs)).action is Proposed.CREATE
    assert one(a_debtor(), Links(theirs)).action is Proposed.LINK


def test_a_debtor_that_is_being_created_waits() -> None:
    """A stranger with the name of a debtor that is being created for a company is left until that is over."""
    proposal = one(a_debtor(), Links(), creating=["nordvind  service aps"])
    assert (proposal.action, proposal.left) == (Proposed.LEAVE, Left.BEING_MADE)
