"""
`debitor status`: what is set, what is connected, what waits and why.
"""

from __future__ import annotations

import datetime as dt
import socket
from typing import Any
from urllib.parse import urlsplit

import click

from cli import lock
from cli.crm_endpoints import as_shown
from cli.output import JSON, CommandFailed, counted, print_facts, print_json, print_table, shown
from domain.errors import ConfigurationError
from domain.work import DAY_CALLS
from infra import logs
from infra import settings as all_settings
from infra.bootstrap import Services, connect
from infra.database import schema, views_status
from infra.database.comparisons import PROPOSED
from infra.database.engine import DatabaseAway
from infra.settings import Settings

_BROKER_TIMEOUT_S = 2.0
_LAST_RUNS = 5


@click.command()
@JSON
def status(as_json: bool) -> None:
    """Show what is connected, what waits and why; exit code 1 when something is away."""
    logs.set_up("cli", level="CRITICAL")
    services = connect(all_settings.load())
    trouble = None
    report: dict[str, Any] = {
        "settings": _settings(services.settings),
        "database": "up",
        "schema": None,
        "broker": _broker(services.settings),
        "agreements": [],
        "endpoints": [],
    }
    try:
        report["schema"] = schema.current(services.database)
        schema.require_newest(services.database)
        report["agreements"] = _agreements(services)
        report["endpoints"] = [as_shown(each) for each in services.endpoints.list() if each.disabled_at is None]
    except DatabaseAway as error:
        report["database"], trouble = "away", str(error)
    except ConfigurationError as error:
        trouble = str(error)
    finally:
        services.close()
    if trouble is None and report["broker"] == "away":
        trouble = "RabbitMQ does not answer; events are stored and wait for it"
    if as_json:
        print_json(report)
    else:
        _print(report)
    if trouble is not None:
        raise CommandFailed(trouble)


def _settings(settings: Settings) -> dict[str, Any]:
    """What matters, without secrets."""
    return {
        "database": "SQLite" if settings.sqlite else "PostgreSQL",
        "broker": "in memory" if settings.embedded else "RabbitMQ",
        "public_url": settings.public_url,
        "mail_server": settings.post is not None,
        "app_token": settings.economic_app_secret_token is not None,
        "running_process": lock.holder(settings),
    }


def _broker(settings: Settings) -> str:
    """Whether RabbitMQ's port takes connections; a handshake is for the processes that use it."""
    if settings.embedded:
        return "in memory"
    parts = urlsplit(settings.broker_url)
    try:
        port = parts.port or (5671 if parts.scheme == "amqps" else 5672)
        socket.create_connection((parts.hostname or "127.0.0.1", port), _BROKER_TIMEOUT_S).close()
    except OSError:
        return "away"
    return "up"


def _agreements(services: Services) -> list[dict[str, Any]]:
    """Each connected agreement. Raises DatabaseAway."""
    connected = services.agreements.all()
    numbers = [agreement.number for agreement in connected]
    with services.database.read() as connection:
        work = views_status.work_states(connection, numbers)
        events = views_status.last_events(connection, numbers)
        open_failures = views_status.count_open_failures(connection, numbers)
        runs = views_status.runs(connection, numbers)
        forecasts = views_status.call_forecasts(connection, numbers)
    now = dt.datetime.now(dt.UTC)
    reports = []
    for agreement in connected:
        mine = [state for state in work if state.agreement == agreement.number]
        calls = forecasts[agreement.number]
        oldest = [state.oldest_at for state in mine if state.oldest_at is not None]
        reports.append(
            {
                "number": agreement.number,
                "name": agreement.name,
                "grant_token": agreement.has_grant,
                "ask_every_time": agreement.ask_every_time,
                "checked_at": agreement.checked_at,
                "paused_at": agreement.paused_at,
                "unhandled_events": sum(state.outstanding for state in mine),
                "oldest_unhandled_at": min(oldest, default=None),
                "waits": [
                    {
                        "kind": state.kind,
                        "reason": state.reason,
                        "message": state.message,
                        "since": state.waiting_since,
                        "until": state.not_before,
                    }
                    for state in mine
                    if state.reason is not None
                ],
                "last_events": {each.source: each.received_at for each in events if each.agreement == agreement.number},
                "open_failures": open_failures.get(agreement.number, 0),
                "calls_spent": calls.spent,
                "calls_allowed": DAY_CALLS,
                "calls_left": calls.left,
                "calls_per_hour": calls.per_hour,
                "calls_run_out_at": None
                if calls.runs_out_in_s is None
                else now + dt.timedelta(seconds=calls.runs_out_in_s),
                "drains_every_s": round(calls.every_s, 1),
                "runs": [
                    {
                        "id": run.id,
                        "type": run.type,
                        "state": run.state,
                        "waiting": run.counts.get("verdicts", {}).get("waiting", 0),
                        "message": run.message,
                        "created_at": run.created_at,
                        "finished_at": run.finished_at,
                    }
                    for run in runs
                    if run.agreement == agreement.number
                ][:_LAST_RUNS],
            }
        )
    return reports


