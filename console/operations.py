"""
Health at a glance: what waits and why, what came in, what runs.
"""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from console.language import gettext, marked
from console.ports import ConsoleServices
from console.sign_in import reader
from domain.call_forecast import CallForecast
from domain.work import DAY_CALLS
from infra.database import views_debtors, views_names, views_status
from infra.database.endpoints import endpoints
from infra.database.views_debtors import Agreement
from infra.database.views_names import ListState
from infra.database.views_status import LastEvent, Run, WorkState

KINDS = {
    "debtors": marked("Debtors"),
    "invoices": marked("Invoices"),
    "payments": marked("Payments"),
    "poll": marked("Looks for changes"),
    "reference": marked("Names"),
    "companies": marked("Companies"),
    "links": marked("Companies of debtors"),
    "conversions": marked("Deals won"),
    "edits": marked("Changes of debtors"),
    "unusable": marked("Unusable events"),
}
SOURCES = {
    "hook": marked("Webhook"),
    "crm": marked("The CRM"),
    "poll": marked("Poller"),
    "sync": marked("Sync now or replay"),
    "invoice": marked("New invoices"),
    "payment": marked("Look at payments"),
    "number": marked("Number without a name"),
    "mirror": marked("New and changed debtors"),
    "chain": marked("Re-numbering"),
}
REASONS = {
    "rate_limited": marked("e-conomic asks for a pause"),
    "unavailable": marked("e-conomic does not answer"),
    "credentials_refused": marked("e-conomic refuses the token"),
    "credentials_missing": marked("No token is stored"),
    "wrong_agreement": marked("The token belongs to another agreement"),
    "blocked": marked("Waits for a person"),
    "database_away": marked("The database does not answer"),
    "transient": marked("Something on the way failed"),
    "rejected": marked("e-conomic refused it"),
    "service_gone": marked("A service of e-conomic was retired"),
    "unusable": marked("The event names nothing usable"),
    "unknown_type": marked("An event of the CRM that Debitor does not know"),
    "not_delivered": marked("An event did not reach the CRM"),
    "endpoint_paused": marked("An address of the CRM keeps failing"),
    "endpoint_gone": marked("An address of the CRM wants no events"),
    "not_sent": marked("A mail was not sent"),
    "unreadable": marked("e-conomic's answer cannot be read"),
    "not_found": marked("e-conomic does not know it"),
    "renumber_conflict": marked("Its new number belongs to another firm"),
    "deletion_guard": marked("Many deletions at once"),
    "too_many_at_once": marked("Many new companies or links at once"),
    "hooks_missing": marked("A change that no webhook announced"),
    "invoices_missing": marked("e-conomic has more invoices"),
    "changed_meanwhile": marked("Somebody changed it meanwhile"),
    "another_name": marked("It is called something else now"),
    "another_firm": marked("Its number belongs to another firm"),
    "gone": marked("It is gone from e-conomic"),
    "made_anew": marked("It was deleted, and made anew"),
    "not_taken": marked("e-conomic shows something else"),
    "no_answer": marked("e-conomic gives no answer to it"),
    "edits_off": marked("Changes of debtors are not allowed"),
    "bug": marked("An error in Debitor"),
}
SUBJECTS = {
    "debtor": marked("Debtor"),
    "invoice": marked("Invoice"),
    "edit": marked("Change of a debtor"),
    "hook": marked("Webhook"),
    "crm event": marked("Event of the CRM"),
    "delivery": marked("Event for the CRM"),
    "endpoint": marked("Address of the CRM"),
    "mail": marked("Mail"),
    "import": marked("Import"),
    "run": marked("Run"),
    "deletions": marked("Deletions"),
    "lines": marked("Invoice lines"),
    "renumbering": marked("Re-numbering"),
    "invoices": marked("Invoices"),
    "hooks": marked("Webhooks"),
    "names": marked("Names"),
}
LISTS = {
    "debtor_groups": marked("Debtor groups"),
    "payment_terms": marked("Payment terms"),
    "vat_zones": marked("VAT zones"),
    "layouts": marked("Layouts"),
    "currencies": marked("Currencies"),
    "employees": marked("Employees"),
    "units": marked("Units"),
    "products": marked("Products"),
}
STATES = {
    "queued": marked("queued"),
    "running": marked("running"),
    "waiting": marked("waiting"),
    "proposed": marked("waits for a word"),
    "done": marked("done"),
    "failed": marked("failed"),
    "cancelled": marked("cancelled"),
    "working": marked("working"),
    "paused": marked("paused"),
    "outstanding": marked("about to start"),
    "idle": marked("up to date"),
    "active": marked("works"),
    "failing": marked("fails"),
    "disabled": marked("disabled"),
}
COUNTS = {
    "debtors": marked("Debtors"),
    "invoices": marked("Invoices"),
    "lines": marked("Invoice lines"),
    "calls": marked("Calls"),
    "spent": marked("spent"),
    "read": marked("read"),
    "new": marked("new"),
    "changed": marked("changed"),
    "unchanged": marked("unchanged"),
    "gone": marked("gone"),
    "kept": marked("kept"),
    "unreadable": marked("unreadable"),
    "lines_unverified": marked("with lines unverified"),
    "refused": marked("refused"),
    "verdicts": marked("Verdicts"),
    "done": marked("Carried out"),
    "reverted": marked("reverted"),
    "linked": marked("linked"),
    "created": marked("created"),
    "update": marked("with changes"),
    "updated": marked("changed"),
    "doubtful": marked("doubtful"),
    "asked": marked("asked about"),
    "left": marked("left alone"),
    "error": marked("with an error"),
    "nothing": marked("nothing to do"),
    "waiting": marked("waiting"),
}
RUNS = {"resync": marked("Resync"), "import": marked("Import"), "match": marked("Match"), "revert": marked("Revert")}


