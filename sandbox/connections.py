"""Cutting a client's connection off, as a network would."""

import contextlib
import os
import socket


def cut(client: tuple[str, int | str] | None) -> bool:
    """
    Shut the socket this client is connected through.

    ASGI has no way to close without an answer. The server runs in this very
    process, so its sockets are found among the open file descriptors.

    Returns:
        Whether there was such a socket; in-process clients have none.
    """
    if client is None:
        return False
    peer = (client[0], int(client[1]))  # Granian gives the port as a string
    for descriptor in os.listdir("/dev/fd"):
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(int(descriptor))) as found:
            if found.getpeername()[:2] == peer:
                found.shutdown(socket.SHUT_RDWR)
                return True
    return False
