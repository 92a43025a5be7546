"""
Who holds a lease: tokens that tell which process made them, so that a killed one's work need not wait.

A lease outlives the longest call; when its holder was a process of this very machine and is gone, it is free at once.
Another machine's, or another container's, is left to run out.
"""

from __future__ import annotations

import os
import secrets
import socket
from functools import cache
from hashlib import blake2b
from pathlib import Path

import sqlalchemy as sa

from infra.database.engine import Database

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_NAMESPACE = Path("/proc/self/ns/pid")


@cache
def _here() -> str:
    """Eight digits for this machine since it started, as far as its process ids reach."""
    boot = _BOOT.read_text() if _BOOT.exists() else ""
    namespace = str(_NAMESPACE.stat().st_ino) if _NAMESPACE.exists() else ""
    return blake2b(f"{socket.gethostname()} {boot} {namespace}".encode(), digest_size=4).hexdigest()


def new_token() -> str:
    """A lease token of this process, at most 32 characters."""
    return f"{_here()}-{os.getpid():x}-{secrets.token_hex(6)}"


def is_dead(token: str) -> bool:
    """Whether the process that made this token is known to be gone."""
    here, _, rest = token.partition("-")
    pid, _, _random = rest.partition("-")
    if here != _here() or not pid:
        return False
    try:
        os.kill(int(pid, 16), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError, ValueError):
        return False
    return False


def free_the_dead(database: Database) -> int:
    """Give back the leases of processes of this machine that are gone; returns how many. Raises DatabaseAway."""
    freed = 0
    with database.quick() as connection:
        for table, unfinished in (("work", ""), ("job", ""), ("run", " AND state IN ('queued', 'running', 'waiting')")):
            held = connection.execute(
                sa.text(f"SELECT lease_token FROM {table} WHERE lease_token IS NOT NULL{unfinished}")
            )
            for token in [token for (token,) in held.all() if is_dead(token)]:
                statement = f"UPDATE {table} SET lease_token = NULL, lease_until = NULL WHERE lease_token = :token"
                freed += connection.execute(sa.text(statement), {"token": token}).rowcount
    return freed
