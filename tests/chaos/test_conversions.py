"""
Many deals won at once, with everything that can go wrong: each company becomes one debtor, and the CRM hears it once.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from stdnum.dk import cvr  # type: ignore[import-untyped]

from domain.new_debtor_settings import NewDebtorSettings
from domain.take_companies import Upsert
from infra.database.crm_secrets import CrmSecrets
from infra.database.endpoints import Endpoints
from infra.database.new_debtors import save_settings
from infra.encryption import SecretBox
from tests.support.companies import firm_of, take
from tests.support.databases import KEY, do, rows, scalar
from tests.support.forms import Agreement, Form
from tests.support.load import SEED
from tests.support.receiver import Receiver, receiver
from tests.support.signed import signed
from tests.support.waiting import eventually

DEALS = int(os.environ.get("DEBITOR_TEST_DEALS", "1000"))
NAMESAKES = DEALS // 10
"""Companies that share one name, one zip and nothing else, without a CVR number."""

SENDERS = 4
CVRS = [str(n) for n in itertools.islice(filter(lambda n: cvr.is_valid(str(n)), itertools.count(20_000_000)), 2_000)]


def connected(form: Form) -> tuple[Agreement, str]:
    """An agreement that creates debtors at once and follows its companies; and what its CRM signs with."""
    agreement = form.agreement()
    defaults = {"all": {"customer_group": "1", "payment_terms": "1"}, "domestic": {"vat_zone": "1"}}
    with form.database.write() as connection:
        save_settings(connection, agreement.number, NewDebtorSettings(defaults, home="DK"))
    do(
        form.database,
        f"UPDATE agreement SET base_currency = 'DKK', companies_since = {form.database.sql.now} WHERE number = :n",
        n=agreement.number,
    )
    _, secret = CrmSecrets(form.database, SecretBox([KEY])).add(agreement.number)
    return agreement, secret


def companies(form: Form, start: int) -> list[str]:
    """Prospects of the CRM; returns their ids."""
    records = []
    for n in range(DEALS):
        alike = n < NAMESAKES
        values: dict[str, str | None] = {
            "name": "Malerfirmaet Jensen ApS" if alike else f"{WORDS[n % len(WORDS)]} {n} ApS",
            "vat": None if alike else CVRS[n],
            "zip": "8700",
            "country": "DK",
            "relation": "prospect",
        }
        records.append(Upsert(values, f"crm-{start}-{n}", 1, "cause"))
    for portion in range(0, DEALS, 500):
        take(form.database, *records[portion : portion + 500])
    return [record.crm_id for record in records if record.crm_id is not None]


WORDS = ("Nordvind", "Fjordlys", "Havgus", "Klitrose", "Stenbro", "Lyngbakke", "Skovsneppe")


class Crm:
    """Sends each deal as often as it is told, and again until it is accepted."""

    def __init__(self, agreement: Agreement, secret: str) -> None:
        self._url = f"{agreement.form.address}/webhooks/crm/{agreement.number}"
        self._secret = secret
        self._http = agreement.form.http

    def send(self, company: str, name: str) -> None:
        data = {"company": {"id": company}, "overrides": {"layout": None}, "deal": f"deal of {company}"}
        deadline = time.monotonic() + 60
        while True:
            body, headers = signed(self._secret, name, "prospect.converted", data)
            try:
                status = self._http.post(self._url, content=body, headers=headers).status_code
            except httpx.HTTPError:
                status = 0
            if status in (200, 202):
                return
            assert status in (0, 502, 503), status
            assert time.monotonic() < deadline
            time.sleep(0.2)

    def send_all(self, wanted: list[tuple[str, str]]) -> None:
        with ThreadPoolExecutor(SENDERS) as pool:
            list(pool.map(lambda each: self.send(*each), wanted))


def faults(agreement: Agreement, chance: random.Random) -> None:
    """About one call in ten: no answer after the write, or before it, 500, 503, 429; and two that hang for too long."""
    sandbox = agreement.form.sandbox
    for kind, share in (
        ({"cut": "after"}, 0.04),
        ({"cut": "before"}, 0.02),
        ({"status": 500}, 0.02),
        ({"status": 503}, 0.01),
        ({"status": 429, "retry_after": "1"}, 0.01),
    ):
        for _ in range(max(1, round(share * DEALS))):
            at = {"path": "/customers", "method": "POST", "times": 1, "skip": chance.randrange(DEALS)}
            sandbox("POST", "faults", {"agreement": agreement.number, **at, **kind})
    for skip in (DEALS // 4, DEALS // 2):
        sandbox(
            "POST",
            "faults",
            {
                "agreement": agreement.number,
                "path": "/customers",
                "method": "POST",
                "times": 1,
                "skip": skip,
                "delay_ms": 31_000,
            },
        )


def kill_workers(form: Form, agreement: Agreement, chance: random.Random, ended: threading.Event) -> int:
    """One worker after the other at random moments, as long as the work goes on; how many were killed."""
    killed = 0
    while not ended.wait(chance.uniform(0.5, 3.0)) and killed < 6:
        victim = form.processes[chance.choice(["worker-1", "worker-2"])]
        victim.kill()
        killed += 1
        form.let_leases_pass()
        victim.start()
    return killed


def states(agreement: Agreement) -> Counter[str]:
    return Counter(row.state for row in agreement.rows("SELECT state FROM conversion WHERE agreement = :agreement"))


@pytest.mark.real
def test_each_deal_becomes_one_debtor(grown_form: Form) -> None:
    """
    Requested twice, faults of every kind, workers killed, echoes early, late, doubled and out of order; and the whole
    of it requested once more in the end.
    """
    form, chance = grown_form, random.Random(SEED)
    agreement, secret = connected(form)
    ids = companies(form, agreement.number)
    form.sandbox("PUT", "delivery", {"mode": {"duplicate": 0.2, "reorder": True, "delay_ms": 300}})
    faults(agreement, chance)
    crm, ended = Crm(agreement, secret), threading.Event()
    with receiver() as heard, ThreadPoolExecutor(1) as pool:
        Endpoints(form.database, SecretBox([KEY])).add(
            firm_of(form.database), heard.address, types=["debtor.created"], internal=True
        )
        killing = pool.submit(kill_workers, form, agreement, chance, ended)
        twice = [(company, f"{company} {n}") for company in ids for n in (1, 2)]
        chance.shuffle(twice)
        crm.send_all(twice)
        eventually(
            lambda: states(agreement) == {"created": DEALS},
            within_s=240,
            why=lambda: f"seed {SEED}: {troubles(agreement)}",
        )
        ended.set()
        assert killing.result() > 0
        crm.send_all([(company, f"{company} once more") for company in ids])
        eventually(
            lambda: not agreement.outstanding(),
            within_s=240,  # a wait after a fault, or the lease of a worker killed last, may have to pass
            why=lambda: (troubles(agreement), agreement.waiting()),
        )
        everyone_has_one(agreement, ids, heard)
    form.sandbox("PUT", "delivery", {"mode": {}})
    form.sandbox("DELETE", "faults")


def everyone_has_one(agreement: Agreement, ids: list[str], heard: Receiver) -> None:
    """As many debtors in e-conomic, links and events as there are companies."""
    database = agreement.form.database
    assert states(agreement) == {"created": DEALS}
    assert len(agreement.books.state()["debtors"]) == DEALS
    links = agreement.rows(
        "SELECT c.crm_id, d.number FROM debtor_link l JOIN company c ON c.id = l.company_id JOIN debtor d"
        " ON d.id = l.debtor_id WHERE l.agreement = :agreement AND l.cut_at IS NULL AND d.gone_at IS NULL"
    )
    assert sorted(row.crm_id for row in links) == sorted(ids)
    assert len({row.number for row in links}) == DEALS
    assert scalar(database, "SELECT count(*) FROM company WHERE crm_id IS NULL") == 0, "a debtor became a company"
    told = rows(
        database,
        "SELECT event_id, data FROM outbox WHERE type = 'debtor.created' AND agreement = :n",
        n=agreement.number,
    )
    assert Counter(json.loads(row.data)["company"]["id"] for row in told) == dict.fromkeys(ids, 1)
    eventually(lambda: {row.event_id for row in told} <= set(heard.ids()), within_s=60)
    assert set(heard.ids()) == {row.event_id for row in told}


def troubles(agreement: Agreement) -> str:
    left = agreement.rows(
        "SELECT state, reason, left(message, 60) AS message, count(*) AS n FROM conversion"
        " WHERE agreement = :agreement AND state <> 'created' GROUP BY 1, 2, 3"
    )
    work = agreement.work("conversions")
    return f"{states(agreement)} {[tuple(row) for row in left]} work: {work.reason} {work.message}"