def _print(report: dict[str, Any]) -> None:
    current = report["settings"]
    running = current["running_process"]
    print_facts(
        [
            ("database", f"{current['database']}, {report['database']}"),
            ("schema", report["schema"]),
            ("broker", current["broker"] + ("" if current["broker"] == report["broker"] else f", {report['broker']}")),
            ("public url", current["public_url"]),
            ("app secret token", "set" if current["app_token"] else "missing: DEBITOR_ECONOMIC_APP_SECRET_TOKEN"),
            ("mail server", "set" if current["mail_server"] else "none: mails about trouble are not sent"),
            *([("running here", f"process {running}")] if running is not None else []),
        ]
    )
    for agreement in report["agreements"]:
        click.echo()
        _print_agreement(agreement)
    for endpoint in report["endpoints"]:
        _print_endpoint(endpoint)
    if report["schema"] is not None and not report["agreements"]:
        click.echo("No agreement is connected; `debitor agreement add NUMBER` connects one.")


def _print_endpoint(endpoint: dict[str, Any]) -> None:
    click.echo(f"\nEndpoint {endpoint['id']} {endpoint['url']}")
    until = f" until {shown(endpoint['paused_until'])}" if endpoint["state"] == "paused" else ""
    print_facts(
        [
            ("  state", f"{endpoint['state']}{until}"),
            ("  waiting", counted(endpoint["pending"], "event")),
            ("  last success", endpoint["last_success_at"]),
            *([("  last error", endpoint["last_error"])] if endpoint["last_error"] else []),
        ]
    )


def _calls(agreement: dict[str, Any]) -> str:
    """What is spent, and how far the rest goes."""
    parts = [
        f"{agreement['calls_spent']:,} of {agreement['calls_allowed']:,} in 24 hours,"
        f" {counted(agreement['calls_left'], 'call')} left"
    ]
    if agreement["calls_run_out_at"] is not None:
        until = shown(agreement["calls_run_out_at"])
        parts.append(f"at {agreement['calls_per_hour']:,} an hour they last until {until}")
    if agreement["drains_every_s"]:
        parts.append(f"events are read every {agreement['drains_every_s']:g} s so that they last")
    return "; ".join(parts)


def _print_agreement(agreement: dict[str, Any]) -> None:
    click.echo(f"Agreement {agreement['number']} {agreement['name'] or '(e-conomic was not asked yet)'}")
    oldest: dt.datetime | None = agreement["oldest_unhandled_at"]
    waiting = f", the oldest since {shown(oldest)}" if oldest else ""
    token = "stored" if agreement["grant_token"] else "asked every time" if agreement["ask_every_time"] else "missing"
    print_facts(
        [
            ("  grant token", token),
            ("  paused", agreement["paused_at"]),
            ("  unhandled", f"{counted(agreement['unhandled_events'], 'event')}{waiting}"),
            ("  last events", ", ".join(f"{source} {shown(at)}" for source, at in agreement["last_events"].items())),
            ("  failures", agreement["open_failures"]),
            ("  calls", _calls(agreement)),
        ]
    )
    for wait in agreement["waits"]:
        click.echo(f"  {wait['kind']} wait until {shown(wait['until'])}: {wait['message']} ({wait['reason']})")
    for run in agreement["runs"]:
        if run["state"] == PROPOSED:
            click.echo(
                f"  run {run['id']} waits for you: {counted(run['waiting'], 'debtor')} would be linked or made into"
                f" companies; `debitor import {agreement['number']} --waiting --test` shows how"
            )
    if agreement["runs"]:
        rows = [(run["id"], run["type"], run["state"], run["created_at"], run["message"]) for run in agreement["runs"]]
        print_table(["run", "type", "state", "asked for", "message"], rows)
