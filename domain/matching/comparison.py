"""
How likely two records are one firm: 0–100, with the reasons in words and the evidence against.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import log2
from typing import NamedTuple

from domain.matching import weights as w
from domain.matching.names_compared import compare_names
from domain.matching.places_compared import Place, compare_places
from domain.matching.reasons import Reason
from domain.matching.records import Record

MAY_BE_A_BRANCH = "may be a branch: name and contacts of another address count less"

Crowds = Mapping[tuple[str, str], int]
"""(field, value) → places at which it is held, where these are more than one; others count as one."""

NO_CROWDS: Crowds = {}


class Comparison(NamedTuple):
    """
    Attributes:
        score: 0–100, see `weights`.
        reasons: what speaks for it, strongest first.
        against: what speaks against it.
        conflict: something that two records of one firm hardly ever show; never linked without a person.
    """

    score: float
    reasons: tuple[Reason, ...]
    against: tuple[Reason, ...]
    conflict: bool
    name_agrees: bool
    place_agrees: bool
    name_differs: bool
    place_differs: bool


def compare(a: Record, b: Record, crowds: Crowds = NO_CROWDS) -> Comparison:
    """Compare two records; the order does not matter."""
    evidence: list[Reason] = []
    conflict = _numbers(a, b, crowds, evidence)
    place = compare_places(a, b)
    name = compare_names(a, b, place.place is Place.SAME)
    contacts: list[Reason] = []
    if place.reason is not None:
        (contacts if place.reason.bits > 0 else evidence).append(place.reason)
    for reason in (_phone(a, b, crowds), _mail(a, b, crowds)):
        if reason is not None:
            (contacts if reason.bits > 0 else evidence).append(reason)
    if len(contacts) > 1:
        contacts.sort(key=lambda reason: -reason.bits)
        contacts = [reason._replace(bits=reason.bits * w.SECOND_CONTACT**i) for i, reason in enumerate(contacts)]
    names = list(name.reasons)
    if a.name == b.name and names and (n := crowds.get(("name", a.name), 1)) > 1:
        names[0] = names[0]._replace(bits=max(0.0, names[0].bits - log2(n)))
    evidence += contacts + names
    if place.place is Place.OTHER:
        excess = sum(reason.bits for reason in (*contacts, *names) if reason.bits > 0) - w.MOST_ELSEWHERE
        if excess > 0:
            evidence.append(Reason(MAY_BE_A_BRANCH, -excess))
    if a.department and b.department and a.department != b.department:
        evidence.append(Reason("other department", w.OTHER_DEPARTMENT))
        conflict = True
    if a.legal_form and b.legal_form and a.legal_form != b.legal_form:
        evidence.append(Reason("different legal forms", w.OTHER_LEGAL_FORM))
    bits = sum(reason.bits for reason in evidence)
    score = min(100.0, max(0.0, w.EVEN + w.POINTS_PER_BIT * (bits + w.PRIOR)))
    return Comparison(
        round(score, 1),
        tuple(sorted((r for r in evidence if r.bits > 0), key=lambda reason: -reason.bits)),
        tuple(r for r in evidence if r.bits <= 0),
        conflict or name.conflict,
        name.agrees,
        place.place is Place.SAME,
        name.differs,
        place.place is Place.OTHER,
    )


def _numbers(a: Record, b: Record, crowds: Crowds, evidence: list[Reason]) -> bool:
    """CVR, P-number and EAN; whether they contradict."""
    conflict = False
    if a.cvr and b.cvr:
        if a.cvr != b.cvr:
            evidence.append(Reason("different CVR numbers", w.OTHER_CVR))
            conflict = True
        elif (n := crowds.get(("cvr", a.cvr), 1)) <= w.CROWD:
            evidence.append(Reason("same CVR number", w.SAME_CVR - log2(n)))
        else:
            evidence.append(Reason("same CVR number, shared by many", 0.0))
    if a.p_number and b.p_number:
        same = a.p_number == b.p_number
        evidence.append(
            Reason("same P-number", w.SAME_P_NUMBER) if same else Reason("different P-numbers", w.OTHER_P_NUMBER)
        )
        conflict |= not same
    if a.ean and b.ean:
        same = a.ean == b.ean
        evidence.append(Reason("same EAN", w.SAME_EAN) if same else Reason("different EAN numbers", w.OTHER_EAN))
        conflict |= not same
    return conflict


def _phone(a: Record, b: Record, crowds: Crowds) -> Reason | None:
    if not a.phones or not b.phones:
        return None
    ours, theirs = a.phones.split(), b.phones.split()
    for one in ours:
        if one in theirs:
            n = crowds.get(("phone", one), 1)
            return (
                Reason("same phone", w.SAME_PHONE - log2(n))
                if n <= w.CROWD
                else Reason("same phone, shared by many", 0.0)
            )
    near = False
    for one in ours:
        for other in theirs:
            if _is_part(one, other) or _is_part(other, one):
                n = crowds.get(("phone", one), 1)
                if n <= w.CROWD:
                    return Reason("same phone, area code missing", w.PHONE_WITHOUT_PREFIX - log2(n))
                return Reason("same phone, shared by many", 0.0)
            near = near or _one_slip(one, other)
    return Reason("phones differ by one digit", w.NEAR_PHONE) if near else Reason("different phones", w.OTHER_PHONE)


def _is_part(short: str, full: str) -> bool:
    return not short.startswith("+") and len(short) >= 7 and len(short) < len(full) and full.endswith(short)


def _one_slip(one: str, other: str) -> bool:
    """One digit mistyped, or two neighbours swapped."""
    if len(one) != len(other):
        return False
    differing = [i for i in range(len(one)) if one[i] != other[i]]
    if len(differing) == 2:
        i, j = differing
        return j == i + 1 and one[i] == other[j] and one[j] == other[i]
    return len(differing) == 1


def _mail(a: Record, b: Record, crowds: Crowds) -> Reason | None:
    if a.mail and a.mail == b.mail:
        n = crowds.get(("mail", a.mail), 1)
        return Reason("same mail", w.SAME_MAIL - log2(n)) if n <= w.CROWD else Reason("same mail, shared by many", 0.0)
    if not a.domains or not b.domains:
        return None
    theirs = b.domains.split()
    for domain in a.domains.split():
        if domain in theirs:
            n = crowds.get(("domain", domain), 1)
            if n <= w.CROWD:
                return Reason("same domain %(domain)s", w.SAME_DOMAIN - log2(n), (("domain", domain),))
            return Reason("same domain %(domain)s, shared by many", 0.0, (("domain", domain),))
    return Reason("different domains", w.OTHER_DOMAIN)
