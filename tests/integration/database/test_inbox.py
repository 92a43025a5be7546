"""The inbox: events in order, handled by their exact ids."""

from __future__ import annotations

from domain.hints import Kind, NewHint, Source
from infra.database.engine import Database
from infra.database.inbox import SqlInbox
from tests.support.databases import AGREEMENT, add_hints, rows, scalar


def outstanding(store: Database, kind: Kind = Kind.DEBTORS, limit: int = 100) -> list[int]:
    """The ids of what is unhandled."""
    with store.read() as connection:
        return [hint.id for hint in SqlInbox(connection, store.sql).outstanding(AGREEMENT, kind, limit)]


def handle(store: Database, ids: list[int]) -> None:
    with store.write() as connection:
        SqlInbox(connection, store.sql).handled(ids)


def test_the_oldest_events_of_one_kind_come_first(store: Database) -> None:
    """Outstanding events come by id, of this agreement and kind only, at most as many as asked for."""
    ids = add_hints(store, 30, 10, 20)
    add_hints(store, 1, kind=Kind.INVOICES)
    add_hints(store, 1, agreement=7)

    assert outstanding(store) == ids
    assert outstanding(store, limit=2) == ids[:2]


def test_events_are_handled_by_their_ids(store: Database) -> None:
    """Marking two events leaves the one between them outstanding."""
    first, between, last = add_hints(store, 1, 2, 3)

    handle(store, [first, last])

    assert outstanding(store) == [between]


def test_an_event_is_handled_once(store: Database) -> None:
    """Marking again does not move the time at which an event was handled."""
    (event,) = add_hints(store, 1)
    handle(store, [event])
    when = scalar(store, "SELECT handled_at FROM inbox")

    handle(store, [event])

    assert scalar(store, "SELECT handled_at FROM inbox") == when


def test_an_event_comes_back_as_it_was_given(store: Database) -> None:
    """Numbers, correlation id and body survive; an absent number stays absent."""
    body = "customer ?old=[OLDNUMBER]\nÆØÅ 😀 'quoted' \\ \t"
    with store.write() as connection:
        SqlInbox(connection, store.sql).add([NewHint(AGREEMENT, Kind.UNUSABLE, Source.HOOK, "c0ffee", 5, None, body)])
    with store.read() as connection:
        (hint,) = SqlInbox(connection, store.sql).outstanding(AGREEMENT, Kind.UNUSABLE, 10)

    assert (hint.old, hint.new, hint.correlation_id, hint.body) == (5, None, "c0ffee", body)


def test_an_event_has_the_databases_time(store: Database) -> None:
    """The time of arrival is the database's own, and orders like a time."""
    add_hints(store, 1)

    assert -1 < scalar(store, f"SELECT {store.sql.seconds_since('received_at')} FROM inbox") < 30
    assert rows(store, f"SELECT 1 FROM inbox WHERE received_at <= {store.sql.now}")
