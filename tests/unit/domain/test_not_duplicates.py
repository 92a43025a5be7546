"""What a person said to be no duplicate is not proposed again until something changes that decides about the pair."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.alerts import pair_fingerprint
from domain.companies import CompanyFields
from domain.normal_forms import company_form, debtor_form
from domain.proposals import MatchedDebtor, Proposal, Standing, propose
from tests.unit.domain.test_proposals import Links, a_company, a_debtor

# Field of a debtor → of a company, and two values that are not the same, each in all the ways it is written.
FIELDS: dict[str, tuple[str, tuple[tuple[str, ...], ...]]] = {
    "name": ("name", (("Nordvind Service ApS", "NORDVIND SERVICE aps"), ("Sydvind ApS", "Sydvind  aps"))),
    "address": ("street", (("Industrivej 7", "industrivej  7"), ("Havnegade 3", "Havnegade 3 "))),
    "zip": ("zip", (("8700", " 8700"), ("9000", "9000 "))),
    "cvr": ("vat", (("31313139", "DK 31 31 31 39"), ("24256790", "DK24256790"))),
    "phone": ("phone", (("76123456", "+45 76 12 34 56"), ("98765432", "98 76 54 32"))),
    "email": ("mail", (("post@nordvind.example", "Post@Nordvind.example"), ("post@sydvind.example",))),
}


class Edit(NamedTuple):
    """One side's field becomes a value, in one of its writings; without a field something that decides nothing."""

    of_debtor: bool
    field: str
    value: int
    writing: int


EDITS = st.builds(Edit, st.booleans(), st.sampled_from([*FIELDS, ""]), st.integers(0, 1), st.integers(0, 1))


class Pair:
    """A debtor and a company as they are, and as they were when somebody said that they are two."""

    def __init__(self) -> None:
        self.values = {of_debtor: dict.fromkeys(FIELDS, 0) for of_debtor in (True, False)}
        self.debtor: dict[str, object] = {field: FIELDS[field][1][0][0] for field in FIELDS}
        self.company = {FIELDS[field][0]: FIELDS[field][1][0][0] for field in FIELDS}
        self.credit = 0
        self.said: tuple[str, object] | None = None

    def edit(self, edit: Edit) -> None:
        if not edit.field:
            self.credit += 1
            return
        theirs, values = FIELDS[edit.field]
        text = values[edit.value][edit.writing % len(values[edit.value])]
        self.values[edit.of_debtor][edit.field] = edit.value
        if edit.of_debtor:
            self.debtor[edit.field] = text
        else:
            self.company[theirs] = text

    def say_that_they_are_two(self) -> None:
        self.said = self.fingerprint(), self.content()

    def content(self) -> object:
        """What decides about the two; which of them is the debtor does not."""
        return sorted(tuple(side.values()) for side in self.values.values())

    def fingerprint(self) -> str:
        return pair_fingerprint(debtor_form(self.matched().values), company_form(self.company))

    def matched(self) -> MatchedDebtor:
        return a_debtor(**self.debtor, credit_limit=self.credit, debtor_group=self.credit, country="DK", city="")

    def proposed(self, *, remembering: bool) -> Proposal:
        """As a drain proposes: what was said counts as long as its fingerprint is the pair's."""
        debtor, company = self.matched(), a_company(7, CompanyFields(**self.company))
        apart = remembering and self.said is not None and self.said[0] == self.fingerprint()
        standing = {debtor.id: Standing(refused=frozenset({7}))} if apart else {}
        links = Links(company, standings=standing)
        [proposal] = propose([debtor], links.index, links, may_create=True)
        return proposal


@settings(max_examples=100, deadline=None)
@given(before=st.lists(EDITS, max_size=4), after=st.lists(EDITS, max_size=6))
def test_not_a_duplicate_until_a_deciding_field_changes(before: list[Edit], after: list[Edit]) -> None:
    """
    However else the two are written meanwhile; and once a field that decides is another one, as if nothing was said.

    When it is again what it was, what was said holds again.
    """
    pair = Pair()
    for edit in before:
        pair.edit(edit)
    pair.say_that_they_are_two()
    for edit in [Edit(True, "", 0, 0), *after]:
        pair.edit(edit)
        assert pair.said is not None
        proposal = pair.proposed(remembering=True)
        if pair.content() == pair.said[1]:
            named = [each.company for each in proposal.verdict.candidates] if proposal.verdict is not None else []
            assert 7 not in [*named, proposal.company]
        else:
            assert proposal == pair.proposed(remembering=False)
