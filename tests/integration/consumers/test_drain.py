"""A slice of work: what it stores, why it waits, what it never does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from consumers.drain import drain
from consumers.processes import start_consumers
from consumers.runs import advance, start_resync
from consumers.scheduler import Scheduler
from domain.accounting_api import Page
from domain.debtors import Debtor
from domain.errors import CredentialsRefused, PermanentError, RateLimited, Rejected, Unavailable
from domain.hints import Kind, NewHint, Source
from domain.poll import PollState
from domain.reference import Listing, Name, Why, wanted
from domain.resync_state import ResyncOptions
from infra.bootstrap import Services, connect
from infra.broker import topology
from infra.database.engine import Database
from infra.database.inbox import SqlInbox
from infra.database.names import NameRows
from infra.database.polls import PollRows
from infra.economic import EconomicClient, EconomicConfig
from tests.integration.consumers.conftest import settings_for
from tests.support.accounting import HeldAccounting, OneClient
from tests.support.brokers import waiting
from tests.support.databases import AGREEMENT, add_agreement, add_hints, do, rows, scalar
from tests.support.network import Proxy
from tests.support.waiting import eventually

NORDVIND = Debtor(100, "Nordvind Service A/S")


class Failing(HeldAccounting):
    """Every call fails."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def debtor(self, number: int, *, bulk: bool = False) -> Debtor | None:
        self.asked.append(number)
        raise self.error


def use(services: Services, accounting: HeldAccounting) -> HeldAccounting:
    services.client = OneClient(accounting)  # type: ignore[assignment]
    return accounting


def outstanding(database: Database) -> int:
    return int(scalar(database, "SELECT count(*) FROM inbox WHERE handled_at IS NULL"))


def work_row(database: Database, kind: Kind = Kind.DEBTORS) -> Any:
    (row,) = rows(database, "SELECT * FROM work WHERE agreement = :a AND kind = :k", a=AGREEMENT, k=kind.value)
    return row


@pytest.fixture
def running() -> Iterator[Callable[[Services], None]]:
    """Starts consumers and a scheduler on services."""
    stop = threading.Event()
    started: list[Callable[[], object]] = []

    def start(services: Services) -> None:
        worker = start_consumers(services, threads=4)
        thread = threading.Thread(target=Scheduler(services).run, args=(stop,), daemon=True)
        thread.start()
        started.extend((lambda: thread.join(timeout=10), lambda: worker.stop(timeout=10_000)))

    yield start
    stop.set()
    for end in started:
        end()


def test_the_sweep_finds_what_nobody_was_woken_for(services: Services, running: Callable[[Services], None]) -> None:
    """An event without a wake-up, as after a kill, is handled within two seconds or so."""
    use(services, HeldAccounting(NORDVIND))
    add_hints(services.database, 100)
    running(services)

    eventually(lambda: outstanding(services.database) == 0)
    assert scalar(services.database, "SELECT name FROM debtor") == NORDVIND.name
    assert scalar(services.database, "SELECT correlation_id FROM debtor") == "cause-100"


@pytest.mark.parametrize(
    ("error", "reason", "seconds"),
    [
        (Unavailable("e-conomic is down"), "unavailable", (1, 3)),
        (RateLimited("too many", retry_after_s=77), "rate_limited", (70, 77.1)),
        (CredentialsRefused("401"), "credentials_refused", (55, 60.1)),
        (ZeroDivisionError("our bug"), "unavailable", (1, 3)),
    ],
    ids=["down", "429", "401", "bug"],
)
def test_trouble_waits_and_fails_nothing(
    services: Services, error: Exception, reason: str, seconds: tuple[float, float]
) -> None:
    """Trouble of the surroundings leaves events outstanding, the reason in the work row, and no failure."""
    use(services, Failing(error))
    add_hints(services.database, 100)
    database = services.database
    drain(services, AGREEMENT, Kind.DEBTORS)

    row = work_row(database)
    assert (row.reason, row.lease_token, row.attempts) == (reason, None, 1)
    left = scalar(database, f"SELECT -{database.sql.seconds_since('not_before')} FROM work WHERE kind = 'debtors'")
    assert seconds[0] < left < seconds[1]
    assert outstanding(database) == 1
    assert scalar(database, "SELECT count(*) FROM failure") == 0

    do(database, "UPDATE work SET not_before = NULL")
    use(services, HeldAccounting(NORDVIND))
    drain(services, AGREEMENT, Kind.DEBTORS)
    assert (work_row(database).reason, outstanding(database)) == (None, 0)


