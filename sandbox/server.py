"""Putting the stand-in together and serving it, on loopback only."""

import asyncio
import contextlib
import ipaddress
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from granian.constants import HTTPModes, Interfaces
from granian.server.embed import Server

from sandbox.app import Sandbox
from sandbox.keeping import Keeping
from sandbox.seed import Bulk, fill
from sandbox.world import AGREEMENT, World


def build(
    agreement: int = AGREEMENT,
    *,
    debtors: int = 0,
    invoices: int = 0,
    lines_per_invoice: int = 3,
    seed: int = 1,
) -> Sandbox:
    """
    The ASGI application with its state (`.world`).

    The default agreement gets the records asked for; the read-only demo
    agreement always has a few.
    """
    world = World(agreement)
    fill(world.agreements[agreement], Bulk(debtors, invoices, lines_per_invoice, seed=seed))
    return Sandbox(world)


def serve(
    listen: str = "127.0.0.1:8900",
    *,
    agreement: int = AGREEMENT,
    debtors: int = 0,
    invoices: int = 0,
    lines_per_invoice: int = 3,
    seed: int = 1,
    end_with_parent: bool = False,
    keep: Path | None = None,
) -> NoReturn:
    """
    Serve until SIGTERM or SIGINT, then end the process with 0.

    Args:
        end_with_parent: also end when the process that started this one is gone.
        keep: a file the default agreement's books are kept in; once it is there it counts, not the numbers above.

    Raises:
        ValueError: the address is not a loopback address.
        OSError: something listens there already.
    """
    host, port = loopback(listen)
    _check_free(host, port)
    parent = os.getppid() if end_with_parent else None
    app = build(agreement, debtors=debtors, invoices=invoices, lines_per_invoice=lines_per_invoice, seed=seed)
    keeping = Keeping(app.world, keep) if keep is not None else None
    if keeping is not None:
        keeping.load()
    asyncio.run(_serve(app, host, port, parent, keeping))
    # Granian's threads may still want the interpreter while it finalises, which ends in a
    # Rust panic on stderr about once in five stops. Nothing here needs finalising.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _check_free(host: str, port: int) -> None:
    """Granian listens with SO_REUSEPORT: a second stand-in would share the first one's callers unnoticed."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))


async def _serve(app: Sandbox, host: str, port: int, parent: int | None, keeping: Keeping | None) -> None:
    loop = asyncio.get_running_loop()
    server = Server(
        app,
        address=host,
        port=port,
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,
        websockets=False,
        backlog=1024,
        backpressure=1024,
        log_enabled=False,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):  # no loop signal handlers on Windows
            loop.add_signal_handler(number, server.stop)
    if parent is not None:
        watch_parent(parent, lambda: loop.call_soon_threadsafe(server.stop))
    beside = [asyncio.create_task(_announce(host, port))]
    if keeping is not None:
        beside.append(asyncio.create_task(keeping.run()))
    await server.serve()
    for task in beside:
        task.cancel()
    app.life.stop()
    if keeping is not None:
        keeping.save()
    app.world.delivery.forget()


async def _announce(host: str, port: int) -> None:
    """Say where it is once it takes connections; Granian's own start-up hook comes too early for that."""
    while True:
        try:
            _, writer = await asyncio.open_connection(host, port)
        except OSError:
            await asyncio.sleep(0.01)
            continue
        writer.close()
        address = f"[{host}]" if ":" in host else host
        sys.stdout.write(f"stand-in e-conomic on http://{address}:{port}\n")
        sys.stdout.flush()
        return


def watch_parent(parent: int, gone: Callable[[], object], *, interval_s: float = 0.5) -> None:
    """Call back once this process has another parent than that."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(interval_s)
        gone()

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


def loopback(listen: str) -> tuple[str, int]:
    """
    Host and port of `127.0.0.1:8900`, `localhost:8900` or `[::1]:8900`.

    Raises:
        ValueError: not such an address, or reachable from elsewhere.
    """
    host, _, port = listen.rpartition(":")
    host = "127.0.0.1" if host == "localhost" else host.strip("[]")
    try:
        usable = port.isdecimal() and ipaddress.ip_address(host).is_loopback
    except ValueError:
        usable = False
    if not usable:
        raise ValueError(f"the stand-in listens on a loopback address and port only, not on {listen!r}")
    return host, int(port)
