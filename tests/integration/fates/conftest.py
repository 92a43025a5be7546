"""Debitor's real store and client, the stand-in e-conomic on a socket, and nothing between: no broker, no threads."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa

from consumers.drain import REFRESH
from domain.accounting_api import AccountingApi
from domain.comparison import DAILY
from domain.errors import TransientError
from domain.hints import Hint, Kind, NewHint, Source
from domain.resync import Resync
from domain.resync_state import ResyncOptions, ResyncState
from infra.database.engine import Database
from infra.database.inbox import SqlInbox
from infra.database.runs import Runs, RunWork
from infra.database.unit_of_work import LeasedWork
from infra.database.work import WorkRows
from infra.economic import EconomicClient, EconomicConfig
from tests.support.databases import add_agreement, do, rows, sqlite_database
from tests.support.fates import Event, Firm
from tests.support.mirror import differences
from tests.support.sandbox import APP_SECRET, Books, Sandbox, sandbox

_numbers = itertools.count(3_000_001)


class SandboxBooks:
    """An agreement of the stand-in, with what these people wrote into it."""

    def __init__(self, books: Books) -> None:
        self.books = books
        self.firms: dict[int, Firm] = {}

    def put(self, number: int, firm: Firm) -> None:
        fields = {
            "name": firm.name,
            "corporateIdentificationNumber": firm.cvr,
            "city": firm.city,
            "barred": firm.barred,
        }
        (self.books.edit if number in self.firms else self.books.create)(number, **fields)
        self.firms[number] = firm

    def remove(self, number: int) -> None:
        del self.firms[number]
        self.books.delete(number)

    def move(self, old: int, new: int) -> None:
        self.firms[new] = self.firms.pop(old)
        self.books.renumber(old, new)


class Mirrored:
    """One agreement of Debitor's, worked on by direct calls of the use cases."""

    def __init__(self, database: Database, books: Books, api: AccountingApi) -> None:
        self.database = database
        self.books = books
        self.api = api
        self.agreement = books.number
        self._work = WorkRows(database)
        self._runs = Runs(database)
        self._run: tuple[int, str, Resync] | None = None

    def hint(self, event: Event, kind: Kind = Kind.DEBTORS, source: Source = Source.HOOK) -> None:
        with self.database.write() as connection:
            SqlInbox(connection, self.database.sql).add([NewHint(self.agreement, kind, source, "cause", *event)])

    def outstanding(self, kind: Kind = Kind.DEBTORS) -> list[Hint]:
        with self.database.read() as connection:
            return SqlInbox(connection, self.database.sql).outstanding(self.agreement, kind, 10_000)

    def drain(self, more_time: Callable[[], bool] = lambda: True, kind: Kind = Kind.DEBTORS) -> None:
        """Until nothing is outstanding."""
        for _ in range(100):
            hints = self.outstanding(kind)
            if not hints:
                return
            taken = self._work.take(self.agreement, kind)
            assert taken is not None
            lease = taken.lease
            try:
                done = REFRESH[kind](LeasedWork(self.database, lease), self.api, hints, more_time=more_time)
            except TransientError:
                self._work.release(lease)
                raise
            if not done.finished:
                self._work.release(lease)
        raise AssertionError("the work does not end")

    def drain_all(self) -> None:
        """Payments ask for invoices, and invoices for their debtors."""
        for kind in (Kind.PAYMENTS, Kind.INVOICES, Kind.DEBTORS):
            self.drain(kind=kind)

    def compare(self, options: ResyncOptions = DAILY) -> bool:
        """One page of the comparison that has not ended, or of a new one; whether there is more."""
        if self._run is None:
            state = ResyncState(options.first_phase())
            run_id = self._runs.create(self.agreement, "resync", options.as_json(), state.as_json())
            token, run = self._runs.take(run_id), self._runs.get(run_id)
            assert token is not None
            assert run is not None
            self._run = run_id, token, Resync(RunWork(self.database, run, token), self.api, options, state)
        run_id, token, resync = self._run
        if not resync.step():
            self._runs.finish(run_id, token)
            self._run = None
        return self._run is not None

    def compare_all(self, options: ResyncOptions = DAILY) -> None:
        """The comparison under way to its end, or a whole one."""
        while self.compare(options):
            pass

    def an_hour_passes(self) -> None:
        """For the tombstones, of which only so many are believed at once."""
        do(
            self.database,
            f"UPDATE debtor SET gone_at = {self.database.sql.after('ago')} WHERE gone_at IS NOT NULL",
            ago=-2 * 3_600,
        )

    def rows(self) -> dict[int, tuple[int, str]]:
        """Row id → number and CVR number of the living."""
        query = "SELECT id, number, cvr FROM debtor WHERE agreement = :a AND gone_at IS NULL"
        return {row.id: (row.number, row.cvr) for row in rows(self.database, query, a=self.agreement)}

    def graves(self) -> list[int]:
        """Numbers of the tombstones that did not become one with another row, sorted."""
        query = (
            "SELECT number FROM debtor WHERE agreement = :a AND gone_at IS NOT NULL AND absorbed_by IS NULL"
            " ORDER BY number"
        )
        return [row.number for row in rows(self.database, query, a=self.agreement)]

    def differences(self) -> list[str]:
        return differences(self.database, self.books)

    def failures(self) -> list[str]:
        query = "SELECT subject_kind, reason FROM failure WHERE agreement = :a AND state = 'open'"
        return [f"{row.subject_kind} {row.reason}" for row in rows(self.database, query, a=self.agreement)]


@pytest.fixture(scope="package")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with sandbox(tmp_path_factory.mktemp("stand-in")) as found:
        yield found


@pytest.fixture(scope="package")
def file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """One SQLite file: every agreement in it is new, and no power cut is waited for."""
    with sqlite_database(tmp_path_factory.mktemp("store")) as database:
        database.engine.dispose()
        sa.event.listen(database.engine, "connect", lambda raw, _: raw.execute("PRAGMA synchronous = OFF"))
        yield database


@pytest.fixture(scope="package")
def client(stand_in: Sandbox) -> Iterator[EconomicClient]:
    base = f"http://{stand_in.address}"
    with EconomicClient(EconomicConfig(base, f"{base}/q2capi/v5.3.0", app_secret_token=APP_SECRET)) as found:
        yield found


@pytest.fixture(scope="package")
def connect(stand_in: Sandbox, file: Database, client: EconomicClient) -> Callable[[], tuple[SandboxBooks, Mirrored]]:
    """A new agreement on both sides."""

    def new() -> tuple[SandboxBooks, Mirrored]:
        books = stand_in.books(next(_numbers))
        add_agreement(file, books.number, grant=books.grant)
        return SandboxBooks(books), Mirrored(file, books, client.agreement(books.number, books.grant))

    return new
