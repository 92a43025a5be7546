"""What is asked of a person: which records together, why, and what is not asked again."""

from __future__ import annotations

import pytest

from domain.alerts import (
    IN_WORDS,
    AlertReason,
    Answer,
    Asked,
    RecordKind,
    RecordRef,
    alerts_of,
    alerts_of_companies,
    groups,
    pair_fingerprint,
    proposed,
)
from domain.matching.records import RawRecord, normalise
from domain.matching.verdicts import Action, Candidate, Rung, Verdict


def candidates(*scores: float, first: int = 1) -> tuple[Candidate, ...]:
    return tuple(Candidate(first + n, score, (), ()) for n, score in enumerate(scores))


def asked(record: int, *companies: int, kind: RecordKind = RecordKind.DEBTOR) -> Asked:
    return Asked(RecordRef(kind, record), tuple(Candidate(one, 80.0, (), ()) for one in companies))


def alert(*scores: float, rung: Rung | None = None, first: int = 1) -> Verdict:
    return Verdict(Action.ALERT, None, rung, candidates(*scores, first=first), 0)


def test_records_connected_by_companies_are_a_group() -> None:
    """Two groups that a third record connects are one; a company is connected with what it may be."""
    found = groups([asked(10, 1, 2), asked(11, 3), asked(12, 9), asked(13, 2, 3), asked(5, 9, kind=RecordKind.COMPANY)])

    assert [[each.record.id for each in group] for group in found] == [[10, 11, 13], [12, 5]]
    assert groups([asked(1)]) == []


def test_alerts_by_reason() -> None:
    """A doubted key is a reason of its own; several that fit and one in doubt are two; other verdicts ask nothing."""
    verdicts = {
        1: alert(80, 79),
        2: alert(60),
        3: alert(60, rung=Rung.CVR),
        4: alert(60, rung=Rung.CVR, first=7),
        5: Verdict(Action.LINK, 1, None, candidates(99), 0),
    }

    found = {(each.reason, tuple(one.record.id for one in each.asked)) for each in alerts_of(verdicts)}
    assert found == {
        (AlertReason.SEVERAL, (1,)),
        (AlertReason.IN_DOUBT, (2,)),
        (AlertReason.CVR, (3,)),
        (AlertReason.CVR, (4,)),
    }
    assert set(IN_WORDS) == set(AlertReason)


def test_alerts_about_companies() -> None:
    """A company and those it may be, compared; one that is not there any more is nobody's candidate."""
    records = {1: normalise(NORDVIND), 2: normalise(SYDVIND), 3: normalise(RawRecord(name="Nordvind Service A/S"))}

    [found] = alerts_of_companies({1: (2, 3, 9), 9: (1,), 2: (9,)}, records)
    assert found.reason is AlertReason.COMPANIES
    [one] = found.asked
    assert one.record == RecordRef(RecordKind.COMPANY, 1)
    assert [candidate.company for candidate in one.candidates] == [3, 2]
    assert one.candidates[0].score > one.candidates[1].score


@pytest.mark.parametrize(
    ("scores", "answer"),
    [
        ((80.0,), Answer.LINK),
        ((80.0, 70.0), Answer.LINK),
        ((80.0, 71.0), None),
        ((44.0,), Answer.NOT_DUPLICATE),
        ((), None),
    ],
)
def test_what_is_proposed(scores: tuple[float, ...], answer: Answer | None) -> None:
    """The clear best is linked, what is unlikely is no duplicate, and two that are close are left to a person."""
    assert proposed(RecordKind.DEBTOR, candidates(*scores)) is answer
    if answer is Answer.LINK:
        assert proposed(RecordKind.COMPANY, candidates(*scores)) is Answer.MERGE


NORDVIND = RawRecord(name="Nordvind Service A/S", zip="8700", city="Horsens", country="DK", cvr="31313139")
SYDVIND = RawRecord(name="Nordvind ApS", zip="9000", city="Aalborg", country="DK", customer_number="4711")


@pytest.mark.parametrize(
    ("changed", "same"),
    [
        ({"name": "NORDVIND  SERVICE a/s"}, True),
        ({"cvr": "DK 31 31 31 39"}, True),
        ({"own_id": "crm-17"}, True),
        ({"customer_number": "4712"}, True),
        ({"customer_number": "4711"}, False),
        ({"cvr": "10103940"}, False),
        ({"zip": "8701"}, False),
        ({"phones": ("76 00 00 00",)}, False),
        ({"mail": "faktura@nordvind.example"}, False),
        ({"name": "Nordvind A/S"}, False),
    ],
)
def test_what_decides_about_a_pair(changed: dict[str, object], same: bool) -> None:
    """How a value is written decides nothing, and whose number is whose only where the two have the same."""
    before = pair_fingerprint(normalise(NORDVIND), normalise(SYDVIND))
    fields = {name: getattr(NORDVIND, name) for name in RawRecord.__slots__}
    now = normalise(RawRecord(**{**fields, **changed}))

    assert (pair_fingerprint(now, normalise(SYDVIND)) == before) is same
    assert pair_fingerprint(normalise(SYDVIND), now) == pair_fingerprint(now, normalise(SYDVIND))
