"""
The look before a debtor is created, and the look for one that a call without an answer may have created.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from domain.companies import CompanyFields, LinkedHow, StoredCompany
from domain.conversions import SKEW, Body, Candidate, Conversion, name_key
from domain.debtors import Debtor, cvr_key, same_cvr
from domain.matching.comparison import compare
from domain.matching.index import MemoryIndex, look_up
from domain.matching.verdicts import Action, Rung, judge
from domain.matching.weights import LINK
from domain.normal_forms import company_form, debtor_form


class Existing(NamedTuple):
    """
    What a look says of the debtors there are.

    `certain` is the company's own, found by `how`; `doubtful` may be: a person must say. `being_made`: one of them may
    be the debtor that another conversion is creating in this moment.
    """

    certain: Candidate | None = None
    how: LinkedHow = LinkedHow.LADDER
    doubtful: tuple[Candidate, ...] = ()
    being_made: bool = False


def judge_existing(
    company: StoredCompany,
    debtors: Iterable[Debtor],
    *,
    linked: Mapping[int, tuple[int, str]],
    being_made: Collection[str] = (),
    second: bool = False,
) -> Existing:
    """
    Which of these debtors is the company.

    Another company's debtor is nobody else's, unless it carries this one's CVR number: then a person must look, and
    nothing is linked by itself.

    Args:
        debtors: of e-conomic's answer and of the mirror; the first of a number counts.
        linked: those that are a company's already: number → its id and name.
        being_made: the names of debtors that other conversions are creating now.
        second: the company's own are not meant.
    """
    candidates: dict[int, Debtor] = {}
    for debtor in debtors:
        owner = linked.get(debtor.number)
        if owner is None or (same_cvr(debtor.cvr, company.fields.vat) and not (second and owner[0] == company.id)):
            candidates.setdefault(debtor.number, debtor)
    if not candidates:
        return Existing()
    record = company_form(company.fields._asdict(), company.crm_id)
    forms = {number: debtor_form(debtor._asdict()) for number, debtor in candidates.items()}
    verdict = judge(record, look_up([record], MemoryIndex(forms))[0])
    shown = [
        Candidate(
            one.company,
            candidates[one.company].name,
            one.score,
            tuple(reason.text() for reason in one.reasons),
            linked[one.company][1] if one.company in linked else None,
        )
        for one in verdict.candidates
    ]
    certain = verdict.action is Action.LINK and (verdict.rung in _SURE or shown[0].score >= LINK)
    known = {one.number for one in shown}
    shown += [
        Candidate(number, debtor.name, compare(record, forms[number]).score, ("same name",))
        for number, debtor in candidates.items()
        if number not in known and number not in linked and _namesake(company, debtor)
    ]
    if any(one.linked_to is None and name_key(one.name) in being_made for one in shown):
        return Existing(being_made=True)
    if certain and shown[0].linked_to is None:
        return Existing(shown[0], LinkedHow.SCORE if verdict.rung is None else LinkedHow.LADDER)
    return Existing(doubtful=tuple(shown))


_SURE = frozenset({Rung.OWN_ID, Rung.CUSTOMER_NUMBER, Rung.CUSTOMER_NUMBER_ZIP, Rung.CVR_P_NUMBER, Rung.CVR})
"""Rungs that settle it; a phone, or an address, may be another firm's: what is to be created is then asked about."""


def _namesake(company: StoredCompany, debtor: Debtor) -> bool:
    """A debtor of the very name that nothing tells apart from the company: too little to link, too much to ignore."""
    theirs, ours = cvr_key(debtor.cvr), cvr_key(company.fields.vat)
    zips = {name_key(text) for text in (debtor.zip, company.fields.zip) if text}
    other_cvr = bool(theirs and ours) and theirs != ours
    return name_key(debtor.name) == name_key(company.fields.name) and not other_cvr and len(zips) < 2


def worth_storing(company: CompanyFields, found: Iterable[Debtor], linked: Collection[int]) -> list[Debtor]:
    """Of an answer those that may be linked: of this name or CVR number, and nobody's yet."""
    name = name_key(company.name)
    return [
        debtor
        for debtor in found
        if debtor.number not in linked and (name_key(debtor.name) == name or same_cvr(debtor.cvr, company.vat))
    ]


class Sought(NamedTuple):
    """What the look for the debtor of an unanswered call says: exactly one, none (and no doubt), or a person must."""

    ours: Debtor | None = None
    doubtful: tuple[Candidate, ...] = ()
    sure: bool = True


def seek_ours(
    conversion: Conversion,
    found: Sequence[Debtor],
    *,
    linked: Collection[int],
    first_sent: dt.datetime,
    complete: bool = True,
) -> Sought:
    """
    Which of these debtors the conversion's own call made.

    It was unknown before the call, has not changed before the first one was sent, says in every field what was sent,
    and nobody has linked it. Exactly one is ours.

    Args:
        found: everything e-conomic has under the name, or under the number that was asked for.
        complete: the answer held all there is.
    """
    body = conversion.body
    assert body is not None
    possible = [
        debtor
        for debtor in found
        if debtor.number not in conversion.known
        and debtor.number not in linked
        and (debtor.last_updated is None or debtor.last_updated >= first_sent - SKEW)
        and says_what_was_sent(debtor, body)
    ]
    if len(possible) == 1 and complete:
        return Sought(possible[0])
    return Sought(
        doubtful=tuple(Candidate(each.number, each.name, 100.0, ("every field as it was sent",)) for each in possible),
        sure=complete and not possible,
    )


def says_what_was_sent(debtor: Debtor, body: Body) -> bool:
    """Whether every field that was sent is in the debtor as it was sent; blanks around text do not count."""
    return all(_plain(getattr(debtor, name)) == _plain(value) for name, value in body.items())


def _plain(value: object) -> object:
    if isinstance(value, str):
        return "\n".join(value.replace("\r\n", "\n").replace("\r", "\n").split("\n")).strip() or None
    return value or None
