"""`debitor resync` against the stand-in e-conomic."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from cli import lock, run_work
from cli.progress import Display
from consumers.runs import advance
from infra.bootstrap import connect
from infra.database.engine import Database
from infra.settings import load
from tests.integration.cli.conftest import GRANT, Debitor, StandIn
from tests.support.databases import AGREEMENT, rows, scalar


def stored(database: Database) -> tuple[int, int, int]:
    """Living debtors, invoices, lines."""
    return (
        scalar(database, "SELECT count(*) FROM debtor WHERE gone_at IS NULL"),
        scalar(database, "SELECT count(*) FROM invoice"),
        scalar(database, "SELECT count(*) FROM invoice_line"),
    )


def calls(stand_in: StandIn) -> list[str]:
    """The paths asked for, without /self."""
    return [call["path"] for call in stand_in.control("GET", "calls")["calls"] if call["path"] != "/self"]


@pytest.fixture
def books(connected: Callable[..., None], stand_in: StandIn) -> StandIn:
    """A connected agreement with 1,200 debtors and 30 invoices of three lines: two pages of debtors."""
    connected()
    stand_in.books("POST", "bulk", {"debtors": 1_200, "invoices": 30})
    return stand_in


def interrupt_after(pages: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C once so many pages are stored."""
    shown: list[object] = []
    monkeypatch.setattr(run_work, "work_on", _pressed(run_work.work_on, pages, shown))


def _pressed(work_on: Callable[..., float], pages: int, shown: list[object]) -> Callable[..., float]:
    def pressing(*arguments: Any, on_page: Callable[[object], None]) -> float:
        def page(state: object) -> None:
            on_page(state)
            shown.append(state)
            if len(shown) == pages:
                raise KeyboardInterrupt

        return work_on(*arguments, on_page=page)

    return pressing


def test_everything(debitor: Debitor, books: StandIn, database: Database) -> None:
    """Everything is mirrored and counted, in the fewest calls."""
    report = debitor.json("resync", AGREEMENT)

    assert stored(database) == (1_200, 30, 90)
    assert (report["state"], report["dry_run"], report["message"]) == ("done", False, None)
    assert [report["counts"][what]["new"] for what in ("debtors", "invoices", "lines")] == [1_200, 30, 90]
    assert len(calls(books)) == 4  # two pages of debtors, one of invoices, one of lines
    assert report["calls_spent"] >= 4


def test_nothing_changed(debitor: Debitor, books: StandIn, database: Database) -> None:
    """A second resync finds everything unchanged, whatever the first one was asked by."""
    debitor("resync", AGREEMENT)

    printed = debitor("resync", AGREEMENT).stdout

    assert [line.split() for line in printed.splitlines()[:4]] == [
        ["read", "new", "changed", "unchanged", "gone"],
        ["debtors", "1200", "0", "0", "1200", "0"],
        ["invoices", "30", "0", "0", "30", "0"],
        ["lines", "90", "0", "0", "90", "0"],
    ]


def test_drift(debitor: Debitor, books: StandIn, database: Database) -> None:
    """What no hook told of is found: a change, a deletion, a new debtor, a payment."""
    debitor("resync", AGREEMENT)
    debtor = scalar(database, "SELECT max(number) FROM debtor")
    invoice = scalar(database, "SELECT max(number) FROM invoice")
    books.books("PATCH", f"debtors/{debtor}", {"city": "Vejle"})
    books.books("POST", "debtors", {"number": 999_999, "name": "Nye ApS"})
    books.books("DELETE", f"debtors/{debtor - 1}?force=true")
    books.books("POST", f"invoices/{invoice}/pay", {})

    counts = debitor.json("resync", AGREEMENT)["counts"]

    assert (counts["debtors"]["new"], counts["debtors"]["gone"]) == (1, 1)
    assert counts["debtors"]["changed"] >= 1  # the balance of whoever paid moves, too
    assert counts["invoices"]["changed"] == 1
    assert scalar(database, f"SELECT city FROM debtor WHERE number = {debtor}") == "Vejle"
    assert scalar(database, f"SELECT gone_at FROM debtor WHERE number = {debtor - 1}") is not None


