"""Debitor running: grown (PostgreSQL, RabbitMQ, several processes) or embedded (one process, SQLite)."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa

from domain.poll import PollState
from domain.reference import Listing
from infra.database import schema
from infra.database.engine import Database
from infra.database.polls import PollRows
from tests.support.databases import KEY, add_agreement, do, rows, scalar
from tests.support.network import free_port
from tests.support.processes import Process, debitor, ending, run_debitor
from tests.support.sandbox import APP_SECRET, Books, Sandbox, sandbox

_agreements = itertools.count(2_000_001)


@dataclass
class Agreement:
    """One agreement, connected on both sides."""

    form: Form
    books: Books
    secret: str

    @property
    def number(self) -> int:
        return self.books.number

    @property
    def address(self) -> str:
        """Where its hooks go, up to the kind."""
        return f"{self.form.address}/webhooks/e-conomic/{self.number}/{self.secret}"

    def hook(self, kind: str = "customer", **values: object) -> httpx.Response:
        """One webhook as e-conomic sends it."""
        return self.form.http.post(f"{self.address}/{kind}", data={name: str(value) for name, value in values.items()})

    def outstanding(self) -> int:
        """Events nobody has handled yet, apart from what the poller asks for by itself."""
        return int(
            scalar(
                self.form.database,
                "SELECT count(*) FROM inbox WHERE agreement = :agreement AND handled_at IS NULL AND source <> 'poll'",
                agreement=self.number,
            )
        )

    def waiting(self) -> list[Any]:
        """What is unhandled, and how its work stands."""
        return self.rows(
            "SELECT i.kind, i.source, count(*) AS events, w.lease_until, w.not_before, w.reason, w.attempts, w.message"
            " FROM inbox i JOIN work w ON w.agreement = i.agreement AND w.kind = i.kind"
            " WHERE i.agreement = :agreement AND i.handled_at IS NULL"
            " GROUP BY i.kind, i.source, w.lease_until, w.not_before, w.reason, w.attempts, w.message"
        )

    def work(self, kind: str = "debtors") -> Any:
        """The work row: what waits and why."""
        (row,) = self.rows("SELECT * FROM work WHERE agreement = :agreement AND kind = :kind", kind=kind)
        return row

    def rows(self, query: str, **values: object) -> list[Any]:
        """What a query says that may name `:agreement`."""
        return rows(self.form.database, query, agreement=self.number, **values)

    def debtor(self, number: int) -> Any:
        """The living debtor of this number, or None."""
        found = self.rows(
            "SELECT * FROM debtor WHERE agreement = :agreement AND number = :number AND gone_at IS NULL", number=number
        )
        return found[0] if found else None

    def failures(self) -> list[tuple[str, str, str]]:
        """(kind, subject, state) of each failure."""
        found = self.rows("SELECT subject_kind, subject, state FROM failure WHERE agreement = :agreement ORDER BY id")
        return [tuple(row) for row in found]


@dataclass
class Form:
    """A running Debitor, its database and its e-conomic."""

    name: str
    database: Database
    sandbox: Sandbox
    address: str
    folder: Path
    environment: dict[str, str]
    processes: dict[str, Process]
    health: dict[str, str]  # where each process answers health and metrics
    secrets: list[str] = field(default_factory=lambda: [APP_SECRET, KEY])
    http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=15, trust_env=False))

    def agreement(self, *, hooks: bool = True, polled: bool = False, **debtors: int) -> Agreement:
        """
        A new agreement on both sides; with `hooks` e-conomic's webhooks come here.

        `polled` leaves on what Debitor does by itself: the poller, and the nightly reading of names.
        """
        number = next(_agreements)
        books = self.sandbox.books(number)
        agreement = Agreement(self, books, add_agreement(self.database, number, grant=books.grant))
        self.secrets += [agreement.secret, books.grant]
        if not polled:
            with self.database.write() as connection:
                PollRows(connection, self.database.sql, number).save(PollState(), every_s=86_400)
                sql = self.database.sql
                connection.execute(
                    sa.text(
                        "INSERT INTO reference_list (agreement, list, tried_at)"
                        f" VALUES (:agreement, :list, {sql.after('ago')})"
                    ),
                    [{"agreement": number, "list": which.value, "ago": -120} for which in Listing],
                )
        if debtors:
            books.fill(**debtors)
        if hooks:
            books.send_hooks_to(agreement.address)
        return agreement

    def debitor(self, *arguments: str, within_s: float = 60.0) -> tuple[int, str]:
        """A command beside the running processes; its exit code and what it wrote."""
        return run_debitor(*arguments, environment=self.environment, folder=self.folder, within_s=within_s)

    def logs(self) -> str:
        """What all processes have written."""
        return "\n".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("*.log")))

    def leaked(self) -> list[str]:
        """Secrets that stand in a log, by their first characters."""
        text = self.logs()
        return [secret[:14] for secret in self.secrets if secret in text]

    def let_leases_pass(self) -> None:
        """As if three minutes had passed: a dead holder's work can be taken, a living one's too."""
        for table in ("work", "run"):
            do(
                self.database,
                f"UPDATE {table} SET lease_until = {self.database.sql.after('ago')} WHERE lease_token IS NOT NULL",
                ago=-1,
            )
        do(self.database, "UPDATE conversion SET lease_until = NULL WHERE lease_until IS NOT NULL")

    def ready_url(self) -> str:
        return f"{self.address}/health/ready"


def settings(database_url: str, broker_url: str, listen: str, economic: Sandbox) -> dict[str, str]:
    """The environment of a Debitor."""
    return {
        "DEBITOR_DATABASE_URL": database_url,
        "DEBITOR_BROKER_URL": broker_url,
        "DEBITOR_SECRET_KEY": KEY,
        "DEBITOR_LISTEN": listen,
        "DEBITOR_PUBLIC_URL": f"http://{listen}",
        **economic.settings(),
    }


@contextmanager
def grown(folder: Path, database_url: str, broker_url: str, *, workers: int = 2) -> Iterator[Form]:
    """Web (two processes), workers and a scheduler."""
    listen = f"127.0.0.1:{free_port()}"
    with ExitStack() as stack:
        economic = stack.enter_context(sandbox(folder))
        environment = settings(database_url, broker_url, listen, economic)
        database = Database(database_url)
        stack.callback(database.close)
        schema.migrate(database)
        health = {"web": listen}
        processes = {"web": debitor("web", "serve", environment=environment, folder=folder)}
        for name in [*(f"worker-{place}" for place in range(1, workers + 1)), "scheduler"]:
            health[name] = f"127.0.0.1:{free_port()}"
            processes[name] = debitor(
                name,
                name.split("-")[0],
                environment={**environment, "DEBITOR_METRICS_LISTEN": health[name]},
                folder=folder,
            )
        stack.enter_context(ending(*processes.values()))
        for process in processes.values():
            process.start()
        form = Form("grown", database, economic, f"http://{listen}", folder, environment, processes, health)
        stack.callback(form.http.close)
        for name, process in processes.items():
            process.wait_for(form.ready_url() if name == "web" else f"http://{health[name]}/health/live")
        yield form


@contextmanager
def embedded(folder: Path) -> Iterator[Form]:
    """`debitor up` on a file in `folder`."""
    listen = f"127.0.0.1:{free_port()}"
    with ExitStack() as stack:
        economic = stack.enter_context(sandbox(folder))
        environment = settings(f"sqlite:///{folder}/debitor.db", "memory://", listen, economic)
        up = debitor("up", "up", environment=environment, folder=folder)
        stack.enter_context(ending(up))
        up.start()
        up.wait_for(f"http://{listen}/health/ready")
        database = Database(environment["DEBITOR_DATABASE_URL"])
        stack.callback(database.close)
        form = Form("embedded", database, economic, f"http://{listen}", folder, environment, {"up": up}, {"up": listen})
        stack.callback(form.http.close)
        yield form


def alive(pid: int) -> bool:
    """Whether this process is there."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


Environment = Mapping[str, str]
