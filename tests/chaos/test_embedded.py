"""The embedded form on a full disk, beside commands, and copied while it runs, under a load of hooks."""

from __future__ import annotations

import json
import re
import resource
import shlex
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tests.support.forms import Form
from tests.support.load import SEED, acknowledged_more, answered, everything_arrives, under_load
from tests.support.processes import ROOT, run_debitor
from tests.support.waiting import eventually


@contextmanager
def full_disk(form: Form) -> Iterator[None]:
    """No file of the running process may grow, nor may anything be written beyond its first byte."""
    pids = form.processes["up"].children()
    before = {pid: resource.prlimit(pid, resource.RLIMIT_FSIZE) for pid in pids}
    for pid, (_, hard) in before.items():
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, hard))
    try:
        yield
    finally:
        for pid, limits in before.items():
            resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)


def test_a_full_disk(embedded_form: Form) -> None:
    """While nothing can be written hooks get 503 and Retry-After; with room again everything goes on by itself."""
    form = embedded_form
    agreement = form.agreement(hooks=False, debtors=60)
    with under_load(agreement, seed=SEED, pause_s=0.1) as load:
        acknowledged_more(load, 60)
        with answered(load, 202, 503), full_disk(form):
            refused = load.refused
            eventually(lambda: load.refused >= refused + 60, within_s=30)
            answer = agreement.hook(new=1)
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        acknowledged_more(load, 60)
    everything_arrives(load, by_itself=True)


def test_beside_a_running_process(embedded_form: Form, tmp_path: Path) -> None:
    """
    Commands work beside it and let it do what is long; a copy made as the guide says is whole and opens, with
    everything accepted before.
    """
    form = embedded_form
    agreement = form.agreement(hooks=False, debtors=60)
    with under_load(agreement, seed=SEED, pause_s=0.1) as load:
        acknowledged_more(load, 30)
        with answered(load, 202):
            code, text = form.debitor("status", "--json")
            assert code == 0, text
            running = form.processes["up"].children()[0]
            assert json.loads(text)["settings"]["running_process"] == running

            code, text = form.debitor("resync", str(agreement.number))
            assert code == 0, text
            (run,) = agreement.rows("SELECT state FROM run WHERE agreement = :agreement")
            assert run.state == "done"

            accepted = load.acknowledged
            copy = tmp_path / "copy.db"
            subprocess.run(backup_command(form, copy), check=True, timeout=30, cwd=form.folder)
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        (events,) = connection.execute(
            "SELECT count(*) FROM inbox WHERE agreement = ? AND source = 'hook'", (agreement.number,)
        ).fetchone()
    assert events >= accepted
    environment = {**form.environment, "DEBITOR_DATABASE_URL": f"sqlite:///{copy}"}
    code, text = run_debitor("status", "--json", environment=environment, folder=tmp_path)
    assert code == 0, text
    everything_arrives(load, by_itself=True)


def backup_command(form: Form, copy: Path) -> list[str]:
    """The one of docs/operations.md, with our files in the place of its own."""
    guide = (ROOT / "docs" / "operations.md").read_text()
    found = re.search(r"^python3 -c .*\.backup\(.*$", guide, re.MULTILINE)
    assert found is not None
    line = found.group().replace("var/debitor.db", f"{form.folder}/debitor.db").replace("/backup/debitor.db", str(copy))
    return [sys.executable, *shlex.split(line)[1:]]
