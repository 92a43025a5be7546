"""Signed events of the CRM over WSGI: who may send, what is accepted, what is answered."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, NamedTuple, cast

import pytest

from domain.crm_events import read_stored
from domain.errors import NotStored
from domain.hints import Kind, NewHint, Source
from infra.crm.signatures import BadSignature, check, key_of, new_secret, sign
from infra.database.engine import DatabaseAway
from infra.intake.intake import Intake
from infra.intake.remembered import Remembered
from webhooks.bodies import MAX_BODY
from webhooks.crm_path import CrmPath

AGREEMENT = 1442871
KEY, OLD_KEY, STRANGE_KEY = (key_of(new_secret()) for _ in range(3))
EVENT = {
    "type": "company.upserted",
    "timestamp": "2026-05-04T12:00:00Z",
    "data": {"id": "crm-17", "name": "Nordvind Service A/S"},
}
BODY = json.dumps(EVENT).encode()


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self) -> dict[str, Any]:
        assert self.headers["Content-Type"] == "application/problem+json"
        said = json.loads(self.body)
        assert said["status"] == self.status
        return cast("dict[str, Any]", said)


@dataclass
class Store:
    """An intake that keeps each webhook-id once, or refuses everything."""

    accepted: dict[str, NewHint] = field(default_factory=dict)
    refusal: NotStored | None = None

    def accept(self, hint: NewHint) -> bool:
        if self.refusal is not None:
            raise self.refusal
        assert hint.webhook_id is not None
        return self.accepted.setdefault(hint.webhook_id, hint) is hint


@dataclass
class Site:
    """The path in front of an application that says hello, as a WSGI server would call it."""

    store: Store = field(default_factory=Store)
    keys: dict[int, tuple[bytes, ...]] = field(default_factory=lambda: {AGREEMENT: (OLD_KEY, KEY), 7: ()})
    away: bool = False

    def __post_init__(self) -> None:
        def hello(environ: Any, start_response: Any) -> list[bytes]:
            start_response("200 OK", [])
            return [b"hello"]

        self.path = CrmPath(hello, cast(Intake, self.store), Remembered(self._keys))

    def _keys(self, agreement: int) -> tuple[bytes, ...] | None:
        if self.away:
            raise DatabaseAway("the database does not answer")
        return self.keys.get(agreement)

    def send(
        self,
        body: bytes = BODY,
        *,
        path: str = f"/webhooks/crm/{AGREEMENT}",
        method: str = "POST",
        key: bytes = KEY,
        name: str = "msg_1",
        at: int | None = None,
        **headers: str | None,
    ) -> Answer:
        """
        A signed event; `id`, `timestamp` and `signature` replace what would be right, None leaves it out.
        """
        at = int(time.time()) if at is None else at
        said = {"id": name, "timestamp": str(at), "signature": sign([key], name, at, body), **headers}
        answers: list[tuple[str, list[tuple[str, str]]]] = []
        request: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "SERVER_PROTOCOL": "HTTP/1.1",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": BytesIO(body),
            **{f"HTTP_WEBHOOK_{name.upper()}": value for name, value in said.items() if value is not None},
        }
        content = b"".join(self.path(request, lambda *answer: answers.append(answer) or (lambda data: None)))
        ((status, answered),) = answers
        return Answer(int(status[:3]), dict(answered), content)


@pytest.fixture
def site() -> Site:
    return Site()


def test_an_event_is_accepted_once(site: Site) -> None:
    """202 with the id its work carries on; 200 when the same webhook-id comes again, signed anew."""
    first = site.send()
    again = site.send(at=int(time.time()) - 60)

    assert (first.status, first.body, again.status) == (202, b"", 200)
    (hint,) = site.store.accepted.values()
    assert (hint.agreement, hint.kind, hint.source) == (AGREEMENT, Kind.COMPANIES, Source.CRM)
    assert first.headers["X-Correlation-Id"] == hint.correlation_id
    assert hint.body is not None
    event = read_stored(hint.body)
    assert (event.id, event.type, event.data) == ("msg_1", "company.upserted", EVENT["data"])


def test_rotation(site: Site) -> None:
    """Either of an agreement's secrets signs, also beside signatures nobody knows; a retired one does not."""
    at = int(time.time())
    both = " ".join(["v1a,AAAA", "nonsense", sign([STRANGE_KEY, OLD_KEY], "msg_3", at, BODY)])

    assert site.send(key=OLD_KEY, name="msg_2").status == 202
    assert site.send(name="msg_3", at=at, signature=both).status == 202
    site.keys[8] = (KEY,)
    assert site.send(path="/webhooks/crm/8", key=OLD_KEY).status == 401


def test_what_nobody_knows_is_kept_for_a_person(site: Site) -> None:
    """A type Debitor does not know is accepted and becomes a failure."""
    assert site.send(json.dumps({**EVENT, "type": "deal.lost"}).encode()).status == 202
    (hint,) = site.store.accepted.values()
    assert hint.kind is Kind.UNUSABLE


