"""An import whose process is killed while it judges and while it links ends as if nothing had happened."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.database.engine import Database
from tests.support.databases import rows, scalar
from tests.support.forms import Form, settings
from tests.support.processes import debitor, ending
from tests.support.sandbox import sandbox
from tests.support.waiting import eventually

DEBTORS = 1_200


@pytest.mark.real
def test_an_import_killed_in_every_phase(module_database: Database, tmp_path: Path) -> None:
    """Every debtor has exactly one link, no company stands alone, and the start did what a test said before."""
    with sandbox(tmp_path) as economic:
        environment = settings(module_database.url, "memory://", "127.0.0.1:1", economic)
        form = Form("alone", module_database, economic, "http://127.0.0.1:1", tmp_path, environment, {}, {})
        number = str(form.agreement(hooks=False, debtors=DEBTORS).number)
        code, text = form.debitor("import", number, "--test", "--json")
        assert code == 0, text
        tested = json.loads(text)

        _killed(form, lambda: place(form.database) in ("judge", "carry_out", "done"), "import", number)
        run = scalar(form.database, "SELECT max(id) FROM run")
        _killed(form, lambda: scalar(form.database, "SELECT count(*) FROM company") > 0, "import", number)
        assert scalar(form.database, "SELECT state FROM run WHERE id = :run", run=run) != "done"
        code, text = form.debitor("import", number, "--resume", str(run), "--json")
        assert code == 0, text

        assert json.loads(text)["counts"]["verdicts"] == tested["counts"]["verdicts"]
        said = "SELECT number, verdict, joins, score FROM import_row WHERE run_id = :run ORDER BY number"
        assert rows(form.database, said, run=run) == rows(form.database, said, run=tested["run"])
        done = dict(rows(form.database, _OUTCOMES, run=run))
        assert scalar(form.database, "SELECT count(*) FROM debtor_link") == done["created"] + done.get("linked", 0)
        assert scalar(form.database, "SELECT count(*) FROM company") == done["created"]
        assert (
            scalar(form.database, "SELECT count(*) FROM import_row WHERE outcome IS NULL AND run_id = :run", run=run)
            == 0
        )


_OUTCOMES = "SELECT outcome, count(*) FROM import_row WHERE run_id = :run GROUP BY outcome"


def place(database: Database) -> str:
    """The phase of the newest run."""
    return str(scalar(database, "SELECT progress ->> 'phase' FROM run ORDER BY id DESC LIMIT 1"))


def _killed(form: Form, seen: Callable[[], bool], *arguments: str) -> None:
    """A command that is killed once something is seen."""
    command = debitor("import", *arguments, environment=form.environment, folder=form.folder)
    runs = scalar(form.database, "SELECT count(*) FROM run")
    with ending(command):
        command.start()
        begun = 2  # the test, and the start
        eventually(lambda: scalar(form.database, "SELECT count(*) FROM run") >= max(runs, begun), within_s=30)
        eventually(lambda: seen() or not command.running, within_s=60, why=command.log)
        assert command.running, command.log()
    form.let_leases_pass()
