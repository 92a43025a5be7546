"""
`debitor crm endpoint`: where events go.
"""

from __future__ import annotations

import datetime as dt

import click

from cli.output import JSON, CommandFailed, connected, counted, print_json, print_table, read_secret
from domain.events import EventType
from infra.crm.addresses import AddressRefused, choose, resolve
from infra.database.endpoints import Endpoint
from infra.database.users import ensure_firm

_ID = click.argument("endpoint_id", metavar="ID", type=int)
_STDIN = click.option("--stdin", "from_stdin", is_flag=True, help="the CRM made the secret: read it from stdin")
_TIME = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"])


@click.group()
def endpoint() -> None:
    """Addresses that events are delivered to, signed as Standard Webhooks."""


@endpoint.command("add")
@click.argument("url")
@click.option(
    "--type",
    "types",
    multiple=True,
    type=click.Choice([kind.value for kind in EventType]),
    metavar="TYPE",
    help="take only this type; may be given repeatedly (default: all)",
)
@click.option("--internal", is_flag=True, help="it may be a private or local address, and http")
@_STDIN
@JSON
def add(url: str, types: tuple[str, ...], internal: bool, from_stdin: bool, as_json: bool) -> None:
    """Deliver events to an address from now on; its secret is shown this once."""
    with connected() as services:
        given = read_secret("The secret").strip() if from_stdin else None
        endpoint_id, secret = services.endpoints.add(
            ensure_firm(services.database), url, types=types, internal=internal, secret=given
        )
        added = services.endpoints.get(endpoint_id)
    if as_json:
        print_json({"id": endpoint_id, "secret": None if from_stdin else secret})
    else:
        click.echo(f"Endpoint {endpoint_id} gets events from now on.", err=True)
        _show(None if from_stdin else secret)
    _warn(added)


@endpoint.command("list")
@JSON
def list_(as_json: bool) -> None:
    """List endpoints and how they do, disabled ones included; never their secrets."""
    with connected() as services:
        found = services.endpoints.list()
    if as_json:
        print_json([as_shown(each) for each in found])
        return
    print_table(
        ["id", "address", "types", "state", "waiting", "last success", "last error"],
        [
            (
                each.id,
                each.shown_url + (" (internal)" if each.internal else ""),
                " ".join(sorted(each.types)) if each.types else "all",
                each.state,
                each.pending,
                each.last_success_at,
                each.last_error,
            )
            for each in found
        ],
        empty="There are none; `debitor crm endpoint add URL` adds one.",
    )


@endpoint.command()
@_ID
@click.option("--finish", is_flag=True, help="sign with the newest secret only; the others are retired")
@_STDIN
def rotate(endpoint_id: int, finish: bool, from_stdin: bool) -> None:
    """Sign with a new secret beside the old ones; once the CRM knows it, --finish retires those."""
    if finish and from_stdin:
        raise click.UsageError("--finish takes no new secret")
    with connected() as services:
        if finish:
            retired = services.endpoints.finish_rotation(endpoint_id)
            click.echo(f"{counted(retired, 'secret')} retired; endpoint {endpoint_id} is signed for with the newest.")
            return
        given = read_secret("The secret").strip() if from_stdin else None
        secret = services.endpoints.rotate(endpoint_id, given)
    click.echo(f"Endpoint {endpoint_id} is signed for with one more secret from now on.", err=True)
    _show(None if from_stdin else secret)


@endpoint.command()
@_ID
def disable(endpoint_id: int) -> None:
    """Deliver nothing more; what waits is not sent."""
    with connected() as services:
        services.endpoints.disable(endpoint_id)
    click.echo(f"Endpoint {endpoint_id} gets no more events.")


@endpoint.command()
@_ID
@click.option("--event", "events", multiple=True, metavar="EVENT", help="this event (evt_…); may be given repeatedly")
@click.option("--since", type=_TIME, help="what happened then or later (UTC)")
@click.option("--until", type=_TIME, help="what happened before (UTC)")
@click.option("--given-up", is_flag=True, help="only what was given up")
def resend(
    endpoint_id: int,
    events: tuple[str, ...],
    since: dt.datetime | None,
    until: dt.datetime | None,
    given_up: bool,
) -> None:
    """Deliver events once more, under the same ids: some, a range, or what was given up."""
    if bool(events) == bool(since or until or given_up):
        raise click.UsageError("say which: --event, or any of --since, --until and --given-up")
    with connected() as services:
        if services.endpoints.get(endpoint_id).disabled_at is not None:
            raise CommandFailed(f"endpoint {endpoint_id} is disabled; add its address anew")
        count = services.deliveries.again(
            endpoint_id, events=events, since=_utc(since), until=_utc(until), given_up=given_up
        )
    if events and count < len(set(events)):
        raise CommandFailed(f"{counted(count, 'event')} will be delivered again; the others are not there")
    click.echo(f"{counted(count, 'event')} will be delivered again.")


def as_shown(one: Endpoint) -> dict[str, object]:
    """An endpoint for scripts."""
    shown = one._asdict()
    del shown["firm_id"]
    return {**shown, "url": one.shown_url, "types": one.types, "state": one.state}


def _show(secret: str | None) -> None:
    if secret is not None:
        click.echo("Its secret is shown this once; keep it now:", err=True)
        click.echo(secret)


def _warn(added: Endpoint) -> None:
    """Say at once what every delivery would run into; a name that leads nowhere yet is none of our business."""
    from httpx import URL

    url = URL(added.url)
    try:
        choose(url.raw_host.decode(), url.port or 443, internal=added.internal, resolve=resolve)
    except AddressRefused as error:
        click.echo(f"Nothing will be sent there: {error}. If it is right, add it with --internal.", err=True)
    except OSError as error:
        click.echo(f"The name is not known now: {error}", err=True)


def _utc(moment: dt.datetime | None) -> dt.datetime | None:
    return None if moment is None else moment.replace(tzinfo=dt.UTC)
