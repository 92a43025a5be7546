"""Imports on each database: tested, started, cut short, carried out, taken back."""

from __future__ import annotations

from typing import Any

import pytest

from domain.companies import LinkedHow
from domain.debtors import Debtor, DebtorChanges
from domain.links import link
from domain.run_kinds import RunKind
from infra.database.asked_runs import NotNow, begin_revert, cancel, resume
from infra.database.engine import Database
from infra.database.links import LinkRows
from infra.database.match_stores import MatchRows
from infra.database.mirror_debtors import DebtorRows
from tests.support.companies import companies, crm, firm_of, take
from tests.support.databases import AGREEMENT, do, rows, scalar
from tests.support.imports import (
    WHO,
    Lists,
    a_register,
    advance,
    begin,
    imported,
    reverted,
    run_of,
    told,
    verdicts,
)

NORDVIND = Debtor(4711, "Nordvind Service ApS", address="Industrivej 7", zip="8700", city="Horsens", cvr="31313139")
SYDHAVN = Debtor(4712, "Sydhavn Maskiner", address="Havnegade 3", zip="9000", city="Aalborg", phone="98765432")
SAME_SYDHAVN = SYDHAVN._replace(number=4713, name="Sydhavn Maskiner A/S", email="post@sydhavn.example")
BEHIND_SYDHAVN = Debtor(
    4714, "Sydhavnen", address="Torvet 1", zip="5000", city="Odense C", email="post@sydhavn.example"
)
NAMELESS = Debtor(4715, "", zip="8000")

SAID = {
    4711: ("linked", "linked"),
    4712: ("new", "created"),
    4713: ("linked", "linked"),
    4715: ("left", "nothing"),
}


@pytest.fixture
def crm_company(store: Database) -> Database:
    """The CRM knows Nordvind."""
    take(store, crm())
    return store


def everything(database: Database) -> dict[str, list[Any]]:
    """All that a test must not touch."""
    tables = ("debtor", "reading", "company", "company_key", "company_change", "debtor_link", "alert", "outbox")
    found = {table: [tuple(row) for row in rows(database, f"SELECT * FROM {table}")] for table in (*tables, "failure")}
    return {**found, "agreement": rows(database, "SELECT companies_since, debtors_total FROM agreement")}


def test_start(crm_company: Database) -> None:
    """Debtors are linked, made into companies, joined to these, or left, and each row says so."""
    run_id = imported(crm_company, Lists(NORDVIND, SYDHAVN, SAME_SYDHAVN, NAMELESS))

    assert told(crm_company, run_id) == SAID
    nordvind, sydhavn = companies(crm_company)
    links = rows(crm_company, "SELECT debtor_id, company_id, run_id, linked_by FROM debtor_link ORDER BY debtor_id")
    assert links == [(1, nordvind.id, run_id, WHO), (2, sydhavn.id, run_id, WHO), (3, sydhavn.id, run_id, WHO)]
    assert sydhavn.mail == "post@sydhavn.example"
    run = run_of(crm_company, run_id)
    assert (run.state, run.counts["verdicts"]) == ("done", {"linked": 2, "new": 1, "left": 1})
    assert run.counts["done"] == {"linked": 2, "created": 1, "nothing": 1}
    assert scalar(crm_company, "SELECT companies_since FROM agreement") is not None


def test_a_test_writes_nothing_and_says_the_same(crm_company: Database) -> None:
    """Not even the mirror is touched, though the list is read anew; a start then says the same, and does it."""
    api = Lists(NORDVIND, SYDHAVN, SAME_SYDHAVN, NAMELESS, at_once=2)
    before = everything(crm_company)

    tested = imported(crm_company, api, test=True)

    assert everything(crm_company) == before
    started = imported(crm_company, api)
    assert verdicts(crm_company, tested) == verdicts(crm_company, started)
    assert told(crm_company, started) == SAID


