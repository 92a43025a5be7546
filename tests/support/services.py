"""
Real PostgreSQL and RabbitMQ: named in the environment, on their standard local ports, or in containers.

Absent on a laptop = skip with the reason; absent where CI=true = fail.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn
from urllib.parse import urlsplit, urlunsplit

import pika
import psycopg
import pytest
from psycopg import sql

from infra.broker.topology import BROKER_AWAY

DATABASE_URL = "DEBITOR_TEST_DATABASE_URL"
BROKER_URL = "DEBITOR_TEST_BROKER_URL"

_LOCAL_DATABASE = "postgresql://postgres@127.0.0.1:5432/test"
_LOCAL_BROKER = "amqp://guest:guest@127.0.0.1:5672/"
_TRIES = 4


def absent(what: str, reason: str) -> NoReturn:
    """Skip on a laptop, fail in CI."""
    text = f"{what} is not there: {reason}"
    if os.environ.get("CI") == "true":
        pytest.fail(text, pytrace=False)
    pytest.skip(text)


@contextmanager
def postgresql() -> Iterator[str]:
    """The URL of a server on which databases may be made."""
    with _found("PostgreSQL", DATABASE_URL, _LOCAL_DATABASE, database_answers, _postgres_container) as url:
        yield url


@contextmanager
def rabbitmq() -> Iterator[str]:
    """The URL of a broker; a fresh virtual host of its own where we may make one."""
    found = _found("RabbitMQ", BROKER_URL, _LOCAL_BROKER, broker_answers, _rabbitmq_container)
    with found as url, _virtual_host(url) as own:
        yield own


@contextmanager
def fresh_database(server: str) -> Iterator[str]:
    """A database of its own on a server, dropped at the end."""
    name = f"debitor_test_{secrets.token_hex(6)}"
    with psycopg.connect(_plain(server), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        yield urlunsplit(urlsplit(_plain(server))._replace(path=f"/{name}"))
    finally:
        with psycopg.connect(_plain(server), autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _plain(url: str) -> str:
    return url.replace("+psycopg://", "://").replace("postgres://", "postgresql://")


@contextmanager
def _found(
    what: str, name: str, local: str, answers: Callable[[str], str | None], container: Callable[[], Any]
) -> Iterator[str]:
    if given := os.environ.get(name):
        problem = answers(given)
        if problem is not None:
            absent(what, f"{name} is set, but {problem}")
        yield given
        return
    problem = answers(local)
    if problem is None:
        yield local
        return
    if shutil.which("docker") is None:
        absent(what, f"set {name}, start it locally, or install Docker ({problem})")
    with container() as url:
        yield url


def database_answers(url: str) -> str | None:
    """None when a query succeeds: an open port is not enough."""
    try:
        with psycopg.connect(_plain(url), connect_timeout=3) as connection:
            connection.execute("SELECT 1")
    except psycopg.Error as error:
        return str(error).splitlines()[0] if str(error) else type(error).__name__
    return None


def broker_answers(url: str) -> str | None:
    """None when an AMQP handshake succeeds."""
    parameters = pika.URLParameters(url)
    parameters.socket_timeout = parameters.stack_timeout = 5
    try:
        pika.BlockingConnection(parameters).close()
    except BROKER_AWAY as error:
        return repr(error)
    return None


@contextmanager
def _postgres_container() -> Iterator[str]:
    from testcontainers.community.postgres import PostgresContainer

    with PostgresContainer("postgres:16-alpine", driver=None) as container:
        yield container.get_connection_url()


@contextmanager
def _rabbitmq_container() -> Iterator[str]:
    from testcontainers.community.rabbitmq import RabbitMqContainer

    with RabbitMqContainer("rabbitmq:3.13-alpine") as container:
        host, port = container.get_container_host_ip(), container.get_exposed_port(5672)
        yield f"amqp://guest:guest@{host}:{port}/"


@contextmanager
def _virtual_host(url: str) -> Iterator[str]:
    """With `rabbitmqctl` and its rights nobody else's queues are touched; otherwise tests purge the fixed names."""
    parts = urlsplit(url)
    name = f"debitor-test-{secrets.token_hex(6)}"
    user = parts.username or "guest"
    made = parts.hostname in ("127.0.0.1", "localhost") and _rabbitmqctl("add_vhost", name)
    if not made:
        yield url
        return
    try:
        own = urlunsplit(parts._replace(path=f"/{name}"))
        usable = _rabbitmqctl("set_permissions", "-p", name, user, ".*", ".*", ".*") and broker_answers(own) is None
        yield own if usable else url
    finally:
        _rabbitmqctl("delete_vhost", name)


def _rabbitmqctl(*arguments: str) -> bool:
    program = shutil.which("rabbitmqctl")
    if program is None:
        return False
    try:
        done = subprocess.run([program, "-q", *arguments], capture_output=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
