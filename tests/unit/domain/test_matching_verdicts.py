"""
Which company a record is: the ladder and its guards, the scored comparison, alerts and their groups, clusters.
"""

from __future__ import annotations

import random
import time

import pytest

from domain.matching import weights
from domain.matching.clusters import clusters
from domain.matching.comparison import compare
from domain.matching.index import MemoryIndex, look_up
from domain.matching.keys import MOST_PER_KEY, keys_of
from domain.matching.records import RawRecord, normalise
from domain.matching.verdicts import Action, Rung, Verdict, judge


def a_company(**values: object) -> RawRecord:
    fields: dict[str, object] = {
        "name": "Nordvind Service A/S",
        "street": "Industrivej 7",
        "zip": "8700",
        "city": "Horsens",
        "country": "DK",
        "cvr": "31313139",
        "phones": ("76 00 00 00",),
        "mail": "faktura@nordvind.dk",
    }
    return RawRecord(**{**fields, **values})  # type: ignore[arg-type]


def bare(**values: object) -> RawRecord:
    return RawRecord(country="DK", **values)  # type: ignore[arg-type]


def verdict(debtor: RawRecord, *companies: RawRecord, crowded: set[int] | None = None) -> Verdict:
    """Of a debtor among companies numbered from 1."""
    index = MemoryIndex({i: normalise(company) for i, company in enumerate(companies, 1)})
    record = normalise(debtor)
    (found,) = look_up([record], index, crowded or set())
    return judge(record, found)


FAR = {"street": "Havnegade 3", "zip": "9000", "city": "Aalborg"}
OTHER_CVR = "10103940"
STRANGER = a_company(name="Sydhavn Maskiner", cvr="", phones=(), mail="", **FAR)


@pytest.mark.parametrize(
    ("debtor", "company", "rung"),
    [
        (bare(own_id="crm-17", name="NVS"), a_company(own_id="crm-17"), Rung.OWN_ID),
        (bare(customer_number="4711", name="Nordvind"), a_company(customer_number="04711"), Rung.CUSTOMER_NUMBER),
        (bare(cvr="DK31313139", p_number="1003388394"), a_company(p_number="1003388394"), Rung.CVR_P_NUMBER),
        (bare(cvr="31313139", name="Nordvind Horsens"), a_company(), Rung.CVR),
        (bare(phones=("+45 76000000",), name="Nordvind"), a_company(), Rung.PHONE),
        (bare(name="NORDVIND SERVICE", zip="8700", street="Industriv. 7"), a_company(), Rung.NAME_ZIP_STREET),
        (bare(name="Nordvind Service ApS", zip="8700"), a_company(), Rung.NAME_ZIP),
        (bare(name="Nordvind Service", street="Industrivej 7"), a_company(), None),
    ],
)
def test_each_rung_links(debtor: RawRecord, company: RawRecord, rung: Rung | None) -> None:
    """A key that points at one company which nothing speaks against links to it; the last rows are the score's."""
    found = verdict(debtor, company, a_company(name="Sydhavn Maskiner", cvr=OTHER_CVR, phones=(), mail="", **FAR))
    assert (found.action, found.company, found.rung) == (Action.LINK, 1, rung)


@pytest.mark.parametrize(
    ("debtor", "company"),
    [
        (a_company(cvr=OTHER_CVR), a_company()),
        (bare(customer_number="4711", name="Sydhavn Maskiner", **FAR), a_company(customer_number="4711")),
        (bare(own_id="crm-17", name="Sydhavn Maskiner", **FAR), a_company(own_id="crm-17")),
        (bare(cvr="31313139", name="Sydhavn Maskiner", **FAR), a_company()),
        (bare(phones=("76000000",), name="Sydhavn Maskiner", **FAR), a_company()),
    ],
)
def test_no_rung_links_against_evidence(debtor: RawRecord, company: RawRecord) -> None:
    """Another valid CVR, or another name and address under the same key, is asked about."""
    found = verdict(debtor, company)
    assert found.action is Action.ALERT
    assert found.candidates[0].against


def test_two_alike_are_asked_about() -> None:
    """Two companies that fit equally well make one alert naming both."""
    found = verdict(a_company(cvr=""), a_company(cvr="", mail=""), a_company(cvr="", mail=""))
    assert found.action is Action.ALERT
    assert sorted(candidate.company for candidate in found.candidates) == [1, 2]


def test_nobody_like_it() -> None:
    """An unknown debtor becomes a company; one without a name is left alone."""
    assert (
        verdict(a_company(name="Sydhavn Maskiner", cvr="", phones=(), mail="", **FAR), a_company()).action
        is Action.CREATE
    )
    assert verdict(bare(city="Horsens"), a_company()).action is Action.LEAVE


def test_sister_units_are_no_duplicates() -> None:
    """The same CVR with another P-number or EAN is another unit: not linked, and nobody is asked."""
    unit = a_company(p_number="1003388394", ean="5798009882806", **FAR)
    assert verdict(a_company(p_number="1003388401", phones=(), mail=""), unit).action is Action.CREATE
    assert verdict(a_company(ean="5798009882813", phones=(), mail=""), unit).action is Action.CREATE


@pytest.mark.parametrize("name", ["Nordvind Service Holding ApS", "Nordvind Ejendomme", "Nordvind Service Invst ApS"])
def test_sister_firms_are_not_linked(name: str) -> None:
    """A holding or property firm in the same house, with the same phone, is not the firm itself."""
    assert verdict(a_company(name=name, cvr=""), a_company()).action is not Action.LINK