def test_dry_run(debitor: Debitor, books: StandIn, database: Database) -> None:
    """A dry run counts the same and stores nothing."""
    printed = debitor("resync", AGREEMENT, "--dry-run").stdout

    assert printed.splitlines()[1].split() == ["debtors", "1200", "1200", "0", "0", "0"]
    assert "nothing was stored" in printed
    assert stored(database) == (0, 0, 0)


def test_parts(debitor: Debitor, books: StandIn, database: Database) -> None:
    """Debtors alone, invoices alone, invoices since a date."""
    debitor("resync", AGREEMENT, "--debtors")
    assert stored(database) == (1_200, 0, 0)

    counts = debitor.json("resync", AGREEMENT, "--invoices", "--since", "2100-01-01")["counts"]
    assert (counts["invoices"]["read"], "debtors" in counts) == (0, False)
    assert stored(database) == (1_200, 0, 0)

    debitor("resync", AGREEMENT, "--invoices")
    assert stored(database) == (1_200, 30, 90)


@pytest.mark.parametrize(
    "options",
    [
        ("--since", "yesterday"),
        ("--debtors", "--since", "2026-01-01"),
        ("--resume", "--dry-run"),
        ("--resume", "--debtors"),
    ],
)
def test_wrong_usage(debitor: Debitor, options: tuple[str, ...], database: Database) -> None:
    """Options that do not go together start nothing."""
    debitor("resync", AGREEMENT, *options, status=2)
    assert rows(database, "SELECT id FROM run") == []


