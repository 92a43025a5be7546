"""The CRM's events about companies, from the inbox to the company."""

from __future__ import annotations

import datetime as dt
from typing import Any

from consumers.drain import drain
from domain.crm_events import CrmEvent
from domain.hints import Kind, NewHint, Source
from infra.bootstrap import Services
from infra.database.inbox import SqlInbox
from tests.support.companies import NORDVIND, companies, history
from tests.support.databases import AGREEMENT, do, rows, scalar
from tests.support.merges import merged, undone

NOON = dt.datetime(2026, 5, 4, 12, tzinfo=dt.UTC)


def arrive(services: Services, *events: tuple[str, dict[str, Any], int]) -> None:
    """Events of the CRM, stored in this order: type, data, seconds after noon; then acted on."""
    with services.database.write() as connection:
        SqlInbox(connection, services.database.sql).add(
            [
                NewHint(
                    AGREEMENT,
                    Kind.COMPANIES,
                    Source.CRM,
                    f"cause-{number}",
                    body=CrmEvent("", kind, NOON + dt.timedelta(seconds=second), data).as_text(),
                )
                for number, (kind, data, second) in enumerate(events)
            ]
        )
    drain(services, AGREEMENT, Kind.COMPANIES)


def upserted(second: int = 0, **values: Any) -> tuple[str, dict[str, Any], int]:
    return "company.upserted", {"id": "crm-17", **NORDVIND, **values}, second


def failures(services: Services) -> list[Any]:
    return rows(services.database, "SELECT subject_kind, subject, reason, message FROM failure WHERE state = 'open'")


def test_events_become_companies(services: Services) -> None:
    """Whatever the order they come in, the newest word of the CRM is what is stored, and every event is handled."""
    arrive(services, upserted(2, city="Vejle"), upserted(1), ("company.deleted", {"id": "crm-9"}, 1))

    assert [(row.crm_id, row.city, row.deleted_at is None) for row in companies(services.database)] == [
        ("crm-17", "Vejle", True),
        ("crm-9", None, False),
    ]
    assert [what for _, what in history(services.database)] == ["created", "superseded", "deleted"]
    assert scalar(services.database, "SELECT count(*) FROM inbox WHERE handled_at IS NULL") == 0
    assert scalar(services.database, "SELECT count(*) FROM outbox") == 0, "it came from the CRM"


def test_a_late_replay_is_superseded(services: Services) -> None:
    """The same event again, after a newer one, changes nothing."""
    arrive(services, upserted(1))
    arrive(services, upserted(2, city="Vejle"))
    arrive(services, upserted(1))

    assert companies(services.database)[0].city == "Vejle"


def test_no_e_conomic_is_needed(services: Services) -> None:
    """Without a grant token, and with the day's calls spent, companies are taken in at once."""
    do(services.database, "UPDATE agreement SET grant_token = NULL")
    do(services.database, "INSERT INTO calls (agreement, hour, spent) VALUES (:a, :h, 49000)", a=AGREEMENT, h=_hour())
    arrive(services, upserted())
    arrive(services, upserted(1, city="Vejle"))

    assert companies(services.database)[0].city == "Vejle"


def _hour() -> str:
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:00:00.000Z")


def test_a_bad_event_fails_alone(services: Services) -> None:
    """An event whose field cannot be stored is a failure naming the field; its neighbours go on."""
    arrive(services, upserted(0, name="x" * 501), ("company.upserted", {"id": "crm-18", "name": "Sydvind"}, 1))

    assert [row.crm_id for row in companies(services.database)] == ["crm-18"]
    [failure] = failures(services)
    assert (failure.subject_kind, failure.reason) == ("crm event", "unusable")
    assert "data.name is longer than 500 characters" in failure.message


def test_a_merged_company_that_lives_on_in_the_crm_is_shown(services: Services) -> None:
    """A change of a merged company is something to look at, until the CRM deletes it."""
    arrive(services, upserted(), ("company.upserted", {"id": "crm-18", "name": "Sydvind"}, 1))
    do(services.database, "UPDATE company SET merged_into = 1 WHERE crm_id = 'crm-18'")

    arrive(services, ("company.upserted", {"id": "crm-18", "name": "Sydvind II"}, 2))
    arrive(services, ("company.upserted", {"id": "crm-18", "name": "Sydvind"}, 1))  # an old word, once more
    assert [(f.subject_kind, f.subject, f.reason) for f in failures(services)] == [("company", "crm-18", "still_alive")]
    arrive(services, ("company.deleted", {"id": "crm-18"}, 3))
    assert failures(services) == []
    assert companies(services.database)[0].name == NORDVIND["name"]


def test_undoing_a_merge_ends_the_question(services: Services) -> None:
    """That the CRM still knows a company that is one of its own again is as it should be."""
    arrive(services, upserted(), ("company.upserted", {"id": "crm-18", "name": "Sydvind"}, 1))
    merge = merged(services.database, 1, 2)
    arrive(services, ("company.upserted", {"id": "crm-18", "name": "Sydvind II"}, 2))
    assert [failure.reason for failure in failures(services)] == ["still_alive"]
    undone(services.database, merge.id)

    assert failures(services) == []
    assert [row.name for row in companies(services.database)] == [NORDVIND["name"], "Sydvind II"]
