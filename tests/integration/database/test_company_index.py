"""Companies found by their keys, on each database."""

from __future__ import annotations

import random

from bench import matching_danish
from domain.links import LinkedDebtor
from domain.matching.index import look_up
from domain.matching.keys import MOST_PER_KEY, KeyKind, keys_of
from domain.matching.records import RawRecord, Record
from domain.matching.verdicts import judge
from domain.normal_forms import company_form
from domain.proposals import FIRST_NEW, Newcomers, Proposal, propose
from domain.take_companies import Deletion, Upsert
from infra.database.company_index import CompanyIndexRows, rekey
from infra.database.engine import Database
from tests.support.companies import crm, firm_of, take
from tests.support.databases import AGREEMENT, do, rows, scalar


def index_of(database: Database, records: list[Record]) -> list[tuple[int, ...]]:
    """The candidates of these records, each alone."""
    with database.read() as connection:
        index = CompanyIndexRows(connection, database.sql, firm_of(database))
        return [tuple(look_up([record], index)[0].records) for record in records]


def nordvind(**values: str | None) -> Record:
    return company_form({**crm().values, **values})


def test_living_companies_are_found(store: Database) -> None:
    """By any of their keys, with their normal forms; deleted and merged ones and another firm's are not."""
    sydvind = crm("b", name="Sydvind", vat="87654338", phone=None, mail=None, street="Havnegade 1")
    take(store, crm("a"), sydvind, crm("c"))
    take(store, Deletion("c"))
    assert index_of(store, [nordvind(), nordvind(vat="87654338", phone=None, mail=None, name="X", street=None)]) == [
        (1,),
        (2,),
    ]
    do(store, "UPDATE company SET merged_into = 1 WHERE id = 2")
    assert index_of(store, [nordvind(vat="87654338", phone=None, mail=None, name="X", street=None)]) == [()]
    other = firm_of(store) + 1
    do(store, "INSERT INTO firm (id, name) VALUES (:id, 'Another')", id=other)
    with store.read() as connection:
        assert look_up([nordvind()], CompanyIndexRows(connection, store.sql, other))[0].records == {}


def test_a_list_that_is_too_long_is_counted(store: Database) -> None:
    """A key of more companies than are read finds none of them, and the look-up says so."""
    named = [Upsert({"name": "Nordvind Service", "zip": str(1000 + i)}, f"crm-{i}") for i in range(MOST_PER_KEY + 2)]
    take(store, *named)
    with store.read() as connection:
        index = CompanyIndexRows(connection, store.sql, firm_of(store))
        (found,) = look_up([nordvind(zip=None, city=None)], index)
    assert found.records == {}
    assert {key.kind for key in found.capped} == {KeyKind.NAME, KeyKind.PAIR}
    assert judge(nordvind(), found).capped == 2


def test_keys_are_made_anew(store: Database) -> None:
    """Whatever the stored keys were made of, afterwards they are those of the living companies' normal forms."""
    take(store, crm("a"), crm("b", name="Sydvind", vat="87654338"), Deletion("b"))
    before = rows(store, "SELECT key, company_id FROM company_key ORDER BY key")
    do(store, "UPDATE company_key SET key = key + 1 WHERE company_id = 1 AND key IN (SELECT max(key) FROM company_key)")
    with store.write() as connection:
        rekey(connection, store.sql)
    assert rows(store, "SELECT key, company_id FROM company_key ORDER BY key") == before
    assert len(before) == len(keys_of(nordvind())) + 1  # and the CRM's id
    assert scalar(store, "SELECT count(DISTINCT company_id) FROM company_key") == 1


def fields(raw: RawRecord) -> dict[str, str | None]:
    values = {name: getattr(raw, name) or None for name in ("name", "street", "zip", "city", "country", "mail", "web")}
    return {**values, "vat": raw.cvr or None, "phone": " / ".join(raw.phones) or None}


def debtor(number: int, raw: RawRecord) -> LinkedDebtor:
    said = fields(raw)
    values = {name: said[name] for name in ("name", "zip", "city", "country", "phone")}
    return LinkedDebtor(
        number,
        AGREEMENT,
        number,
        {
            **dict.fromkeys(("vat_number", "p_number", "ean", "mobile")),
            **values,
            "number": number,
            "address": said["street"],
            "cvr": said["vat"],
            "email": said["mail"],
            "website": said["web"],
        },
        {},
    )


def said_of(proposal: Proposal) -> tuple[object, ...]:
    """What is proposed; a company that is only proposed is named by its debtor."""
    assert proposal.verdict is not None
    shown = tuple(
        (proposal.news[each.company] if each.company >= FIRST_NEW else each.company, each.score)
        for each in proposal.verdict.candidates
    )
    return (proposal.action, proposal.company, proposal.new_of, proposal.verdict.rung, shown)


def test_bulk_and_single_verdicts_are_the_same(store: Database) -> None:
    """2,000 debtors proposed in portions and one by one, some of them twins of each other."""
    companies = matching_danish.companies(1_500)
    take(store, *(Upsert(fields(raw), f"crm-{i}") for i, raw in enumerate(companies)), who="file")
    raws = [each.record for each in matching_danish.debtors(companies, 1_700)]
    raws += random.Random(7).sample(raws, 300)
    debtors = [debtor(number, raw) for number, raw in enumerate(raws, 1)]
    with store.read() as connection:
        index, links = CompanyIndexRows(connection, store.sql, firm_of(store)), _NoLinks()
        whole, single = Newcomers(index), Newcomers(index)
        bulk = [
            each
            for start in range(0, 2_000, 250)
            for each in propose(debtors[start : start + 250], whole, links, may_create=True)
        ]
        alone = [propose([one], single, links, may_create=True)[0] for one in debtors]
    assert [said_of(each) for each in bulk] == [said_of(each) for each in alone]
    assert len({each.action for each in bulk}) == 3


class _NoLinks:
    """Nobody is linked yet."""

    def standings(self, _debtors: object) -> dict[int, object]:
        return {}

    def companies(self, _ids: object) -> dict[int, object]:
        return {}
