"""kill -9 under a load of hooks: what was acknowledged ends in its rows."""

from __future__ import annotations

import os
import random
import signal
import time

import httpx
import pytest

from tests.support.brokers import purge
from tests.support.databases import do
from tests.support.forms import Form, alive
from tests.support.load import SEED, acknowledged_more, everything_arrives, random_moment, under_load
from tests.support.processes import debitor, ending
from tests.support.waiting import eventually


@pytest.mark.real
@pytest.mark.parametrize("victim", ["web", "worker-1", "scheduler"])
def test_a_killed_process_loses_nothing(grown_form: Form, victim: str) -> None:
    """Web, worker or scheduler killed twice at random moments and started again, as a supervisor does."""
    form, chance = grown_form, random.Random(SEED)
    agreement = form.agreement(hooks=False, debtors=60)
    with under_load(agreement, seed=SEED) as load:
        for _ in range(2):
            random_moment(chance, load)
            process = form.processes[victim]
            process.kill()
            if victim != "web":
                acknowledged_more(load, 30)
                form.let_leases_pass()
            process.start()
            if victim == "web":
                process.wait_for(form.ready_url())
        acknowledged_more(load, 50)
    everything_arrives(load)


@pytest.mark.real
def test_a_killed_web_worker_is_replaced(grown_form: Form) -> None:
    """One of the web processes killed: the others answer, a new one comes, and nothing acknowledged is lost."""
    form = grown_form
    agreement = form.agreement(hooks=False, debtors=60)
    web = form.processes["web"]
    workers = [pid for pid in web.children() if alive(pid)]
    with under_load(agreement, seed=SEED) as load:
        random_moment(random.Random(SEED), load)
        os.kill(workers[-1], signal.SIGKILL)
        acknowledged_more(load, 100)
        eventually(lambda: len(web.children()) == len(workers) and workers[-1] not in web.children(), within_s=20)
    everything_arrives(load)


@pytest.mark.real
def test_lost_messages_lose_nothing(grown_form: Form, rabbitmq_server: str) -> None:
    """Every message in the broker thrown away again and again: the sweep makes up for it."""
    form = grown_form
    agreement = form.agreement(hooks=False, debtors=60)
    with under_load(agreement, seed=SEED) as load:
        for _ in range(5):
            random_moment(random.Random(SEED), load)
            purge(rabbitmq_server)
    everything_arrives(load)


@pytest.mark.real
def test_frozen_processes_hold_up_nobody(grown_form: Form) -> None:
    """
    Workers and one of two schedulers stopped with SIGSTOP at random moments while the others go on; awake again they
    write nothing over it. A frozen web server answers late, or its sender tries again.
    """
    form, chance = grown_form, random.Random(SEED)
    agreement = form.agreement(hooks=False, debtors=60)
    second = debitor("scheduler-2", "scheduler", environment=form.environment, folder=form.folder)
    with ending(second), under_load(agreement, seed=SEED, pause_s=0.1) as load:
        second.start()
        eventually(lambda: "scheduler.started" in second.log(), within_s=20)
        for victim in ("worker-1", "scheduler", "worker-2", "worker-1"):
            random_moment(chance, load)
            process = form.processes[victim]
            process.freeze()
            other = form.agreement(hooks=False, debtors=1)
            assert other.hook(new=1).status_code == 202
            eventually(lambda other=other: other.debtor(1), within_s=20)  # type: ignore[misc]
            let_free_leases_pass(form)
            acknowledged_more(load, 10)
            process.thaw()
        form.processes["scheduler"].kill()
        form.processes["scheduler"].start()
        web = form.processes["web"]
        web.freeze()
        with pytest.raises(httpx.TimeoutException):
            httpx.get(form.ready_url(), timeout=0.5, trust_env=False)
        web.thaw()
        acknowledged_more(load, 30)
    everything_arrives(load)


def let_free_leases_pass(form: Form) -> None:
    """As if three minutes had passed, but for rows that somebody frozen has locked."""
    do(
        form.database,
        "UPDATE work SET lease_until = now() - interval '1 second' WHERE (agreement, kind) IN"
        " (SELECT agreement, kind FROM work WHERE lease_token IS NOT NULL FOR UPDATE SKIP LOCKED)",
    )


def test_a_killed_embedded_process_loses_nothing(embedded_form: Form) -> None:
    """`debitor up` killed at random moments, the whole of it or its parent alone, and started again at once."""
    form, chance = embedded_form, random.Random(SEED)
    agreement = form.agreement(hooks=False, debtors=60)
    up = form.processes["up"]
    with under_load(agreement, seed=SEED) as load:
        for attempt in range(3):
            random_moment(chance, load)
            if attempt == 1:  # the server that holds the lock notices that its parent is gone
                children = up.children()
                os.kill(up.pid, signal.SIGKILL)
                eventually(lambda pids=children: not any(alive(pid) for pid in pids), within_s=5)  # type: ignore[misc]
            up.kill()
            up.start().wait_for(form.ready_url())
        acknowledged_more(load, 50)
    started = time.monotonic()
    everything_arrives(load)
    assert time.monotonic() - started < 60


def test_two_embedded_processes(embedded_form: Form) -> None:
    """A second start on the same file says who runs there, and ends with 1."""
    form = embedded_form
    code, text = form.debitor("up", within_s=30)

    assert code == 1
    assert "running here already" in text
    assert f"process {form.processes['up'].children()[0]}," in text
    assert form.http.get(form.ready_url()).status_code == 200


def test_a_stop_is_orderly(embedded_form: Form) -> None:
    """SIGTERM ends it with 0 within seconds, and the next start goes on."""
    form = embedded_form
    agreement = form.agreement(hooks=False, debtors=5)
    up = form.processes["up"]
    assert agreement.hook(new=3).status_code == 202

    assert up.stop() == 0
    up.start().wait_for(form.ready_url())
    eventually(lambda: agreement.debtor(3))