GOOD = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_published_vector() -> None:
    """The example of the specification's reference libraries, signed and checked."""
    keys = [key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
    body, name, at = b'{"test": 2432232314}', "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330

    assert sign(keys, name, at, body) == GOOD
    assert check(keys, name, str(at), GOOD, body, now=at + 300) == name
    assert check(keys, name, str(at), GOOD, body, now=at - 300) == name
    for off in (301, -301):
        with pytest.raises(BadSignature):
            check(keys, name, str(at), GOOD, body, now=at + off)


BAD_HEADERS: dict[str, dict[str, str | None]] = {
    "no id": {"id": None},
    "empty id": {"id": ""},
    "another id": {"id": "msg_2"},
    "long id": {"id": "m" * 201},
    "id in latin-1": {"id": "msg_\xe6"},
    "id with a tab": {"id": "msg\t1"},
    "no time": {"timestamp": None},
    "empty time": {"timestamp": ""},
    "time in words": {"timestamp": "now"},
    "time with a point": {"timestamp": f"{time.time():.3f}"},
    "time in other digits": {"timestamp": "\u0661" * 10},
    "negative time": {"timestamp": "-1"},
    "endless time": {"timestamp": "9" * 5_000},
    "no number": {"timestamp": "nan"},
    "another time": {"timestamp": str(int(time.time()) - 7)},
    "no signature": {"signature": None},
    "empty signature": {"signature": ""},
    "blank signature": {"signature": "   "},
    "no version": {"signature": GOOD[3:]},
    "only a version": {"signature": "v1"},
    "nothing signed": {"signature": "v1,"},
    "no base64": {"signature": "v1,\xe6\xf8\xe5!"},
    "odd base64": {"signature": "v1,AAA"},
    "too many commas": {"signature": f"{GOOD},{GOOD}"},
    "another signature": {"signature": GOOD},
    "asymmetric": {"signature": "v1a," + GOOD[3:]},
    "lone surrogate": {"signature": "v1,\ud800"},
    "very many": {"signature": " ".join([GOOD] * 1_000)},
}


@pytest.mark.parametrize("headers", BAD_HEADERS.values(), ids=BAD_HEADERS.keys())
def test_malformed_headers(site: Site, headers: dict[str, str | None]) -> None:
    """401 whatever is wrong with them, never an error of our own, and nothing is stored."""
    answer = site.send(**headers)

    assert answer.status == 401
    assert answer.problem["detail"]
    assert site.store.accepted == {}


@pytest.mark.parametrize("off", [-301, -100_000, 301, 100_000])
def test_old_and_future_messages(site: Site, off: int) -> None:
    """A message of more than five minutes ago, or ahead, is refused, however well it is signed."""
    assert site.send(at=int(time.time()) + off + (off > 0)).status == 401


def test_a_stranger_or_a_changed_body(site: Site) -> None:
    """Another secret, another body than the one signed, and an agreement without any secret: 401."""
    at = int(time.time())

    assert site.send(key=STRANGE_KEY).status == 401
    assert site.send(BODY + b" ", at=at, signature=sign([KEY], "msg_1", at, BODY)).status == 401
    assert site.send(path="/webhooks/crm/7").status == 401
    assert site.store.accepted == {}


def test_a_misshapen_body_names_the_field(site: Site) -> None:
    """400, and which field it is."""
    answer = site.send(json.dumps({**EVENT, "data": {"id": "crm-17", "name": "", "zip": 1}}).encode())

    assert (answer.status, answer.problem["field"]) == (400, "data.name")
    assert site.send(b"\xff", name="msg_9").problem["field"] == "body"
    assert site.store.accepted == {}


@pytest.mark.parametrize(
    "path", ["8", "", "abc", f"{AGREEMENT}/", f"{AGREEMENT}/hubspot", "9" * 40, "\xb2", f"{AGREEMENT}%00"]
)
def test_unknown_agreements_and_paths(site: Site, path: str) -> None:
    """404."""
    assert site.send(path=f"/webhooks/crm/{path}").status == 404


def test_other_methods_and_paths(site: Site) -> None:
    """405 saying which one there is; what is not below the prefix is handed on."""
    answer = site.send(method="GET")
    assert (answer.status, answer.headers["Allow"]) == (405, "POST")
    assert site.send(path="/webhooks/crm").body == b"hello"


def test_too_large_a_body(site: Site) -> None:
    """64 KiB are read, one byte more is not."""
    fits = BODY.ljust(MAX_BODY)

    assert site.send(fits).status == 202
    assert site.send(fits + b" ", name="msg_2").status == 413


@pytest.mark.parametrize(
    "fail",
    [
        lambda site: setattr(site, "away", True),
        lambda site: setattr(site.store, "refusal", NotStored("the database is away")),
    ],
    ids=["secrets", "stores"],
)
def test_nothing_can_be_stored(site: Site, fail: Callable[[Site], None]) -> None:
    """503 and when to come again; never 404 for an agreement that nobody can look up."""
    fail(site)
    answer = site.send()

    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
    assert answer.problem["detail"]


@pytest.mark.parametrize("text", ["", "whsec_", "whsec_AAAA", "whsec_!!!!", "whsec_" + "A" * 88, "hunter2-hunter2"])
def test_texts_that_are_no_secrets(text: str) -> None:
    """A secret is base64 of 24 to 64 bytes."""
    with pytest.raises(ValueError):
        key_of(text)