class Health(NamedTuple):
    """One agreement as the status page shows it."""

    agreement: Agreement
    work: list[WorkState]
    events: list[LastEvent]
    runs: list[Run]
    calls: CallForecast
    failures: int
    lists: list[ListState]

    @property
    def calls_run_out_at(self) -> dt.datetime | None:
        """When bulk work has to stop at this pace; None = not within a day."""
        seconds = self.calls.runs_out_in_s
        return None if seconds is None else dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds)

    @property
    def names_read_at(self) -> dt.datetime | None:
        """Since when the names are no older."""
        return views_names.all_read_at(self.lists)


def add_routes(pages: Blueprint, services: ConsoleServices) -> None:
    """`/status`, over all of the reader's agreements."""
    database = services.database

    @pages.get("/status")
    def status() -> ResponseReturnValue:
        with database.read() as connection:
            mine = views_debtors.agreements(connection, reader().firm_id)
            numbers = [agreement.number for agreement in mine]
            work = views_status.work_states(connection, numbers)
            events = views_status.last_events(connection, numbers)
            runs = views_status.runs(connection, numbers)
            calls = views_status.call_forecasts(connection, numbers)
            failures = views_status.count_open_failures(connection, numbers)
            lists = views_names.list_states(connection, numbers)
            addresses = endpoints(connection, [reader().firm_id])
        health = [
            Health(
                agreement,
                [row for row in work if row.agreement == agreement.number],
                [row for row in events if row.agreement == agreement.number],
                [row for row in runs if row.agreement == agreement.number],
                calls[agreement.number],
                failures.get(agreement.number, 0),
                [row for row in lists if row.agreement == agreement.number],
            )
            for agreement in mine
        ]
        return render_template("console/status.html", health=health, endpoints=addresses, day_calls=DAY_CALLS)

    @pages.app_template_filter("words")
    def words(value: str, kind: str) -> str:
        """A stored word in the reader's language; one we have no words for is shown as it is."""
        known = _DICTIONARIES[kind].get(value)
        return gettext(known) if known else value

    @pages.app_template_filter("work_state")
    def work_state(row: WorkState, paused: bool) -> str:
        return state_of(row, paused=paused)


_DICTIONARIES = {
    "kind": KINDS,
    "source": SOURCES,
    "reason": REASONS,
    "subject": SUBJECTS,
    "list": LISTS,
    "state": STATES,
    "run": RUNS,
    "count": COUNTS,
}


def state_of(row: WorkState, *, paused: bool) -> str:
    """What one kind of work is doing, as a word of STATES."""
    if paused:
        return "paused"
    if row.reason:
        return "waiting"
    if row.working:
        return "working"
    return "outstanding" if row.outstanding else "idle"