def test_one_bad_record_is_one_failure(services: Services) -> None:
    """What cannot be stored is a failure of that one number; its neighbours are stored, and it closes by itself."""
    accounting = use(services, HeldAccounting(NORDVIND, Debtor(300, "Vestkystens Fisk")))
    accounting.books[200] = PermanentError("customerNumber 200: name is no text")
    database = services.database
    add_hints(database, 100, 200, 300)
    drain(services, AGREEMENT, Kind.DEBTORS)

    assert outstanding(database) == 0
    assert [row.number for row in rows(database, "SELECT number FROM debtor ORDER BY number")] == [100, 300]
    assert [(row.subject, row.state) for row in rows(database, "SELECT * FROM failure")] == [("200", "open")]

    accounting.books[200] = Debtor(200, "Sydhavnens Smedje ApS")
    add_hints(database, 200)
    drain(services, AGREEMENT, Kind.DEBTORS)
    assert [(row.subject, row.state) for row in rows(database, "SELECT * FROM failure")] == [("200", "resolved")]


def test_the_wrong_agreement_writes_nothing(services: Services) -> None:
    """Tokens that open another agreement store nothing under this one, and the work says so."""
    use(services, HeldAccounting(NORDVIND, agreement=999))
    add_hints(services.database, 100)
    drain(services, AGREEMENT, Kind.DEBTORS)

    assert work_row(services.database).reason == "wrong_agreement"
    assert scalar(services.database, "SELECT count(*) FROM debtor") == 0


def test_an_unusable_hook_becomes_a_failure(services: Services) -> None:
    """An event that names nothing is a failure with the body it came with; e-conomic is not asked."""
    accounting = use(services, HeldAccounting())
    with services.database.write() as connection:
        SqlInbox(connection, services.database.sql).add(
            [NewHint(AGREEMENT, Kind.UNUSABLE, Source.HOOK, "c1", body="customer ?old=&new=")]
        )
    drain(services, AGREEMENT, Kind.UNUSABLE)

    (row,) = rows(services.database, "SELECT subject_kind, reason, detail, state FROM failure")
    assert tuple(row) == ("hook", "unusable", "customer ?old=&new=", "open")
    assert (accounting.asked, outstanding(services.database)) == ([], 0)


def test_hints_of_one_number_are_one_call(services: Services) -> None:
    """A hundred events about a debtor cost one reading."""
    accounting = use(services, HeldAccounting(NORDVIND))
    add_hints(services.database, *[100] * 99)
    drain(services, AGREEMENT, Kind.DEBTORS)

    assert (accounting.asked, outstanding(services.database)) == ([100], 0)


def test_a_storm_waits_for_silence(services: Services) -> None:
    """While events pour in the work is put off without a reason, and read once they stop."""
    accounting = use(services, HeldAccounting(NORDVIND))
    database = services.database
    do(database, f"UPDATE work SET drained_at = {database.sql.now}")
    add_hints(database, *[100] * 150)
    drain(services, AGREEMENT, Kind.DEBTORS)
    assert (accounting.asked, work_row(database).reason) == ([], None)
    assert outstanding(database) == 150

    def read() -> bool:
        drain(services, AGREEMENT, Kind.DEBTORS)
        return outstanding(database) == 0

    eventually(read, within_s=5)
    assert accounting.asked == [100]


# -- the database or the broker away ------------------------------------------------------


@pytest.fixture
def through(postgres: Database, postgres_through: str, rabbitmq_through: str) -> Iterator[Services]:
    """Services of the grown form whose ways to the database and the broker can fail."""
    add_agreement(postgres)
    services = connect(settings_for(postgres_through, rabbitmq_through))
    yield services
    services.close()


