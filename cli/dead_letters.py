"""
`debitor dead-letters`: what RabbitMQ gave up delivering.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
import pika
import pika.exceptions
from dramatiq.common import xq_name
from pika.adapters.blocking_connection import BlockingConnection

from cli.output import JSON, CommandFailed, connected, counted, print_json, print_table, shown
from infra.broker import topology
from infra.settings import Settings

_BROKER_TIMEOUT_S = 3
_PEEK = 20
_TEXT = 500


@click.group("dead-letters")
def dead_letters() -> None:
    """
    What was put aside in RabbitMQ.

    Wake-ups hold no event, so dropping them loses nothing. Those of debitor.intake are events that nobody could store
    when the database was back: look at them, see to it that their agreement is read (debitor resync), then drop them.
    """


@dead_letters.command("list")
@click.option("--limit", type=click.IntRange(0, 1_000), default=_PEEK, show_default=True, help="shown of each queue")
@JSON
def list_dead_letters(limit: int, as_json: bool) -> None:
    """Count the dead letters of each queue and look at the first ones."""
    with connected() as services:
        queues = [] if services.settings.embedded else _look(services.settings, limit)
        if as_json:
            print_json(queues)
        elif services.settings.embedded:
            click.echo("There are none: with memory:// no message outlives its process.")
        else:
            print_table(["queue", "messages"], [(queue["queue"], queue["messages"]) for queue in queues])
            for letter in (letter for queue in queues for letter in queue["first"]):
                click.echo(f"{letter['at']}  {letter['actor']} {letter['arguments']}")


@dead_letters.command("drop")
@click.option(
    "--queue",
    type=click.Choice([*topology.QUEUES, topology.INTAKE_QUEUE]),
    help=f"of this queue only; those of {topology.INTAKE_QUEUE} are dropped only when it is named",
)
@click.option("--dry-run", is_flag=True, help="only say how many")
def drop_dead_letters(queue: str | None, dry_run: bool) -> None:
    """Drop dead wake-ups: the sweep has published anew whatever was still due."""
    with connected() as services:
        if services.settings.embedded:
            click.echo("There are none: with memory:// no message outlives its process.")
            return
        dropped = 0
        with _broker(services.settings) as connection:
            for name in [queue] if queue else topology.QUEUES:
                count = _count(connection, xq_name(name))
                if count and not dry_run:
                    connection.channel().queue_purge(xq_name(name))
                dropped += count
    click.echo(f"{counted(dropped, 'dead letter')} {'would be ' if dry_run else ''}dropped.")


@contextmanager
def _broker(settings: Settings) -> Iterator[BlockingConnection]:
    """Raises CommandFailed when RabbitMQ does not answer."""
    try:
        parameters = pika.URLParameters(settings.broker_url)
        parameters.socket_timeout = parameters.stack_timeout = _BROKER_TIMEOUT_S
        parameters.blocked_connection_timeout = _BROKER_TIMEOUT_S
        connection = BlockingConnection(parameters)
        try:
            yield connection
        finally:
            if connection.is_open:
                connection.close()
    except topology.BROKER_AWAY as error:
        raise CommandFailed(f"RabbitMQ does not answer ({type(error).__name__}); nothing was changed") from error


def _count(connection: BlockingConnection, queue: str) -> int:
    """Messages in a queue; 0 when nobody declared it yet."""
    try:
        return int(connection.channel().queue_declare(queue, passive=True).method.message_count)
    except pika.exceptions.ChannelClosedByBroker as error:
        if error.reply_code == 404:
            return 0
        raise


def _look(settings: Settings, limit: int) -> list[dict[str, Any]]:
    """Each dead-letter queue, with its first messages; they go back to it when the connection closes."""
    found = []
    with _broker(settings) as connection:
        for queue in map(xq_name, [*topology.QUEUES, topology.INTAKE_QUEUE]):
            count = _count(connection, queue)
            channel = connection.channel()
            bodies = [channel.basic_get(queue)[2] for _ in range(min(count, limit))]
            found.append({"queue": queue, "messages": count, "first": [_letter(body) for body in bodies if body]})
    return found


def _letter(body: bytes) -> dict[str, str]:
    try:
        message = json.loads(body)
        at = dt.datetime.fromtimestamp(message["message_timestamp"] / 1000, dt.UTC)
        return {"at": shown(at), "actor": message["actor_name"], "arguments": json.dumps(message["args"])}
    except (ValueError, KeyError, TypeError):
        return {"at": "-", "actor": "-", "arguments": body[:_TEXT].decode(errors="backslashreplace")}