def test_a_test_says_what_a_start_does(store: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    In a register full of twins, in portions: the same verdicts, all of them carried out as they were said.

    A second start then finds nothing to do.
    """
    monkeypatch.setattr("domain.import_run.PORTION", 7)
    seed = 3  # its doubts settle in several turns
    for company in range(10):
        known = a_register(40, seed + 100)[company]
        take(store, crm(f"crm-{company}", name=known.name, vat=known.cvr, phone=known.phone, mail=known.email,
                        street=known.address, zip=known.zip, city=known.city))  # fmt: skip
    api = Lists(*a_register(40, seed), *(d._replace(number=d.number + 100) for d in a_register(20, seed + 100)))

    tested, started = imported(store, api, test=True), imported(store, api)

    assert verdicts(store, tested) == verdicts(store, started)
    does = {"new": "created", "linked": "linked", "doubtful": "asked", "left": "nothing"}
    assert {(verdict, does[verdict]) for verdict, _ in told(store, started).values()} == set(
        told(store, started).values()
    )
    before = [rows(store, f"SELECT * FROM {table} ORDER BY 1, 2") for table in ("company", "debtor_link", "outbox")]
    again = imported(store, api)
    assert set(told(store, again).values()) <= {("unchanged", "nothing"), ("doubtful", "asked"), ("left", "nothing")}
    after = [rows(store, f"SELECT * FROM {table} ORDER BY 1, 2") for table in ("company", "debtor_link", "outbox")]
    assert after == before


def test_cut_short_anywhere(store: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that a new process takes up after every single portion ends like one in one go."""
    monkeypatch.setattr("domain.import_run.PORTION", 5)
    api = Lists(*a_register(22, 5), at_once=8)
    tested = imported(store, api, test=True)
    run_id, phases = begin(store), [""]

    while run_of(store, run_id).state != "done":
        phases.append(advance(store, run_id, api, steps=1))

    assert verdicts(store, tested) == verdicts(store, run_id)
    assert list(dict.fromkeys(phases[1:])) == ["debtors", "gone", "judge", "carry_out", "done"]
    assert scalar(store, "SELECT count(*) FROM debtor_link") == sum(
        outcome in ("created", "linked") for _, outcome in told(store, run_id).values()
    )


def test_what_changes_meanwhile_is_judged_anew(crm_company: Database) -> None:
    """Between judgement and deed a debtor is linked, another one's company made: each is looked at once more."""
    api = Lists(NORDVIND, SYDHAVN)
    run_id = begin(crm_company)
    while advance(crm_company, run_id, api, steps=1) != "carry_out":
        pass
    firm = firm_of(crm_company)
    take(crm_company, crm("crm-18", name="Sydhavn Maskiner A/S", vat=None, phone="+4598765432", street="Havnegade 3",
                          zip="9000", city="Aalborg", mail=None))  # fmt: skip
    with crm_company.write() as connection:
        stores = MatchRows(connection, crm_company.sql, firm, agreement=AGREEMENT)
        debtor = LinkRows(connection, crm_company.sql, firm).debtor(AGREEMENT, 4711)
        assert debtor is not None
        link(stores.companies, stores.links, stores.outbox, debtor, 1, how=LinkedHow.PERSON, who="bo@example.test")

    advance(crm_company, run_id, api)

    assert told(crm_company, run_id) == {4711: ("linked", "nothing"), 4712: ("new", "linked")}
    assert len(companies(crm_company)) == 2
    assert scalar(crm_company, "SELECT count(*) FROM debtor_link WHERE cut_at IS NULL") == 2


def test_unreadable_and_gone(store: Database) -> None:
    """A debtor that cannot be read is an error of its own; one that is gone from the list is not imported."""
    imported(store, Lists(NORDVIND, SYDHAVN), test=False)

    run_id = imported(store, Lists(NORDVIND, SAME_SYDHAVN, unreadable=(4712,)))

    assert told(store, run_id)[4712] == ("error", "nothing")
    assert told(store, run_id)[4711] == ("unchanged", "nothing")
    assert "name is no text" in scalar(store, "SELECT note FROM import_row WHERE verdict = 'error'")


def test_a_debtor_of_another_group_is_left_out(store: Database) -> None:
    """Debtors outside the chosen groups are mirrored, and that is all."""
    do(store, "INSERT INTO scope_group (agreement, debtor_group) VALUES (:a, 1)", a=AGREEMENT)

    run_id = imported(store, Lists(NORDVIND._replace(debtor_group=1), SYDHAVN._replace(debtor_group=2)))

    assert list(told(store, run_id)) == [4711]
    assert scalar(store, "SELECT count(*) FROM debtor") == 2


def test_cancelled_and_resumed(store: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cancelled start writes nothing more, stays as far as it came, and goes on when somebody says so."""
    monkeypatch.setattr("domain.import_run.PORTION", 2)
    api = Lists(
        NORDVIND, SYDHAVN, *(Debtor(n, name, zip="8000") for n, name in ((1, "Klitten Bageri"), (2, "Lyngby VVS")))
    )
    run_id = begin(store)
    while scalar(store, "SELECT count(*) FROM company") == 0:
        advance(store, run_id, api, steps=1)
    cancel(store, run_id)

    with pytest.raises(AssertionError):
        advance(store, run_id, api)
    assert (run_of(store, run_id).state, len(companies(store))) == ("cancelled", 2)

    resume(store, run_id)
    advance(store, run_id, api)
    assert (run_of(store, run_id).state, len(companies(store))) == ("done", 4)
    with pytest.raises(NotNow, match="has ended"):
        cancel(store, run_id)


def test_one_at_a_time(store: Database) -> None:
    """Asked for twice it is one run; a different one has to wait; before the first start nothing is matched."""
    with pytest.raises(NotNow, match="has not been imported yet"):
        begin(store, kind=RunKind.MATCH)
    run_id = begin(store, test=True)
    assert begin(store, test=True) == run_id
    with pytest.raises(NotNow, match="unfinished"):
        begin(store)


def test_match(crm_company: Database) -> None:
    """The mirror's debtors without a company are matched without e-conomic; those that have one are left alone."""
    imported(crm_company, Lists(NORDVIND))
    with crm_company.write() as connection:
        DebtorRows(connection, crm_company.sql, AGREEMENT).write(DebtorChanges(insert=[SYDHAVN]), {})

    tested = imported(crm_company, None, kind=RunKind.MATCH, test=True)
    assert told(crm_company, tested) == {4712: ("new", None)}
    run_id = imported(crm_company, None, kind=RunKind.MATCH)
    assert told(crm_company, run_id) == {4712: ("new", "created")}


# -- taking back --------------------------------------------------------------------------


def test_revert(crm_company: Database) -> None:
    """Companies it made are gone, links are cut, values as before, the mirror stays; what is reverted is left alone."""
    api = Lists(NORDVIND, SYDHAVN, SAME_SYDHAVN, NAMELESS)
    before = companies(crm_company)[0]
    run_id = imported(crm_company, api)

    revert = reverted(crm_company, run_id)

    nordvind, sydhavn = companies(crm_company)
    assert nordvind[: len(before) - 10] == before[: len(before) - 10]
    assert sydhavn.deleted_at is not None
    assert scalar(crm_company, "SELECT count(*) FROM debtor_link WHERE cut_at IS NULL") == 0
    assert scalar(crm_company, "SELECT count(*) FROM debtor") == 4
    assert scalar(crm_company, "SELECT count(*) FROM company_key WHERE company_id = :id", id=sydhavn.id) == 0
    assert run_of(crm_company, revert).counts["reverted"] == {"reverted": 3}
    assert [row.type for row in rows(crm_company, "SELECT type FROM outbox ORDER BY id")][-2:] == [
        "company.updated"
    ] * 2
    # Nobody asked for them again: a match of what is left finds nothing to do but what a person starts.
    again = imported(crm_company, api)
    assert told(crm_company, again) == SAID


def test_a_revert_refuses_what_changed_since(crm_company: Database) -> None:
    """By value, one by one, saying which; the others go; when the value is back, a second revert takes it."""
    other = Debtor(4720, "Lyngby El", zip="2800", city="Lyngby", address="Markvej 5")
    run_id = imported(crm_company, Lists(NORDVIND, SYDHAVN, SAME_SYDHAVN, other))
    do(crm_company, "UPDATE company SET phone = '1' WHERE name = 'Sydhavn Maskiner'")
    do(crm_company, "UPDATE company SET billing_city = 'Vejle' WHERE id = 1")

    reverted(crm_company, run_id)

    kept = rows(crm_company, "SELECT number, reverted, revert_note FROM import_row ORDER BY number")
    assert kept == [
        (4711, "kept", "company #1 Nordvind Service A/S was changed since: billing_city"),
        (4712, "kept", "company #2 Sydhavn Maskiner was changed since: phone"),
        (4713, "reverted", None),
        (4720, "reverted", None),
    ]
    assert [row.deleted_at is None for row in companies(crm_company)] == [True, True, False]

    do(crm_company, "UPDATE company SET billing_city = 'Horsens' WHERE id = 1")
    second = reverted(crm_company, run_id)
    assert run_of(crm_company, second).counts["reverted"] == {"reverted": 1, "kept": 1}
    assert "1 of 2 debtors keep their company" in (run_of(crm_company, second).message or "")


def test_a_revert_leaves_what_others_use(crm_company: Database) -> None:
    """A company the CRM knows by now stays, a cut link, and one that a person made anew after it was cut."""
    other = Debtor(4720, "Lyngby El", zip="2800", city="Lyngby", address="Markvej 5")
    run_id = imported(crm_company, Lists(NORDVIND, SYDHAVN, other))
    do(crm_company, "UPDATE company SET crm_id = 'crm-9' WHERE name = 'Sydhavn Maskiner'")
    do(crm_company, "UPDATE debtor_link SET cut_at = linked_at, refused = true WHERE company_id = 1")
    do(crm_company, "UPDATE debtor_link SET run_id = NULL WHERE company_id = 3")

    reverted(crm_company, run_id)

    notes = rows(crm_company, "SELECT revert_note FROM import_row ORDER BY number")
    assert [note for (note,) in notes] == [
        "debtor 4711 is not linked to company #1 Nordvind Service A/S any more",
        "company #2 Sydhavn Maskiner is known to the CRM since, as crm-9",
        "debtor 4720 was linked to company #3 Lyngby El anew since",
    ]


def test_a_revert_ends_what_is_asked_about_its_companies(store: Database) -> None:
    """A company that goes is no candidate any more: whoever was only in doubt about it is not asked about."""
    twin = SYDHAVN._replace(number=4716, name="Sydhavn Motorer", phone=None)
    run_id = imported(store, Lists(SYDHAVN, twin))
    assert told(store, run_id)[4716] == ("doubtful", "asked")

    reverted(store, run_id)

    assert scalar(store, "SELECT count(*) FROM alert WHERE closed_at IS NULL") == 0


def test_what_cannot_be_reverted(store: Database) -> None:
    """Tests, resyncs and runs under way are refused in words."""
    tested = imported(store, Lists(NORDVIND), test=True)
    with pytest.raises(NotNow, match="was a test"):
        begin_revert(store, tested, who=WHO)
    under_way = begin(store)
    with pytest.raises(NotNow, match="cancel it first"):
        begin_revert(store, under_way, who=WHO)


def test_a_revert_cut_short(store: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever joined a company goes before the one it was made from, in portions as well."""
    monkeypatch.setattr("domain.reverting.PORTION", 3)
    run_id = imported(store, Lists(*a_register(30, 5)))
    revert = begin_revert(store, run_id, who=WHO).run_id

    while run_of(store, revert).state != "done":
        advance(store, revert, steps=1)

    assert run_of(store, revert).counts["reverted"].get("kept") is None
    assert scalar(store, "SELECT count(*) FROM debtor_link WHERE cut_at IS NULL") == 0
    assert all(row.deleted_at is not None for row in companies(store))
