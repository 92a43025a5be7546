"""A resync killed at any moment goes on where it was, beside live events, and ends equal to e-conomic."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.database import schema
from infra.database.engine import Database
from tests.support.databases import rows
from tests.support.forms import Form, settings
from tests.support.load import SEED, under_load
from tests.support.mirror import becomes_equal, differences, of_debitor
from tests.support.processes import Process, debitor, ending
from tests.support.sandbox import sandbox
from tests.support.waiting import eventually


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real)])
def alone(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Form]:
    """A database and an e-conomic; nothing of Debitor runs."""
    url = (
        f"sqlite:///{tmp_path}/debitor.db"
        if request.param == "sqlite"
        else str(request.getfixturevalue("module_database").url)
    )
    with sandbox(tmp_path) as economic:
        database = Database(url)
        schema.migrate(database)
        environment = settings(url, "memory://", "127.0.0.1:1", economic)
        yield Form("alone", database, economic, "http://127.0.0.1:1", tmp_path, environment, {}, {})
        database.close()


def run_row(form: Form, agreement: int) -> Any:
    found = rows(form.database, "SELECT * FROM run WHERE agreement = :a ORDER BY id DESC LIMIT 1", a=agreement)
    return found[0] if found else None


def place(form: Form, agreement: int) -> tuple[str, int]:
    """(phase, last key) of the run."""
    row = run_row(form, agreement)
    if row is None:
        return "", 0
    progress = row.progress if isinstance(row.progress, dict) else json.loads(row.progress)
    return progress["phase"], progress["after"]


PHASES = ["debtors", "gone", "invoices", "lines", "repair", "done"]


def reached(form: Form, agreement: int, phase: str) -> bool:
    """Whether the run has stored something of this phase, or is past it."""
    now, after = place(form, agreement)
    return now != "" and (PHASES.index(now) > PHASES.index(phase) or (now == phase and after > 0))


def test_a_resync_killed_in_every_phase(alone: Form) -> None:
    """`debitor resync` killed while it reads debtors, invoices and lines, and resumed: both sides are the same."""
    agreement = alone.agreement(hooks=False, debtors=2_500, invoices=2_500)
    number = str(agreement.number)
    resumed = False
    for phase in ("debtors", "invoices", "lines"):
        command = debitor(
            "resync",
            "resync",
            number,
            *(["--resume"] if resumed else []),
            environment=alone.environment,
            folder=alone.folder,
        )
        with ending(command):
            command.start()
            _until(command, lambda phase=phase: reached(alone, agreement.number, phase))  # type: ignore[misc]
        alone.let_leases_pass()
        resumed = run_row(alone, agreement.number).state != "done"

    calls = len(agreement.books.calls())
    if resumed:
        code, text = alone.debitor("resync", number, "--resume", "--json")
        assert code == 0, text
    assert run_row(alone, agreement.number).state == "done"
    assert differences(alone.database, agreement.books) == []
    assert agreement.failures() == []
    assert len(agreement.books.calls()) - calls < 20, "it began anew instead of going on"


def _until(command: Process, seen: Callable[[], bool]) -> None:
    eventually(lambda: seen() or not command.running, within_s=60, why=command.log)


def test_a_resync_mends_whatever_is_wrong(alone: Form) -> None:
    """What changed, vanished, moved or came unseen is as in e-conomic afterwards; a dry run changes nothing."""
    agreement = alone.agreement(hooks=False, debtors=300, invoices=200)
    number = str(agreement.number)
    assert alone.debitor("resync", number)[0] == 0
    assert differences(alone.database, agreement.books) == []

    for one in range(1, 6):
        agreement.books.edit(one, name=f"Firma {one} ApS")
    agreement.books.create(7_000, name="Nordvind Service A/S")
    agreement.books.create(7_001, name="Sydhavnens Smedje ApS")
    agreement.books.delete(7_001)
    agreement.books.book(7_000)
    agreement.books.renumber(9, 7_009)

    before = of_debitor(alone.database, agreement.number)
    code, text = alone.debitor("resync", number, "--dry-run")
    assert code == 0, text
    assert of_debitor(alone.database, agreement.number) == before
    assert differences(alone.database, agreement.books) != []

    code, text = alone.debitor("resync", number)
    assert code == 0, text
    assert differences(alone.database, agreement.books) == []


@pytest.mark.real
def test_a_resync_among_live_events(grown_form: Form) -> None:
    """While hooks pour in, the worker that does a resync is killed twice; in the end both sides are the same."""
    form, chance = grown_form, random.Random(SEED)
    agreement = form.agreement(hooks=False, debtors=2_000, invoices=2_000)
    command = debitor("resync", "resync", str(agreement.number), environment=form.environment, folder=form.folder)
    with ending(command), under_load(agreement, debtors=2_000, seed=SEED) as load:
        command.start()
        eventually(lambda: reached(form, agreement.number, "debtors"), within_s=60)
        command.kill()  # from here on a worker does it
        form.let_leases_pass()
        for phase in ("invoices", "lines"):
            eventually(lambda phase=phase: reached(form, agreement.number, phase), within_s=60)  # type: ignore[misc]
            victim = form.processes[f"worker-{chance.randint(1, 2)}"]
            victim.kill()
            victim.start()
            form.let_leases_pass()

        def done() -> bool:
            if chance.random() < 0.05:
                form.let_leases_pass()
            return bool(run_row(form, agreement.number).state == "done")

        eventually(done, within_s=90, why=lambda: run_row(form, agreement.number))
    form.let_leases_pass()
    eventually(lambda: not load.missing(), within_s=30, why=lambda: f"seed {SEED}: {load.missing()[:5]}")
    load.send_again(and_untouched=False)
    becomes_equal(form.database, agreement.books, within_s=30)
    assert agreement.failures() == []
