"""`debitor failures` and `debitor dead-letters`."""

from __future__ import annotations

import datetime as dt

import pika
import pytest
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.common import xq_name

from infra.broker import topology
from infra.database.engine import Database
from tests.integration.cli.conftest import Debitor
from tests.integration.console.world import NOW, World
from tests.support.brokers import waiting
from tests.support.databases import AGREEMENT, rows, scalar

OTHER = 1599004


@pytest.fixture
def world(database: Database) -> World:
    """Two agreements with a few failures: ids 1 to 6."""
    world = World(database)
    firm = world.firm()
    world.agreement(AGREEMENT, firm)
    world.agreement(OTHER, firm)
    long_ago = NOW - dt.timedelta(days=40)
    world.failure(AGREEMENT, "4711", reason="unreadable")
    world.failure(AGREEMENT, "4712", reason="rejected", last_seen_at=long_ago)
    world.failure(AGREEMENT, "20417", subject_kind="invoice", reason="not_found")
    world.failure(AGREEMENT, "17", subject_kind="hook", reason="unusable", detail="debtors ?hello")
    world.failure(OTHER, "4711", reason="unreadable")
    world.failure(AGREEMENT, "4713", state="resolved")
    return world


def states(database: Database) -> dict[int, str]:
    return {row.id: row.state for row in rows(database, "SELECT id, state FROM failure ORDER BY id")}


@pytest.mark.usefixtures("world")
@pytest.mark.parametrize(
    ("filters", "ids"),
    [
        ((), [5, 4, 3, 2, 1]),
        (("--limit", 2), [5, 4]),
        (("--kind", "debtor"), [5, 2, 1]),
        (("--type", "unreadable"), [5, 1]),
        (("--type", "unreadable", "--agreement", AGREEMENT), [1]),
        (("--since", (NOW - dt.timedelta(days=2)).strftime("%Y-%m-%d")), [5, 4, 3, 1]),
        (("--state", "resolved"), [6]),
        (("--state", "all", "--kind", "debtor", "--agreement", AGREEMENT), [6, 2, 1]),
    ],
)
def test_list(debitor: Debitor, filters: tuple[object, ...], ids: list[int]) -> None:
    """Failures are found by any combination of filters, newest first."""
    assert [each["id"] for each in debitor.json("failures", "list", *filters)] == ids


@pytest.mark.usefixtures("world")
def test_list_for_people(debitor: Debitor) -> None:
    """People read which thing failed and why; none is said, too."""
    printed = debitor("failures", "list").stdout
    assert "invoice 20417" in printed
    assert "not_found" in printed
    assert "no such failures" in debitor("failures", "list", "--kind", "conversion").stdout


@pytest.mark.usefixtures("world")
def test_show(debitor: Debitor) -> None:
    """The whole story of one failure, with what to do where replaying does not help."""
    assert "agreement webhooks" in debitor("failures", "show", 4).stdout
    assert debitor.json("failures", "show", 4)["detail"] == "debtors ?hello"
    assert "no failure 99" in debitor("failures", "show", 99, status=1).stderr


@pytest.mark.usefixtures("world")
def test_replay_by_id(debitor: Debitor, database: Database) -> None:
    """Named failures end as replayed and leave one hint each."""
    debitor("failures", "replay", 1, 3)

    assert states(database) | {1: "replayed", 3: "replayed"} == states(database)
    hints = rows(database, "SELECT agreement, kind, source, new_number FROM inbox ORDER BY id")
    assert list(map(tuple, hints)) == [(AGREEMENT, "debtors", "sync", 4711), (AGREEMENT, "invoices", "sync", 20417)]


@pytest.mark.usefixtures("world")
def test_replay_of_what_it_cannot_help(debitor: Debitor, database: Database) -> None:
    """An unusable hook stays open and the command says what to do; its neighbour is replayed."""
    result = debitor("failures", "replay", 4, 1, 6, status=1)

    assert "agreement webhooks" in result.stderr
    assert "failure 6 was left as it is: it is resolved already" in result.stderr
    assert (states(database)[4], states(database)[1]) == ("open", "replayed")


@pytest.mark.usefixtures("world")
def test_replay_all(debitor: Debitor, database: Database) -> None:
    """All means all that a replay can help; unusable hooks are left out and mentioned."""
    result = debitor("failures", "replay", "--all")

    assert result.stdout.startswith("4 failures replayed")
    assert "Left open, 1 failure: it would say the same again" in result.stderr
    assert states(database) == {
        1: "replayed",
        2: "replayed",
        3: "replayed",
        4: "open",
        5: "replayed",
        6: "resolved",
    }
    assert scalar(database, "SELECT count(*) FROM inbox") == 4


@pytest.mark.usefixtures("world")
def test_replay_dry_run(debitor: Debitor, database: Database) -> None:
    """A dry run shows what would be replayed, bounded by the limit, and changes nothing."""
    printed = debitor("failures", "replay", "--kind", "debtor", "--limit", 2, "--dry-run").stdout

    assert [line.split()[0] for line in printed.splitlines()] == ["id", "5", "2"]
    assert "replayed" not in states(database).values()
    assert scalar(database, "SELECT count(*) FROM inbox") == 0