@pytest.mark.parametrize("fail", [Proxy.refuse, Proxy.sever], ids=["refused", "broken"])
def test_work_cut_off_by_the_database_goes_on_by_itself(
    through: Services,
    postgres: Database,
    postgres_proxy: Proxy,
    running: Callable[[Services], None],
    fail: Callable[[Proxy], None],
) -> None:
    """A database that goes away in the middle of a slice costs seconds, not the life of the lease."""
    accounting = use(through, HeldAccounting(NORDVIND))
    with accounting.hold(100) as moment:
        add_hints(postgres, 100)
        running(through)
        moment.wait()
        fail(postgres_proxy)
        moment.goes_on.set()
        time.sleep(0.3)  # long enough for the slice to meet the absent database
        postgres_proxy.restore()

    eventually(lambda: outstanding(postgres) == 0, within_s=10)
    assert scalar(postgres, "SELECT count(*) FROM failure") == 0
    assert scalar(postgres, "SELECT name FROM debtor") == NORDVIND.name


def test_a_run_cut_off_by_the_database_goes_on_by_itself(
    through: Services, postgres: Database, postgres_proxy: Proxy, running: Callable[[Services], None]
) -> None:
    """A resync whose page meets an absent database is neither failed nor held until its lease runs out."""
    accounting = use(through, HeldAccounting(NORDVIND))
    listed = accounting.debtors_after
    cut = threading.Event()

    def debtors_after(number: int) -> Any:
        page = listed(number)
        if not cut.is_set():
            cut.set()
            postgres_proxy.sever()
        return page

    accounting.debtors_after = debtors_after  # type: ignore[method-assign]
    run_id = start_resync(through, AGREEMENT, ResyncOptions(invoices=False))
    running(through)

    def state() -> str:
        return str(scalar(postgres, "SELECT state FROM run WHERE id = :id", id=run_id))

    eventually(lambda: cut.is_set() and state() == "done", within_s=10, why=state)
    assert scalar(postgres, "SELECT name FROM debtor") == NORDVIND.name


