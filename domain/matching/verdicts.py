"""
What to do with a record that may be a known company: link, create, leave, or ask a person.

ChannelCRM's own ladder goes first (crm.md §2), each rung only where it points at exactly one company and nothing stands
against it; then the scored comparison. A rung that something does stand against is an alert.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from domain.matching import weights as w
from domain.matching.comparison import MAY_BE_A_BRANCH, Comparison, compare
from domain.matching.index import Candidates
from domain.matching.keys import KeyKind
from domain.matching.names_compared import SAME_NAME
from domain.matching.reasons import Reason
from domain.matching.records import Record


class Action(StrEnum):
    """What is proposed."""

    LINK = "link"
    CREATE = "create"  # nobody like it is known
    LEAVE = "leave"  # nobody like it is known, and it has no name to make a company of
    ALERT = "alert"


class Rung(StrEnum):
    """The ladder, top first; the values are message ids."""

    OWN_ID = "own id"
    CUSTOMER_NUMBER = "customer number"
    CUSTOMER_NUMBER_ZIP = "customer number and zip"
    CVR_P_NUMBER = "CVR and P-number"
    CVR = "CVR"
    PHONE = "phone"
    NAME_ZIP_STREET = "name, zip and street"
    NAME_ZIP = "name and zip"


class Candidate(NamedTuple):
    """A company with its score, 0–100, and why."""

    company: int
    score: float
    reasons: tuple[Reason, ...]
    against: tuple[Reason, ...]


class Verdict(NamedTuple):
    """
    Attributes:
        company: the one to link to; None unless `action` is LINK.
        rung: the rung that pointed at it, or was doubted; None where the score decided.
        candidates: best first: the linked one, or those of an alert. Never more than ten.
        capped: lists of candidates that were too long to be read.
    """

    action: Action
    company: int | None
    rung: Rung | None
    candidates: tuple[Candidate, ...]
    capped: int


MOST_SHOWN = 10


class _Weighed(NamedTuple):
    company: int
    record: Record
    comparison: Comparison


def judge(record: Record, candidates: Candidates) -> Verdict:
    """Decide about one record; the same candidates give the same verdict, alone or among many."""
    weighed = _weigh(record, candidates)
    capped = len(candidates.capped)
    doubted: list[_Weighed] = []
    rung: Rung | None = None
    for step in Rung:
        pointed = _pointed_at(step, record, candidates, weighed)
        if len(pointed) == 1:
            if _stands(step, pointed[0].comparison):
                return Verdict(Action.LINK, pointed[0].company, step, (_shown(pointed[0]),), capped)
            if not _is_sister(record, pointed[0].record):
                doubted += pointed
                rung = rung or step
    likely = [one for one in weighed if one.comparison.score >= w.ALERT and not _is_sister(record, one.record)]
    if likely and not doubted and _is_clear(likely):
        return Verdict(Action.LINK, likely[0].company, None, (_shown(likely[0]),), capped)
    shown = {one.company: one for one in (*likely, *doubted)}
    if shown:
        return Verdict(
            Action.ALERT, None, rung, tuple(_shown(one) for one in list(shown.values())[:MOST_SHOWN]), capped
        )
    return Verdict(Action.CREATE if record.name else Action.LEAVE, None, None, (), capped)


def _weigh(record: Record, candidates: Candidates) -> list[_Weighed]:
    weighed = [
        _Weighed(company, other, compare(record, other, candidates.crowds))
        for company, other in candidates.records.items()
    ]
    weighed.sort(key=lambda one: (-one.comparison.score, one.company))
    return weighed


LADDER_KINDS = frozenset(
    {
        *(KeyKind.CUSTOMER_NUMBER, KeyKind.CVR, KeyKind.P_NUMBER, KeyKind.PHONE),
        *(KeyKind.NAME, KeyKind.WORD, KeyKind.HOUSE),
    }
)
"""What the ladder needs to be looked up by, without the score."""

NAME_ALONE = "name alone"


class Climbed(NamedTuple):
    """
    What the ladder alone says.

    Attributes:
        company: the one it points at beyond doubt.
        rung: the rung that does: a `Rung`, or NAME_ALONE.
        pointed: companies that a rung alone points at, whatever stands against it.
        doubtful: companies that fit a rung without being believed: several, or one that something stands against.
    """

    company: int | None
    rung: str | None
    pointed: frozenset[int]
    doubtful: tuple[int, ...]


def climb(record: Record, candidates: Candidates) -> Climbed:
    """
    The ladder without the score, for records that come from where the companies come from: the CRM, or a file.

    There, and only there, a record that knows nothing but its name is the one company that knows nothing else either.
    """
    weighed = _weigh(record, candidates)
    found: tuple[int | None, str | None] = (None, None)
    pointed: set[int] = set()
    doubtful: dict[int, None] = {}
    for step in Rung:
        ones = _pointed_at(step, record, candidates, weighed)
        if len(ones) == 1:
            pointed.add(ones[0].company)
            if found[0] is None and _stands(step, ones[0].comparison):
                found = ones[0].company, step.value
        fitting = [] if _is_crowd(step, record, candidates) else _holding(step, record, weighed)
        doubtful.update(dict.fromkeys(one.company for one in fitting if not _is_sister(record, one.record)))
    alike = [one for one in weighed if _nothing_else(record, one.record) and not one.comparison.conflict]
    if len(alike) == 1 and not any(key.kind is KeyKind.NAME for key in candidates.capped):
        pointed.add(alike[0].company)
        found = found if found[0] is not None else (alike[0].company, NAME_ALONE)
    return Climbed(*found, frozenset(pointed), tuple(doubtful))


def _nothing_else(a: Record, b: Record) -> bool:
    same = bool(a.name) and (a.name, a.legal_form, a.department) == (b.name, b.legal_form, b.department)
    return same and not (a.zip or a.city or a.street or b.zip or b.city or b.street)


def _shown(one: _Weighed) -> Candidate:
    return Candidate(one.company, one.comparison.score, one.comparison.reasons, one.comparison.against)


def _is_clear(likely: list[_Weighed]) -> bool:
    """One strong candidate with nothing against it, well ahead of the next."""
    best = likely[0].comparison
    strong = best.score >= w.LINK and best.name_agrees and not best.conflict and not best.place_differs
    return strong and (len(likely) == 1 or best.score - likely[1].comparison.score >= w.LEAD)


def _is_sister(a: Record, b: Record) -> bool:
    """A unit of the same CVR number with a P-number, EAN or department of its own: another company, no duplicate."""
    return (
        bool(a.cvr)
        and a.cvr == b.cvr
        and any(
            one and other and one != other
            for one, other in ((a.p_number, b.p_number), (a.ean, b.ean), (a.department, b.department))
        )
    )


def _pointed_at(rung: Rung, record: Record, candidates: Candidates, weighed: list[_Weighed]) -> list[_Weighed]:
    """The companies a rung points at."""
    kind = _KIND_OF.get(rung)
    if kind is not None:
        company = candidates.alone.get(kind)
        weighed = [one for one in weighed if one.company == company]
    return [] if _is_crowd(rung, record, candidates) else _holding(rung, record, weighed)


def _holding(rung: Rung, record: Record, weighed: list[_Weighed]) -> list[_Weighed]:
    holds = _HOLDS[rung]
    return [one for one in weighed if holds(record, one.record)]


_KIND_OF = {Rung.OWN_ID: KeyKind.OWN_ID, Rung.CUSTOMER_NUMBER: KeyKind.CUSTOMER_NUMBER, Rung.CVR: KeyKind.CVR}


def _is_crowd(rung: Rung, record: Record, candidates: Candidates) -> bool:
    """Whether the value is held by so many that it says nothing by itself."""
    if rung is Rung.CVR:
        return candidates.crowds.get(("cvr", record.cvr), 1) > w.CROWD
    if rung is Rung.PHONE:
        return any(candidates.crowds.get(("phone", phone), 1) > w.CROWD for phone in record.phones.split())
    return False


def _same_phone(a: Record, b: Record) -> bool:
    return bool(a.phones and b.phones) and not set(a.phones.split()).isdisjoint(b.phones.split())


def _same_name_and_zip(a: Record, b: Record) -> bool:
    return bool(a.name and a.zip) and a.name == b.name and a.zip == b.zip


_HOLDS = {
    Rung.OWN_ID: lambda a, b: a.own_id == b.own_id != "",
    Rung.CUSTOMER_NUMBER: lambda a, b: a.customer_number == b.customer_number != "",
    Rung.CUSTOMER_NUMBER_ZIP: lambda a, b: a.customer_number == b.customer_number != "" and a.zip == b.zip != "",
    Rung.CVR_P_NUMBER: lambda a, b: a.cvr == b.cvr != "" and a.p_number == b.p_number != "",
    Rung.CVR: lambda a, b: a.cvr == b.cvr != "",
    Rung.PHONE: _same_phone,
    Rung.NAME_ZIP_STREET: lambda a, b: _same_name_and_zip(a, b) and a.street == b.street != "" and a.house == b.house,
    Rung.NAME_ZIP: _same_name_and_zip,
}


def _stands(rung: Rung, comparison: Comparison) -> bool:
    """
    Whether nothing stands against a rung.

    No rung stands against another valid CVR, P-number or EAN, or another name *and* address. Phones and customer
    numbers are typed by hand and go to the next holder: these want the name or the address to agree. A phone or a zip
    of somebody at another address may be a branch's: these want the same distinctive name, word for word, and nothing
    else against it.
    """
    if comparison.conflict or (comparison.name_differs and comparison.place_differs):
        return False
    if rung in (Rung.PHONE, Rung.NAME_ZIP) and comparison.place_differs:
        same_name = any(r.message == SAME_NAME and r.bits >= w.OWN_WORD + w.WHOLE_NAME for r in comparison.reasons)
        return same_name and sum(r.message != MAY_BE_A_BRANCH for r in comparison.against) == 1  # the place itself
    if rung in (Rung.PHONE, Rung.CUSTOMER_NUMBER, Rung.CUSTOMER_NUMBER_ZIP):
        return comparison.name_agrees or comparison.place_agrees
    return True
