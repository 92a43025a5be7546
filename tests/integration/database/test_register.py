"""What a drain sees of the register, on each database."""

from __future__ import annotations

import random

from domain.crowds import crowded, crowding_keys
from domain.debtors import Debtor, DebtorChanges
from infra.database.engine import Database
from infra.database.mirror_debtors import DebtorRows
from infra.database.register import RegisterRows
from infra.database.scope import choose_groups
from tests.support.companies import firm_of
from tests.support.databases import AGREEMENT, do

CVRS = ("31313139", "DK31313139", "31 31 31 39", "24256790", "DK 24256790")
PHONES = ("76000000", "+4576000000", "76 00 00 00", "76-00-00-00", "+45 98 76 54 32", "98765432", "00000000")
MAILS = ("post@havgus.example", " POST@havgus.example", "marie@havgus.example", "bo@sydhavn.example", "anna@gmail.com")
SITES = ("havgus.example", "https://www.havgus.example/om-os", "http://sydhavn.example", "WWW.Sydhavn.example", "-")


def test_a_drain_counts_as_an_import_does(store: Database) -> None:
    """However values are written, the same of them are many debtors', in scope and alive, and so no evidence."""
    chance = random.Random(4)

    def some(values: tuple[str, ...]) -> str | None:
        return chance.choice(values) if chance.random() < 0.3 else None

    debtors = [
        Debtor(number, f"Firma {number}", debtor_group=chance.choice((1, 1, 2)), country="DK", cvr=some(CVRS),
               phone=some(PHONES), mobile=some(PHONES), email=some(MAILS), website=some(SITES))
        for number in range(1, 81)
    ]  # fmt: skip
    with store.write() as connection:
        DebtorRows(connection, store.sql, AGREEMENT).write(DebtorChanges(insert=debtors), {})
    do(store, "UPDATE debtor SET gone_at = changed_at WHERE number > 70")
    choose_groups(store, AGREEMENT, [1])

    with store.read() as connection:
        register = RegisterRows(connection, store.sql, AGREEMENT, firm_of(store))
        mine = register.debtors(range(1, 81))
        by_drain = [register.crowded([one]) for one in mine]
        together = register.crowded(mine)

    everybody = crowded(one.values for one in mine)
    assert together == everybody
    assert by_drain == [everybody & {key.hash for key in crowding_keys(one.values)} for one in mine]
    assert 3 <= len(everybody) < len({key.hash for one in mine for key in crowding_keys(one.values)})
