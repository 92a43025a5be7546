"""Metrics of the grown form, summed over two web processes, a worker and the scheduler."""

from __future__ import annotations

import json
import os
import re
import signal
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.parser import text_string_to_metric_families

from infra.database.engine import Database
from tests.support.brokers import purge
from tests.support.forms import Agreement, Form, grown
from tests.support.mirror import becomes_equal
from tests.support.processes import ROOT
from tests.support.waiting import eventually

pytestmark = pytest.mark.real

Samples = Counter[tuple[str, tuple[tuple[str, str], ...]]]


@pytest.fixture(scope="module")
def form(module_database: Database, rabbitmq_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Form]:
    """Two web processes, one worker, the scheduler, none of which has counted anything yet."""
    purge(rabbitmq_server)
    with grown(tmp_path_factory.mktemp("metrics"), module_database.url, rabbitmq_server, workers=1) as form:
        yield form


def scraped(address: str) -> Samples:
    """What one address says, by name and labels."""
    text = httpx.get(f"http://{address}/metrics", timeout=10, trust_env=False).text
    samples: Samples = Counter()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            samples[sample.name, tuple(sorted(sample.labels.items()))] += sample.value
    return samples


def names_given(form: Form) -> set[str]:
    """Every metric that some process has, also those that have counted nothing yet."""
    texts = [httpx.get(f"http://{address}/metrics", trust_env=False).text for address in form.health.values()]
    return {line.split()[2] for text in texts for line in text.splitlines() if line.startswith("# TYPE ")}


def total(samples: Samples, name: str, **labels: str) -> float:
    """The sum of a metric over the labels not named."""
    return sum(value for (each, its), value in samples.items() if each == name and labels.items() <= dict(its).items())


def summed(form: Form) -> Samples:
    """Over all processes."""
    samples: Samples = Counter()
    for address in form.health.values():
        samples.update(scraped(address))
    return samples


def hooks_by_process(form: Form) -> dict[str, float]:
    """Hooks that each web process has counted, the killed ones' too, from the files they add up in."""
    (folder,) = Path(tempfile.gettempdir()).glob(f"debitor-metrics-{form.processes['web'].pid}-*")
    found: Counter[str] = Counter()
    for file in folder.glob("counter_*.db"):
        for key, value, *_ in MmapedDict.read_all_values_from_file(str(file)):  # type: ignore[no-untyped-call]
            if json.loads(key)[1] == "debitor_hooks_total":
                found[file.stem.removeprefix("counter_")] += value
    return {pid: count for pid, count in found.items() if count}


def send(agreement: Agreement, number: int) -> None:
    """A hook on a connection of its own: any web process may take it."""
    answer = httpx.post(f"{agreement.address}/customer", data={"new": str(number)}, trust_env=False)
    assert answer.status_code == 202


def test_the_sums_are_right(form: Form) -> None:
    """Every hook, event, record and call is counted once, by whichever process; a killed one's counts stay."""
    agreement = form.agreement(hooks=False, debtors=40)
    web = form.processes["web"]
    sent = 0

    def both_web_processes_have_counted() -> bool:
        nonlocal sent
        sent += 40
        list(pool.map(lambda number: send(agreement, number), range(1, 41)))
        return len(hooks_by_process(form)) == 2

    with ThreadPoolExecutor(8) as pool:
        eventually(both_web_processes_have_counted, within_s=30)
    before = web.children()
    os.kill(before[-1], signal.SIGKILL)
    eventually(lambda: len(web.children()) == len(before) and before[-1] not in web.children(), within_s=20)
    web.wait_for(form.ready_url())
    for number in range(1, 11):
        send(agreement, number)
    answer = httpx.post(f"{form.address}/webhooks/e-conomic/1/wrong/customer", trust_env=False)
    assert answer.status_code == 404
    becomes_equal(form.database, agreement.books)
    eventually(lambda: agreement.outstanding() == 0)

    assert sum(hooks_by_process(form).values()) == sent + 11
    for _ in range(6):  # whichever web process answers
        web_processes = scraped(form.health["web"])
        assert total(web_processes, "debitor_hooks_total", kind="customer", status="202") == sent + 10
        assert total(web_processes, "debitor_hooks_total", kind="customer", status="404") == 1
        assert total(web_processes, "debitor_intake_events_total", store="inbox") == sent + 10
    everywhere = summed(form)
    assert total(everywhere, "debitor_hooks_total") == sent + 11
    assert total(everywhere, "debitor_records_total", kind="debtors", outcome="created") == 40
    assert total(everywhere, "debitor_economic_calls_total") == len(agreement.books.calls())
    drains = total(everywhere, "debitor_drains_total", kind="debtors")
    assert drains == total(everywhere, "debitor_drain_seconds_count", kind="debtors") >= 1
    assert total(everywhere, "debitor_wake_ups_total", outcome="published") >= 1


def test_every_metric_is_there(form: Form) -> None:
    """Each metric of the guide is given by some process; what the database says is the same from each."""
    agreement = form.agreement(hooks=False)
    agreement.books.create(100, name="Nordvind Service A/S")
    agreement.form.http.post(f"{agreement.address}/customer", content="nothing")
    agreement.hook(new=100)
    becomes_equal(form.database, agreement.books)
    eventually(agreement.failures)

    guide = (ROOT / "docs" / "operations.md").read_text()
    documented = set(re.findall(r"^\| `(debitor_\w+)", guide, re.MULTILINE))
    assert len(documented) >= 13
    with agreement.books.fault(path="/customers", status=503):  # something waits, too
        agreement.hook(new=100)
        eventually(lambda: agreement.work().reason == "unavailable")
        every = [scraped(address) for address in form.health.values()]
    assert documented <= names_given(form), documented - names_given(form)
    for one in every:
        assert total(one, "debitor_database_up") == 1
        assert total(one, "debitor_failures_open") == 1
        assert total(one, "debitor_inbox_outstanding", kind="debtors") == 1
        assert total(one, "debitor_work_waiting", reason="unavailable") == 1
        assert total(one, "debitor_economic_calls_day", agreement=str(agreement.number)) >= 2
