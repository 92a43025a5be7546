"""A mail server on loopback that keeps what it is given and answers as it is told."""

from __future__ import annotations

import base64
import datetime as dt
import ipaddress
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


class Taken(NamedTuple):
    """A mail as it was handed in; `user` and `password` = who signed in on that connection."""

    sender: str
    recipient: str
    message: EmailMessage
    encrypted: bool
    user: str | None
    password: str | None


@dataclass
class MailServer:
    """Answers 250 to every recipient but those in `answers`."""

    port: int
    got: list[Taken] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    certificate: ssl.SSLContext | None = None  # with one, STARTTLS is offered
    encrypted: bool = False  # from the first byte on

    @property
    def url(self) -> str:
        return f"{'smtps' if self.encrypted else 'smtp'}://127.0.0.1:{self.port}"


class _Session(StreamRequestHandler):
    this: MailServer

    def setup(self) -> None:
        self.encrypted = self.this.encrypted
        if self.this.encrypted:
            assert self.this.certificate is not None
            self.request = self.this.certificate.wrap_socket(self.request, server_side=True)
        super().setup()

    def handle(self) -> None:
        self.signed_in = None, None
        sender = recipient = ""
        self._say("220 post.example")
        while line := self.rfile.readline():
            command, _, rest = line.decode().strip().partition(" ")
            match command.upper():
                case "EHLO":
                    offered = ["STARTTLS"] if self.this.certificate and not self.encrypted else []
                    self._say("250-post.example", *(f"250-{each}" for each in offered), "250 AUTH PLAIN")
                case "STARTTLS":
                    self._say("220 go on")
                    self._encrypt()
                case "AUTH":
                    _, user, password = base64.b64decode(rest.split()[1]).decode().split("\0")
                    self.signed_in = user, password
                    self._say("235 welcome" if password == "right" else "535 who are you?")
                case "MAIL":
                    sender = rest[rest.index("<") + 1 : rest.index(">")]
                    self._say("250 ok")
                case "RCPT":
                    recipient = rest[rest.index("<") + 1 : rest.index(">")]
                    self._say(self.this.answers.get(recipient, "250 ok"))
                case "DATA":
                    self._say("354 go on")
                    lines = iter(self.rfile.readline, b".\r\n")
                    message = message_from_bytes(b"".join(lines), policy=default)
                    self.this.got.append(Taken(sender, recipient, message, self.encrypted, *self.signed_in))
                    self._say("250 taken")
                case "QUIT":
                    self._say("221 bye")
                    return
                case _:
                    self._say("250 ok")

    def finish(self) -> None:
        super().finish()
        self.request.close()

    def _say(self, *lines: str) -> None:
        self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())

    def _encrypt(self) -> None:
        assert self.this.certificate is not None
        self.request = self.this.certificate.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.request.makefile("rb"), self.request.makefile("wb", buffering=0)
        self.encrypted = True


@contextmanager
def mail_server() -> Iterator[MailServer]:
    """A mail server; what is not mail in good order ends its connection."""

    class Session(_Session):
        pass

    class Server(ThreadingTCPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            pass  # the other side went away

    with Server(("127.0.0.1", 0), Session) as server:
        Session.this = MailServer(server.server_address[1])
        thread = threading.Thread(target=lambda: server.serve_forever(0.01), daemon=True)
        thread.start()
        yield Session.this
        server.shutdown()
        thread.join()


def certificate(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's proof that it is 127.0.0.1, and the context of a client that believes it."""
    key, now = ec.generate_private_key(ec.SECP256R1()), dt.datetime.now(dt.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "post.example")])
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = signed.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = folder / "post.pem"
    file.write_bytes(private + pem)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    return server, ssl.create_default_context(cadata=pem.decode())