def test_interrupted_and_resumed(
    debitor: Debitor, books: StandIn, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C keeps what is stored and says how to go on; at most the page read ahead is read twice."""
    with monkeypatch.context() as pressed:
        interrupt_after(1, pressed)
        result = debitor("resync", AGREEMENT, status=1)
    assert f"`debitor resync {AGREEMENT} --resume` goes on" in result.stderr
    assert stored(database)[0] == 1_000

    report = debitor.json("resync", AGREEMENT, "--resume")

    assert report["counts"]["debtors"]["read"] == 1_200
    assert stored(database) == (1_200, 30, 90)
    assert calls(books).count("/customers") <= 3
    assert scalar(database, "SELECT count(*) FROM run") == 1


def test_unfinished_is_gone_on_with(
    debitor: Debitor, books: StandIn, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked again, an unfinished resync goes on and says so; asked for otherwise, it is not mistaken for that."""
    with monkeypatch.context() as pressed:
        interrupt_after(1, pressed)
        debitor("resync", AGREEMENT, "--debtors", status=1)

    assert "finish it first" in debitor("resync", AGREEMENT, "--dry-run", status=1).stderr
    result = debitor("resync", AGREEMENT)

    assert "Going on with the unfinished resync 1 (debtors)" in result.stderr
    assert stored(database) == (1_200, 0, 0)


def test_unfinished_dry_run(debitor: Debitor, books: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dry run that is unfinished never passes for the real thing."""
    with monkeypatch.context() as pressed:
        interrupt_after(1, pressed)
        debitor("resync", AGREEMENT, "--dry-run", status=1)

    assert "finish it first" in debitor("resync", AGREEMENT, status=1).stderr


def test_nothing_to_resume(debitor: Debitor, books: StandIn) -> None:
    """`--resume` insists that there is something to resume."""
    assert "no unfinished resync" in debitor("resync", AGREEMENT, "--resume", status=1).stderr


def test_waits(debitor: Debitor, books: StandIn, database: Database) -> None:
    """A rate limit is waited for, with the reason, and the resync then ends well."""
    books.control("POST", "faults", {"path": "/customers", "status": 429, "retry_after": "1", "times": 1, "skip": 1})

    result = debitor("resync", AGREEMENT)

    assert "Waiting: rate_limited" in result.stderr
    assert "again in 1 s" in result.stderr
    assert stored(database) == (1_200, 30, 90)


def test_deletion_guard(debitor: Debitor, books: StandIn, database: Database) -> None:
    """Many deletions at once wait for a person's word."""
    debitor("resync", AGREEMENT, "--debtors")
    for (number,) in rows(database, "SELECT number FROM debtor ORDER BY number DESC LIMIT 25"):
        books.books("DELETE", f"debtors/{number}?force=true")

    assert "--allow-deletions" in debitor("resync", AGREEMENT, "--debtors", status=1).stderr
    assert stored(database)[0] == 1_200

    report = debitor.json("resync", AGREEMENT, "--debtors", "--allow-deletions")
    assert report["counts"]["debtors"]["gone"] == 25
    assert stored(database)[0] == 1_175


def test_lines_refused(debitor: Debitor, books: StandIn, database: Database) -> None:
    """Without the line service headers are stored, and the command fails saying so."""
    books.control("POST", "faults", {"path": "/q2capi", "status": 403})

    result = debitor("resync", AGREEMENT, "--invoices", status=1)

    assert "refused the list of invoice lines" in result.stderr
    assert stored(database) == (0, 30, 0)


def test_wrong_agreement(debitor: Debitor, stand_in: StandIn, database: Database, monkeypatch: Any) -> None:
    """No list is believed before the tokens are known to open the right agreement."""
    debitor("agreement", "add", 1599004, "--grant-token", "-", stdin=GRANT)
    monkeypatch.setattr(run_work, "_sleep", _give_up)

    assert "interrupted" in debitor("resync", 1599004, status=1).stderr

    assert calls(stand_in) == []
    assert scalar(database, "SELECT message FROM run").startswith("wrong_agreement")


def _give_up(*_: object) -> None:
    raise KeyboardInterrupt


def test_token_asked_for(debitor: Debitor, connected: Callable[..., None], stand_in: StandIn) -> None:
    """Where the token is asked every time it is asked for, once; without one nothing starts."""
    connected("--ask-every-time")
    stand_in.books("POST", "bulk", {"debtors": 3})

    assert debitor.json("resync", AGREEMENT, stdin=f"{GRANT}\n")["counts"]["debtors"]["new"] == 3
    assert "standard input" in debitor("resync", AGREEMENT, status=1).stderr


def test_no_token(debitor: Debitor, connected: Callable[..., None], database: Database) -> None:
    """A missing token is said at once rather than waited for."""
    debitor("agreement", "add", AGREEMENT)

    assert "agreement credentials" in debitor("resync", AGREEMENT, status=1).stderr
    assert rows(database, "SELECT id FROM run") == []


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_embedded_form_does_the_work(
    debitor: Debitor,
    connected: Callable[..., None],
    stand_in: StandIn,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With the embedded form running the command only queues the run and follows it to its end."""
    connected()
    stand_in.books("POST", "bulk", {"debtors": 30})
    monkeypatch.setattr(run_work, "work_on", _give_up)
    services = connect(load())
    ended = threading.Event()

    def running_process() -> None:
        while not ended.wait(0.02):
            for run_id in services.runs.due():
                advance(services, run_id)

    with lock.hold(services.settings):
        thread = threading.Thread(target=running_process)
        thread.start()
        try:
            report = debitor.json("resync", AGREEMENT)
        finally:
            ended.set()
            thread.join()
            services.close()

    assert report["counts"]["debtors"]["new"] == 30
    assert stored(database)[0] == 30


def test_shows_progress(books: StandIn, debitor: Debitor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each page is shown with its phase, what is read and the total."""
    seen: list[tuple[str, int, int | None]] = []
    monkeypatch.setattr(Display, "show", lambda self, state: seen.append((state.phase, state.read, state.total)))

    debitor("resync", AGREEMENT)

    assert ("debtors", 1_000, 1_200) in seen
    assert seen[-1][0] == "done"