def test_a_broker_that_was_away_is_found_again(
    through: Services,
    postgres: Database,
    rabbitmq_proxy: Proxy,
    running: Callable[[Services], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Consumers and the scheduler survive a broker outage, which is no bug; what came meanwhile is handled after it."""
    use(through, HeldAccounting(NORDVIND, Debtor(200, "Sydhavnens Smedje ApS")))
    running(through)
    add_hints(postgres, 100)
    eventually(lambda: outstanding(postgres) == 0)

    rabbitmq_proxy.refuse()
    start_resync(through, AGREEMENT, ResyncOptions(invoices=False))
    add_hints(postgres, 200)
    logged = ""

    def met() -> bool:
        nonlocal logged
        logged += capsys.readouterr().out
        return "sweep.failed" in logged

    eventually(met, why=lambda: logged)
    assert outstanding(postgres) == 1
    rabbitmq_proxy.restore()

    eventually(lambda: outstanding(postgres) == 0, within_s=20)
    eventually(lambda: scalar(postgres, "SELECT state FROM run") == "done", within_s=20)
    assert ".bug" not in logged + capsys.readouterr().out


def test_lost_and_doubled_wake_ups(
    through: Services, postgres: Database, rabbitmq_url: str, running: Callable[[Services], None]
) -> None:
    """Wake-ups that vanish are made up for, and many for the same work do it once."""
    accounting = use(through, HeldAccounting(NORDVIND))
    add_hints(postgres, 100)
    route = topology.ROUTES[Kind.DEBTORS]
    for _ in range(50):
        through.wake_ups._publish(AGREEMENT, Kind.DEBTORS, [1])
    assert waiting(rabbitmq_url)[route.queue] == 50
    running(through)

    eventually(lambda: outstanding(postgres) == 0)
    eventually(lambda: waiting(rabbitmq_url)[route.queue] == 0)
    assert accounting.asked == [100]


def test_what_the_broker_took_is_drained_and_handled(
    through: Services, postgres: Database, rabbitmq_url: str, running: Callable[[Services], None]
) -> None:
    """Events accepted by the broker while the database was away are rows, and handled, within seconds."""
    from infra.broker.intake_queue import IntakeQueue

    use(through, HeldAccounting(NORDVIND))
    queue = IntakeQueue(rabbitmq_url)
    queue.write([NewHint(AGREEMENT, Kind.DEBTORS, Source.HOOK, "by-broker", 100, 100)])
    queue.close()
    running(through)

    eventually(lambda: scalar(postgres, "SELECT correlation_id FROM debtor") == "by-broker", within_s=10)
    assert waiting(rabbitmq_url)["debitor.intake"] == 0


def test_a_run_works_beside_events(services: Services) -> None:
    """A resync and a drain of the same debtor end in one row, whoever comes first."""
    use(services, HeldAccounting(NORDVIND))
    add_hints(services.database, 100)
    advance(services, start_resync(services, AGREEMENT, ResyncOptions(invoices=False)))
    drain(services, AGREEMENT, Kind.DEBTORS)

    assert scalar(services.database, "SELECT count(*) FROM debtor") == 1
    assert scalar(services.database, "SELECT state FROM run") == "done"


# -- names --------------------------------------------------------------------------------


class Naming(HeldAccounting):
    """Has one unit, and no right to see employees."""

    def names(self, which: Listing, page: int) -> Page[Name]:
        if which is Listing.EMPLOYEES:
            raise Rejected("e-conomic refused the request (403)", status=403)
        return Page([Name("1", "stk.")] if which is Listing.UNITS else [], [], int(which is Listing.UNITS), False)


def test_the_scheduler_has_every_list_read(services: Services, running: Callable[[Services], None]) -> None:
    """A connected agreement's lists are read without a word; one that is refused says so and holds up none."""
    use(services, Naming())
    running(services)

    eventually(lambda: scalar(services.database, "SELECT count(*) FROM reference_list") == len(Listing))
    assert scalar(services.database, "SELECT name FROM reference_name") == "stk."
    problems = rows(services.database, "SELECT list, problem FROM reference_list WHERE problem IS NOT NULL")
    assert [tuple(row) for row in problems] == [("employees", "e-conomic refused the request (403)")]
    eventually(lambda: outstanding(services.database) == 0)
    assert work_row(services.database, Kind.REFERENCE).reason is None
    assert scalar(services.database, "SELECT count(*) FROM failure") == 0


def test_a_list_read_a_moment_ago_is_postponed(services: Services) -> None:
    """The work row says when the list may be read again; it is not looked at meanwhile."""
    use(services, Naming())
    for unit in ("7", "8"):
        with services.database.write() as connection:
            NameRows(connection, services.database.sql, AGREEMENT).meet({Listing.UNITS: {unit}})
            SqlInbox(connection, services.database.sql).add([wanted(AGREEMENT, Listing.UNITS, Why.NUMBER)])
        drain(services, AGREEMENT, Kind.REFERENCE)

    row = work_row(services.database, Kind.REFERENCE)
    assert (outstanding(services.database), row.lease_token, row.reason) == (1, None, None)
    assert not services.work.is_due(AGREEMENT, Kind.REFERENCE)
    wait = f"SELECT {services.database.sql.seconds_since('not_before')} FROM work WHERE kind = 'reference'"
    assert -61 < scalar(services.database, wait) < -50


# -- what no event told -------------------------------------------------------------------


def a_day_later(database: Database) -> None:
    """As if the agreement had been connected, and its events had waited, for 25 hours."""
    for table, column in (("agreement", "created_at"), ("inbox", "received_at")):
        do(database, f"UPDATE {table} SET {column} = {database.sql.after('ago')}", ago=-25 * 3_600)


def advance_all(services: Services) -> None:
    for run_id in services.runs.due():
        advance(services, run_id)


def living(database: Database) -> list[int]:
    return [row.number for row in rows(database, "SELECT number FROM debtor WHERE gone_at IS NULL ORDER BY number")]


def test_a_deletion_without_any_event_is_found_within_a_day(services: Services) -> None:
    """The daily comparison finds the deleted debtor, and the one that got another number."""
    accounting = use(services, HeldAccounting(NORDVIND, Debtor(200, "Sydhavnens Smedje ApS"), Debtor(300, "Vestkyst")))
    add_hints(services.database, 100, 200, 300)
    drain(services, AGREEMENT, Kind.DEBTORS)
    del accounting.books[200]
    accounting.books[400] = Debtor(400, "Vestkyst")
    del accounting.books[300]
    scheduler = Scheduler(services)

    scheduler.compare()
    assert services.runs.due() == []  # not before a day has passed
    do(services.database, "DELETE FROM job")
    a_day_later(services.database)
    scheduler.compare()
    Scheduler(services).compare()
    advance_all(services)

    assert living(services.database) == [100, 400]
    assert [row.state for row in rows(services.database, "SELECT state FROM run")] == ["done"]


def test_events_that_waited_over_a_day_are_one_comparison(services: Services) -> None:
    """Three hundred old events, far apart, are one page instead of two calls, and what nobody announced shows too."""
    numbers = [number * 100_000 for number in range(1, 301)]
    accounting = use(services, HeldAccounting(*(Debtor(number, f"Firma {number}") for number in numbers)))
    database = services.database
    add_hints(database, 77, *numbers[:-1])
    a_day_later(database)

    drain(services, AGREEMENT, Kind.DEBTORS)
    assert (accounting.asked, outstanding(database), living(database)) == ([], 0, [])
    advance_all(services)

    assert living(database) == numbers
    assert accounting.asked == []
    assert work_row(database).lease_token is None


def test_old_events_wait_for_the_token(services: Services) -> None:
    """Without credentials nothing is folded: the events stay outstanding and say why they wait."""
    do(services.database, "UPDATE agreement SET grant_token = NULL")
    add_hints(services.database, 100)
    a_day_later(services.database)

    drain(services, AGREEMENT, Kind.DEBTORS)

    assert (outstanding(services.database), services.runs.due()) == (1, [])
    assert work_row(services.database).reason == "credentials_missing"


def test_everybody_is_looked_at_at_the_start(services: Services) -> None:
    """A process that starts asks what changed meanwhile, even where the next look is not due; then it keeps to that."""
    database = services.database
    with database.write() as connection:
        PollRows(connection, database.sql, AGREEMENT).save(PollState(), every_s=86_400)
    scheduler = Scheduler(services)

    scheduler.poll()
    polls = "SELECT count(*) FROM inbox WHERE kind = 'poll'"
    assert scalar(database, polls) == 1
    do(database, f"UPDATE inbox SET handled_at = {database.sql.now}")
    do(database, "DELETE FROM job")
    scheduler.poll()
    assert scalar(database, polls) == 1

    Scheduler(services).poll()
    assert scalar(database, polls) == 2


# -- the budget, and who comes first ------------------------------------------------------


def spend(database: Database, calls: int) -> None:
    do(
        database,
        f"INSERT INTO calls (agreement, hour, spent) VALUES (:agreement, {database.sql.after('ago')}, :calls)",
        agreement=AGREEMENT,
        calls=calls,
        ago=-7_200,
    )


def asked_by_people(database: Database) -> list[int]:
    query = "SELECT new_number FROM inbox WHERE handled_at IS NULL AND source = 'sync' ORDER BY id"
    return [row.new_number for row in rows(database, query)]


def test_past_a_fifth_of_the_day_the_rest_is_spread(services: Services) -> None:
    """An event right after the last drain waits for its turn, without a reason, and is read then."""
    accounting = use(services, HeldAccounting(NORDVIND))
    database = services.database
    spend(database, 30_000)
    do(database, f"UPDATE work SET drained_at = {database.sql.now}")
    add_hints(database, 100)

    drain(services, AGREEMENT, Kind.DEBTORS)

    left = scalar(database, f"SELECT -{database.sql.seconds_since('not_before')} FROM work WHERE kind = 'debtors'")
    assert (accounting.asked, work_row(database).reason) == ([], None)
    assert 5 < left <= 8.64

    do(database, f"UPDATE work SET not_before = NULL, drained_at = {database.sql.after('ago')}", ago=-9)
    drain(services, AGREEMENT, Kind.DEBTORS)
    assert accounting.asked == [100]


def test_a_person_is_not_put_off(services: Services) -> None:
    """Past a fifth of the day's calls "Sync now" is read at once, and alone: the events keep their turn."""
    accounting = use(services, HeldAccounting(NORDVIND, Debtor(200, "Sydhavnens Smedje ApS")))
    database = services.database
    spend(database, 30_000)
    do(database, f"UPDATE work SET drained_at = {database.sql.now}")
    add_hints(database, 200)
    drain(services, AGREEMENT, Kind.DEBTORS)
    assert not services.work.is_due(AGREEMENT, Kind.DEBTORS)

    services.ask(AGREEMENT, 100)
    drain(services, AGREEMENT, Kind.DEBTORS)

    assert accounting.asked == [100]
    assert (outstanding(database), asked_by_people(database)) == (1, [])


def test_somebody_who_replays_everything_is_no_person_who_waits(services: Services) -> None:
    """Hundreds of requests at once keep the pace."""
    accounting = use(services, HeldAccounting(NORDVIND))
    database = services.database
    spend(database, 30_000)
    do(database, f"UPDATE work SET drained_at = {database.sql.now}")
    for number in range(1, 30):
        services.ask(AGREEMENT, number)

    drain(services, AGREEMENT, Kind.DEBTORS)

    assert (accounting.asked, len(asked_by_people(database))) == ([], 29)


def test_the_reserve_is_for_people(services: Services) -> None:
    """With the day's bulk calls spent events wait as rate limited, and "Sync now" is read all the same."""
    paths: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.path)
        if request.url.path == "/self":
            return httpx.Response(200, json={"agreementNumber": AGREEMENT})
        return httpx.Response(200, json={"customerNumber": 100, "name": NORDVIND.name})

    services.client = EconomicClient(
        EconomicConfig("http://rest.example", app_secret_token="app-secret"),
        httpx.MockTransport(answer),
        services.budget,
    )
    database = services.database
    spend(database, 48_000)
    add_hints(database, *range(1, 41))
    drain(services, AGREEMENT, Kind.DEBTORS)
    assert (work_row(database).reason, outstanding(database), paths) == ("rate_limited", 40, ["/self"])

    services.ask(AGREEMENT, 100)
    drain(services, AGREEMENT, Kind.DEBTORS)

    assert paths == ["/self", "/customers/100"]
    assert living(database) == [100]
    assert outstanding(database) == 40


def test_another_agreements_storm_slows_nobody(services: Services, running: Callable[[Services], None]) -> None:
    """While one agreement's storm holds its calls, a lone event of another one is read."""
    busy, other = HeldAccounting(NORDVIND), HeldAccounting(Debtor(7, "Sydhavnens Smedje ApS"), agreement=2)
    database = services.database
    add_agreement(database, 2)

    class Clients(OneClient):
        def agreement(self, number: int, _token: str) -> Any:
            return other if number == 2 else busy

    services.client = Clients(busy)  # type: ignore[assignment]
    with busy.hold(100) as moment:
        add_hints(database, *[100] * 3_000)
        running(services)
        moment.wait()
        add_hints(database, *[100] * 3_000)
        add_hints(database, 7, agreement=2)

        eventually(lambda: living(database) == [7])
        assert outstanding(database) >= 6_000

    eventually(lambda: outstanding(database) == 0, within_s=20)


def test_a_token_swapped_later_is_noticed(services: Services) -> None:
    """Before anything goes /self is asked: another agreement's answer stores nothing, until it is mended."""
    accounting = use(services, HeldAccounting(NORDVIND, Debtor(200, "Sydhavnens Smedje ApS")))
    database = services.database
    add_hints(database, 100, 200)
    drain(services, AGREEMENT, Kind.DEBTORS)
    books, accounting.books = accounting.books, {100: Debtor(100, "Somebody else", cvr="10101010")}
    accounting.agreement = 999

    add_hints(database, 200)
    drain(services, AGREEMENT, Kind.DEBTORS)
    assert (work_row(database).reason, living(database)) == ("wrong_agreement", [100, 200])

    add_hints(database, 100)  # not believed either, although it takes nobody away
    do(database, "UPDATE work SET not_before = NULL")
    drain(services, AGREEMENT, Kind.DEBTORS)
    assert scalar(database, "SELECT name FROM debtor WHERE number = 100") == NORDVIND.name

    accounting.books, accounting.agreement = books, AGREEMENT
    do(database, "UPDATE work SET not_before = NULL")
    drain(services, AGREEMENT, Kind.DEBTORS)
    assert (outstanding(database), work_row(database).reason) == (0, None)
