"""A network that can fail: a TCP proxy on loopback, and free ports."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
from collections.abc import Callable, Iterator


def free_port() -> int:
    """
    A port nobody listens on now, from below those that systems give to outgoing connections.

    One of theirs could be taken by somebody's connection while the server it belongs to is down for a moment.
    """
    while True:
        port = random.randrange(10_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Proxy:
    """Passes connections on to a server, until it is told to refuse or to freeze."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._flows = threading.Event()
        self._flows.set()
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None
        self._threads: list[threading.Thread] = []
        self.port = free_port()
        self._listen()

    def refuse(self) -> None:
        """Nobody listens any more, and what is connected breaks: the server has stopped."""
        listener, self._listener = self._listener, None
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        self.sever()

    def sever(self) -> None:
        """Break what is connected; new connections are taken."""
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def freeze(self) -> None:
        """Connections are taken and stay open, but nothing passes: no answer and no refusal."""
        self._flows.clear()

    def restore(self) -> None:
        """As if nothing had been; what was sent into the ice arrives now."""
        self._flows.set()
        if self._listener is None:
            self._listen()

    def close(self) -> None:
        """Nothing of it is left: every thread has ended, every socket is closed."""
        self.refuse()
        self._flows.set()
        for thread in self._threads:
            thread.join(timeout=5)
            assert not thread.is_alive(), "a connection through the proxy does not end"

    def _listen(self) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(128)
        self._listener = listener
        self._start(self._accept, listener)

    def _start(self, action: Callable[..., None], *arguments: socket.socket) -> threading.Thread:
        thread = threading.Thread(target=action, args=arguments, name="proxy", daemon=True)
        self._threads.append(thread)
        thread.start()
        return thread

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self._start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        with self._lock:
            self._open.add(client)
        self._flows.wait()
        try:
            server = socket.create_connection(self._target, timeout=5)
        except OSError:
            self._drop(client)
            return
        server.settimeout(None)
        with self._lock:
            self._open.add(server)
        back = self._start(self._pump, server, client)
        self._pump(client, server)
        back.join()
        self._drop(client, server)

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                self._flows.wait()
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _drop(self, *connections: socket.socket) -> None:
        with self._lock:
            self._open.difference_update(connections)
        for connection in connections:
            connection.close()


@contextlib.contextmanager
def proxied(host: str, port: int) -> Iterator[Proxy]:
    """A proxy that is closed at the end."""
    proxy = Proxy(host, port)
    try:
        yield proxy
    finally:
        proxy.close()