def test_a_phone_of_many_is_no_evidence() -> None:
    """A switchboard of more than five places points at nobody, on either side."""
    phone = ("76000000",)
    hotels = [
        a_company(name=f"Firma {word}", street=f"{word}vej {i}", phones=phone, cvr="", mail="")
        for i, word in enumerate(("Alfa", "Bravo", "Charlie", "Delta", "Ekko", "Foxtrot", "Golf"), 1)
    ]
    found = verdict(bare(name="Firma Alfa", phones=phone), *hotels)
    assert found.action is not Action.LINK
    debtor = bare(name="Nordvind", phones=phone)
    many = {key.hash for key in keys_of(normalise(bare(phones=phone)))}
    assert verdict(debtor, a_company()).action is Action.LINK
    assert verdict(debtor, a_company(), crowded=many).action is not Action.LINK


def test_a_branch_with_the_same_phone_is_asked_about() -> None:
    """Name and phone of another address may be a branch's: alike names are not enough for a link."""
    found = verdict(a_company(name="Nordvind Service Aalborg", cvr="", mail="", **FAR), a_company(cvr="", mail=""))
    assert found.action is Action.ALERT


@pytest.mark.parametrize(
    ("one", "other", "least", "most"),
    [
        ("Hansen ApS", "Jensen ApS", 0, 44),
        ("Nordvind Service A/S", "Nordvind Servise", 90, 100),
        ("Skyview", "Sky View ApS", 90, 100),
        ("Jens Hansen", "Peter Hansen", 0, 89),
        ("Nordvind Alfa ApS", "Nordvind Beta ApS", 0, 89),
        ("Butik 1", "Butik 2", 0, 44),
        ("Catholic Charities - Grace Mission", "Grace Mission Daycare", 90, 100),
        ("Café Æblet v/ Lone Holm", "Lone Holm", 45, 100),
    ],
)
def test_names_at_one_address(one: str, other: str, least: float, most: float) -> None:
    """How names alone decide about two records of one address."""
    place = {"street": "Industrivej 7", "zip": "8700"}
    comparison = compare(normalise(bare(name=one, **place)), normalise(bare(name=other, **place)))
    assert least <= comparison.score <= most, comparison


def test_a_score_says_why() -> None:
    """The score is the sum of its reasons, which are words with parameters; order does not matter."""
    a, b = normalise(a_company(cvr="")), normalise(a_company(name="Nordvind", cvr="", phones=("20202020",)))
    comparison = compare(a, b)
    assert [reason.text() for reason in comparison.reasons] == ["same mail", "names 90 % alike", "same address"]
    assert [reason.text() for reason in comparison.against] == ["different phones"]
    bits = sum(reason.bits for reason in (*comparison.reasons, *comparison.against))
    assert comparison.score == min(100, round(weights.EVEN + weights.POINTS_PER_BIT * (bits + weights.PRIOR), 1))
    assert compare(b, a).score == comparison.score


def test_alone_and_among_many_verdicts_agree() -> None:
    """Looked up one by one or two hundred at once, 2,000 debtors get the same verdicts."""
    rng = random.Random(3)
    words = [
        f"{a}{b}{c}" for a in ("nor", "syd", "kal", "mik") for b in ("vin", "hav", "lun") for c in ("do", "ka", "ris")
    ]

    def some() -> RawRecord:
        return bare(
            name=f"{rng.choice(words)} {rng.choice(words)} ApS",
            street=f"{rng.choice(words)}vej {rng.randint(1, 9)}",
            zip=str(rng.randint(8000, 8020)),
            phones=(str(rng.randint(76000000, 76000400)),),
        )

    index = MemoryIndex({i: normalise(some()) for i in range(2_000)})
    records = [normalise(some()) for _ in range(2_000)]
    alone = [judge(record, look_up([record], index)[0]) for record in records]
    together = [
        judge(record, found)
        for start in range(0, 2_000, 200)
        for record, found in zip(records[start:], look_up(records[start : start + 200], index), strict=False)
    ]
    assert alone == together
    assert {found.action for found in alone} >= {Action.LINK, Action.ALERT, Action.CREATE}


def test_capped_lists_are_counted() -> None:
    """A list that is too long is not read, and the verdict says that something may be missing."""
    index = MemoryIndex(
        {i: normalise(bare(name=f"Vinden nr {i}", mail="post@vinden.dk")) for i in range(MOST_PER_KEY + 1)}
    )
    record = normalise(bare(name="Helt Anden", mail="post@vinden.dk"))
    (found,) = look_up([record], index)
    assert not found.records
    assert judge(record, found).capped == 2  # the mail and its domain


def test_clusters_do_not_chain_conflicts() -> None:
    """A record between two firms of different CVR numbers joins one of them, never both to one."""
    rows = [
        a_company(),
        a_company(cvr=""),
        a_company(cvr=OTHER_CVR),
        a_company(name="Sydhavn", cvr="", phones=(), mail="", **FAR),
    ]
    records = [normalise(row) for row in rows]
    found = clusters(records, look_up(records, MemoryIndex(dict(enumerate(records))), all_pairs=True))
    assert sorted(map(len, found)) == [1, 1, 2]
    assert not any({0, 2} <= set(cluster) for cluster in found)


def test_hostile_names_are_compared_quickly() -> None:
    """Ten kilobytes of words against ten kilobytes of other words cost milliseconds."""
    a = normalise(bare(name="ab cd ef gh " * 1_000, street="x 1 " * 3_000))
    b = normalise(bare(name="a" * 10_000 + " bc de fg" * 1_000, street="y 2 " * 3_000))
    started = time.process_time()
    compare(a, b)
    compare(a, a)
    assert time.process_time() - started < 0.1