@pytest.mark.usefixtures("world")
def test_replay_of_an_unknown_failure(debitor: Debitor, database: Database) -> None:
    """One unknown id, and nothing happens."""
    assert "no failure 99" in debitor("failures", "replay", 1, 99, status=1).stderr
    assert states(database)[1] == "open"


@pytest.mark.usefixtures("world")
@pytest.mark.parametrize("command", ["replay", "dismiss"])
@pytest.mark.parametrize("which", [(), (1, "--all"), (1, "--kind", "debtor")])
def test_which_failures(debitor: Debitor, command: str, which: tuple[object, ...]) -> None:
    """Saying nothing, or two things at once, is wrong usage."""
    assert "say which" in debitor("failures", command, *which, status=2).stderr


@pytest.mark.usefixtures("world")
def test_dismiss(debitor: Debitor, database: Database) -> None:
    """Failures are dismissed by id or filter, hooks too, with a note."""
    debitor("failures", "dismiss", "--kind", "hook", "--note", "a test")
    assert debitor("failures", "dismiss", "--all", "--dry-run").stdout.count("\n") == 5
    debitor("failures", "dismiss", 1)
    assert "dismissed already" in debitor("failures", "dismiss", 1, status=1).stderr

    assert states(database) == {1: "dismissed", 2: "open", 3: "open", 4: "dismissed", 5: "open", 6: "resolved"}
    assert scalar(database, "SELECT note FROM failure WHERE id = 4") == "a test"
    assert scalar(database, "SELECT count(*) FROM inbox") == 0


@pytest.mark.usefixtures("world")
def test_many(debitor: Debitor, database: Database, world: World) -> None:
    """More failures than one transaction takes are replayed up to the limit."""
    for number in range(5_000, 7_300):
        world.failure(OTHER, str(number))

    assert debitor("failures", "replay", "--agreement", OTHER, "--limit", 2_200).stdout.startswith("2,200 failures")

    assert scalar(database, "SELECT count(*) FROM inbox") == 2_200
    assert scalar(database, "SELECT count(*) FROM failure WHERE state = 'replayed'") == 2_200


def test_removed_agreement(debitor: Debitor, world: World) -> None:
    """Failures of a removed agreement are nobody's task any more."""
    debitor("agreement", "remove", OTHER)

    assert [each["id"] for each in debitor.json("failures", "list", "--type", "unreadable")] == [1]


def test_no_dead_letters_in_memory(debitor: Debitor) -> None:
    """Without RabbitMQ there are none."""
    assert "none" in debitor("dead-letters", "list").stdout
    assert debitor.json("dead-letters", "list") == []
    assert "none" in debitor("dead-letters", "drop").stdout


def test_dead_letters(debitor: Debitor, rabbitmq_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dead letters are counted, looked at without being taken, and dropped."""
    monkeypatch.setenv("DEBITOR_BROKER_URL", rabbitmq_url)
    broker = RabbitmqBroker(url=rabbitmq_url)
    broker.declare_queue(topology.QUEUES[0], ensure=True)
    broker.close()
    dead = xq_name(topology.QUEUES[0])
    with pika.BlockingConnection(pika.URLParameters(rabbitmq_url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.basic_publish("", dead, b'{"actor_name":"debtors.refresh","args":[7,[]],"message_timestamp":0}')
        channel.basic_publish("", dead, b"\xff")

    listed = next(each for each in debitor.json("dead-letters", "list") if each["queue"] == dead)

    assert listed["messages"] == 2
    assert listed["first"][0] == {"at": "1970-01-01 00:00:00Z", "actor": "debtors.refresh", "arguments": "[7, []]"}
    assert "debtors.refresh [7, []]" in debitor("dead-letters", "list").stdout
    assert debitor("dead-letters", "drop", "--dry-run").stdout == "2 dead letters would be dropped.\n"
    assert debitor("dead-letters", "drop", "--queue", topology.QUEUES[0]).stdout == "2 dead letters dropped.\n"
    assert waiting(rabbitmq_url)[dead] == 0


def test_dead_events(debitor: Debitor, rabbitmq_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Events that nobody could store are shown with what they say, and stay until somebody names their queue."""
    monkeypatch.setenv("DEBITOR_BROKER_URL", rabbitmq_url)
    dead = topology.INTAKE_DEAD_LETTERS
    with pika.BlockingConnection(pika.URLParameters(rabbitmq_url)) as connection:
        channel = connection.channel()
        channel.queue_declare(dead, durable=True, arguments={"x-queue-type": "quorum"})
        channel.confirm_delivery()
        channel.basic_publish("", dead, b"not \xff JSON of 1442871")

    assert "not \\xff JSON of 1442871" in debitor("dead-letters", "list").stdout
    assert debitor("dead-letters", "drop").stdout == "0 dead letters dropped.\n"
    assert waiting(rabbitmq_url)[dead] == 1
    assert debitor("dead-letters", "drop", "--queue", topology.INTAKE_QUEUE).stdout == "1 dead letter dropped.\n"
    assert waiting(rabbitmq_url)[dead] == 0


def test_broker_away(debitor: Debitor, monkeypatch: pytest.MonkeyPatch) -> None:
    """RabbitMQ that does not answer is said in one line."""
    monkeypatch.setenv("DEBITOR_BROKER_URL", "amqp://guest:guest@127.0.0.1:1/")

    assert "RabbitMQ does not answer" in debitor("dead-letters", "list", status=1).stderr
