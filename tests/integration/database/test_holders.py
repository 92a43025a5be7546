"""Leases of processes that are gone."""

from __future__ import annotations

import subprocess
import sys

from domain.hints import Kind
from infra.database.engine import Database
from infra.database.holders import free_the_dead, is_dead, new_token
from infra.database.work import WorkRows
from tests.support.databases import AGREEMENT, add_hints, do


def token_of_a_dead_process() -> str:
    """Made by a process that has ended."""
    code = "from infra.database.holders import new_token; print(new_token())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip()


def test_only_a_process_known_to_be_gone_is_dead() -> None:
    """This process lives, another machine's may live, a token of no process says nothing."""
    assert is_dead(token_of_a_dead_process())
    assert not is_dead(new_token())
    assert not is_dead("ffffffff-1-0123456789ab")
    assert not is_dead("0123456789abcdef0123456789abcdef")


def test_a_killed_holder_does_not_keep_others_waiting(store: Database) -> None:
    """Work whose holder was killed can be taken again at once, one whose holder lives cannot."""
    add_hints(store, 1)
    work = WorkRows(store)
    assert work.take(AGREEMENT, Kind.DEBTORS) is not None
    assert free_the_dead(store) == 0
    assert work.take(AGREEMENT, Kind.DEBTORS) is None

    do(store, "UPDATE work SET lease_token = :token WHERE lease_token IS NOT NULL", token=token_of_a_dead_process())

    assert free_the_dead(store) == 1
    assert work.take(AGREEMENT, Kind.DEBTORS) is not None
