"""Duplicate alerts as a person works through them on the command line."""

from __future__ import annotations

from domain.alerts import AlertReason
from domain.debtors import Debtor
from infra.database.engine import Database
from tests.integration.cli.conftest import Debitor
from tests.support.alerts import asked, debtor, debtors, raise_alerts
from tests.support.companies import crm, take
from tests.support.databases import add_agreement, rows

LINKED = "SELECT debtor_id, company_id FROM debtor_link WHERE cut_at IS NULL ORDER BY 1"
ALERTS = ("companies", "alerts")


def some_alerts(database: Database) -> None:
    """Debtors 4711 and 4712 may be company 1 or 2; 4713, for another reason, company 3."""
    add_agreement(database)
    take(database, *[crm(f"crm-{n}", name=f"Nordvind {n}", vat=None, phone=None, zip=f"{n}") for n in range(1, 4)])
    debtors(database, *[Debtor(n, "Nordvind ApS", city="Vejle", cvr="87654338") for n in (4711, 4712, 4713)])
    raise_alerts(database, asked(debtor(1), 1, 2, score=91.5), asked(debtor(2), 2))
    raise_alerts(database, asked(debtor(3), 3), reason=AlertReason.PHONE)


def test_an_alert_is_listed_shown_answered_and_taken_back(database: Database, debitor: Debitor) -> None:
    """From the list to the answer and back; each message names the record and what to do."""
    some_alerts(database)

    listed = debitor(*ALERTS, "list").stdout
    assert "debtor 4711 Nordvind ApS; debtor 4712 Nordvind ApS" in listed
    assert "1 open alert: phone, same phone, but something speaks against it" in listed
    shown = debitor(*ALERTS, "show", 1).stdout
    assert "  91.5  company crm-1 Nordvind 1" in shown
    assert "for: same phone, same domain nordvind.example" in shown
    assert "against: other department" in shown
    assert "proposed: link" in shown

    assert "say which" in debitor(*ALERTS, "decide", 1, "--link", "--debtor", 4711, status=1).stderr
    done = debitor(*ALERTS, "decide", 1, "--link", "--debtor", 4711, "--company", "crm-1").stdout
    assert "debtor 4711 Nordvind ApS is linked: company #1." in done
    assert "undo --decision 1" in done
    assert rows(database, LINKED) == [(1, 1)]
    assert "1 answer taken back" in debitor(*ALERTS, "undo", 1).stdout
    assert "command line took the answer back" in debitor(*ALERTS, "undo", 1, status=1).stderr
    assert rows(database, LINKED) == []


def test_all_of_one_reason_at_once(database: Database, debitor: Debitor) -> None:
    """Every alert of a reason is answered; what cannot be is listed, and the batch can be taken back."""
    some_alerts(database)

    done = debitor.json(*ALERTS, "decide", "--all", "--reason", "several", "--link")
    assert [(each["company"], each["problem"]) for each in done["outcomes"]] == [
        (None, "debtor 4711 Nordvind ApS may be one of 2 companies: say which"),
        (2, None),
    ]
    assert [each["id"] for each in debitor.json(*ALERTS, "list")] == [2, 1]
    assert debitor.json(*ALERTS, "list", "--reason", "several", "--state", "closed") == []
    assert "1 answer taken back" in debitor(*ALERTS, "undo", "--decision", done["decision"]).stdout
    said = debitor(*ALERTS, "decide", "--all", "--reason", "several", "--not-duplicate").stdout
    assert "debtor 4712 Nordvind ApS not duplicate." in said
    assert [each["state"] for each in debitor.json(*ALERTS, "list", "--state", "all")] == ["open", "closed"]
    assert "no such alerts" in debitor(*ALERTS, "decide", "--all", "--reason", "several", "--leave").stdout


def test_what_is_asked_wrongly(database: Database, debitor: Debitor) -> None:
    """Missing and contradicting options are usage errors; unknown records say so."""
    some_alerts(database)

    debitor(*ALERTS, "decide", 1, status=2)
    debitor(*ALERTS, "decide", 1, "--link", "--all", status=2)
    debitor(*ALERTS, "decide", "--link", "--all", status=2)
    debitor(*ALERTS, "decide", "--link", "--all", "--reason", "phone", "--company", "crm-1", status=2)
    debitor(*ALERTS, "undo", status=2)
    assert "no alert 9" in debitor(*ALERTS, "show", 9, status=1).stderr
    assert "no alert 9" in debitor(*ALERTS, "decide", 9, "--leave", status=1).stderr
    assert "no company crm-9" in debitor(*ALERTS, "decide", 1, "--link", "--company", "crm-9", status=1).stderr
    assert "not in alert 1" in debitor(*ALERTS, "decide", 1, "--leave", "--debtor", 4713, status=1).stderr
