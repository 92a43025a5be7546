"""One attempt, over real sockets."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import pytest

from infra.crm.sender import Sender
from tests.support.network import free_port
from tests.support.receiver import Receiver, receiver


@pytest.fixture
def crm() -> Iterator[Receiver]:
    with receiver() as running:
        yield running


def post(url: str, *, internal: bool = True, sender: Sender | None = None) -> tuple[int | None, str | None]:
    answer = (sender or Sender()).post(url, {"webhook-id": "evt_1"}, b'{"n":1}', internal=internal)
    return answer.status, answer.problem


def test_a_post(crm: Receiver) -> None:
    """Path, query, headers and body arrive; the answer's status is what counts."""
    assert post(f"{crm.address}/hooks?key=1") == (200, None)
    (request,) = crm.got
    assert (request.path, request.body) == ("/hooks?key=1", b'{"n":1}')
    assert request.headers["host"] == crm.address.removeprefix("http://")
    assert request.headers["webhook-id"] == "evt_1"


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_not_followed(crm: Receiver, status: int) -> None:
    """Wherever an endpoint points, nothing goes there."""
    crm.status["/"] = status
    crm.headers["Location"] = f"{crm.address}/elsewhere"

    answered, problem = post(f"{crm.address}/")
    assert answered == status
    assert problem is not None
    assert "redirects are not followed" in problem
    assert [request.path for request in crm.got] == ["/"]


@pytest.mark.parametrize(
    ("said", "seconds"), [("120", 120), ("0", 0), ("soon", None), ("Fri, 31 Dec 1999 23:59:59 GMT", 0), ("", None)]
)
def test_retry_after(crm: Receiver, said: str, seconds: float | None) -> None:
    """In seconds, or as a date; anything else says nothing."""
    crm.status["/"] = 429
    crm.headers["Retry-After"] = said

    assert Sender().post(crm.address, {}, b"", internal=True).retry_after_s == seconds


def test_nothing_goes_to_an_address_that_is_not_public(crm: Receiver) -> None:
    """Unless the endpoint is marked internal no connection is opened at all."""
    status, problem = post(crm.address, internal=False)

    assert status is None
    assert problem is not None
    assert "not a public address" in problem
    assert crm.got == []


def test_a_name_that_changes(crm: Receiver) -> None:
    """
    A name that was public when it was added and is loopback now is refused: each attempt connects to the very address
    it has checked, however often the name changes in between.
    """
    port = int(crm.address.rpartition(":")[2])
    asked: list[str] = []

    def turns(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) % 2 else ["8.8.8.8"]

    sender = Sender(resolve=turns)
    for _ in range(2):
        status, problem = post(f"http://crm.example:{port}/", internal=False, sender=sender)
        assert (status, "not a public address" in str(problem)) == (None, True)
        turns("crm.example", port)  # somebody else's look-up, for whom it is public
    assert crm.got == []
    assert post(f"http://crm.example:{port}/", sender=Sender(resolve=lambda host, port: ["127.0.0.1"])) == (200, None)


def test_the_next_address_may_answer(crm: Receiver) -> None:
    """A host with several addresses is reached by whichever answers."""
    sender = Sender(resolve=lambda host, port: ["127.0.0.2", "127.0.0.1"])

    assert post(f"http://crm.example:{crm.address.rpartition(':')[2]}/", sender=sender) == (200, None)


@pytest.fixture
def listening() -> Iterator[Callable[[Callable[[socket.socket], None]], str]]:
    """A server that treats its one connection as told; gives its address."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threads: list[threading.Thread] = []

        def serve(treat: Callable[[socket.socket], None]) -> str:
            def one() -> None:
                connection, _ = server.accept()
                with connection, contextlib.suppress(OSError):  # the sender may have left
                    treat(connection)

            threads.append(threading.Thread(target=one, daemon=True))
            threads[0].start()
            return f"http://127.0.0.1:{server.getsockname()[1]}/"

        yield serve
        for thread in threads:
            thread.join(5)


def _drip(connection: socket.socket) -> None:
    connection.recv(65_536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while True:
        connection.sendall(b"x")
        time.sleep(0.02)


def _silent(connection: socket.socket) -> None:
    while connection.recv(65_536):
        pass


@pytest.mark.parametrize("treat", [_drip, _silent])
def test_an_answer_in_time_or_none(
    listening: Callable[[Callable[[socket.socket], None]], str], treat: Callable[[socket.socket], None]
) -> None:
    """The whole attempt ends in time, also when the other side sends a byte now and then."""
    started = time.monotonic()
    status, problem = post(listening(treat), sender=Sender(timeout_s=0.3))

    assert (status, problem) == (None, "no answer within 0.3 seconds")
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("said", [b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nX"])
def test_what_is_no_answer(listening: Callable[[Callable[[socket.socket], None]], str], said: bytes) -> None:
    """Another protocol, garbage, a broken answer: a failed attempt with a reason."""

    def treat(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(said)

    status, problem = post(listening(treat))
    assert status is None
    assert problem


def test_nobody_listens() -> None:
    """Refused, or a name that leads nowhere."""
    for url in (f"http://127.0.0.1:{free_port()}/", "http://nowhere.invalid/"):
        status, problem = post(url)
        assert status is None
        assert problem


def test_a_certificate_nobody_vouches_for(crm: Receiver) -> None:
    """https is checked: what speaks no TLS, or has no certificate for the name, gets nothing."""
    status, problem = post(crm.address.replace("http://", "https://"))

    assert status is None
    assert problem
    assert crm.got == []
