"""e-conomic's hooks over WSGI: who may send, what is accepted, what is answered."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, NamedTuple, cast

import pytest

from domain.errors import NotStored
from domain.hints import Kind, NewHint, Source
from infra.database.engine import DatabaseAway
from infra.intake.hook_keys import HookKeys
from infra.intake.intake import Intake
from webhooks.bodies import MAX_BODY
from webhooks.hook_path import HookPath

AGREEMENT, SECRET = 1442871, "k3Jx-secret"
HERE = f"/webhooks/e-conomic/{AGREEMENT}"


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Store:
    """An intake that keeps what it accepts, or refuses it."""

    accepted: list[NewHint] = field(default_factory=list)
    refusal: NotStored | None = None

    def accept(self, hint: NewHint) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.accepted.append(hint)


@dataclass
class Site:
    """The hook path in front of an application that says hello, as a WSGI server would call it."""

    store: Store = field(default_factory=Store)
    secrets: dict[int, str] = field(default_factory=lambda: {AGREEMENT: SECRET})
    away: bool = False

    def __post_init__(self) -> None:
        self.path = HookPath(self._hello, cast(Intake, self.store), HookKeys(self._secret_of))

    def _secret_of(self, agreement: int) -> str | None:
        if self.away:
            raise DatabaseAway("the database does not answer")
        return self.secrets.get(agreement)

    def _hello(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [])
        return [b"hello"]

    def send(
        self,
        path: str,
        body: bytes = b"",
        *,
        query: str = "",
        method: str = "POST",
        chunked: bool = False,
        **environ: str,
    ) -> Answer:
        answers: list[tuple[str, list[tuple[str, str]]]] = []
        request: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.input": BytesIO(body),
            **({"HTTP_TRANSFER_ENCODING": "chunked"} if chunked else {"CONTENT_LENGTH": str(len(body))}),
            **environ,
        }
        content = b"".join(self.path(request, lambda *answer: answers.append(answer) or (lambda data: None)))
        ((status, headers),) = answers
        return Answer(int(status[:3]), dict(headers), content)

    def hint(self) -> tuple[Kind, int | None, int | None]:
        (hint,) = self.store.accepted
        return hint.kind, hint.old, hint.new


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.mark.parametrize(
    ("name", "body", "hint"),
    [
        ("customer", b"old=4711&new=4811", (Kind.DEBTORS, 4711, 4811)),
        ("invoice", b"invoiceno=20417", (Kind.INVOICES, None, 20417)),
        ("daybook", b"book=2&from=301&to=318", (Kind.PAYMENTS, None, None)),
        ("daybook", b"", (Kind.PAYMENTS, None, None)),
    ],
)
def test_a_hook_is_accepted(site: Site, name: str, body: bytes, hint: tuple[Kind, int | None, int | None]) -> None:
    """202 with the id that its work carries on."""
    answer = site.send(f"{HERE}/{SECRET}/{name}", body)

    assert (answer.status, answer.body) == (202, b"")
    assert site.hint() == hint
    (accepted,) = site.store.accepted
    assert (accepted.agreement, accepted.source) == (AGREEMENT, Source.HOOK)
    assert answer.headers["X-Correlation-Id"] == accepted.correlation_id != ""


def test_get_is_a_hook_too(site: Site) -> None:
    """The older form: everything in the query."""
    assert site.send(f"{HERE}/{SECRET}/invoice", query="invoiceno=20417", method="GET").status == 202
    assert site.hint() == (Kind.INVOICES, None, 20417)


@pytest.mark.parametrize("content_type", ["application/json", "application/x-www-form-urlencoded", "text/xml", ""])
@pytest.mark.parametrize("body", [b"old=4711&new=4811", b'{"old":"4711","new":"4811"}', b"4711&4811"])
def test_the_content_type_says_nothing(site: Site, content_type: str, body: bytes) -> None:
    """JSON labelled as a form, and the reverse."""
    site.send(f"{HERE}/{SECRET}/customer", body, CONTENT_TYPE=content_type)

    assert site.hint() == (Kind.DEBTORS, 4711, 4811)


def test_the_secret_may_be_a_header(site: Site) -> None:
    """X-Hook-Key on the path without it."""
    assert site.send(f"{HERE}/customer", b"new=4811", HTTP_X_HOOK_KEY=SECRET).status == 202
    assert site.send(f"{HERE}/customer", b"new=4811", HTTP_X_HOOK_KEY="wrong").status == 404
    assert site.send(f"{HERE}/customer", b"new=4811").status == 404
    assert len(site.store.accepted) == 1


def test_a_header_does_not_open_a_wrong_path(site: Site) -> None:
    """Where the path names a secret, that one counts."""
    assert site.send(f"{HERE}/wrong/customer", b"new=4811", HTTP_X_HOOK_KEY=SECRET).status == 404


def test_one_answer_for_unknown_agreement_and_wrong_secret(site: Site) -> None:
    """Nobody learns which agreements exist."""
    wrong = site.send(f"{HERE}/wrong/customer", b"new=4811")
    unknown = site.send(f"/webhooks/e-conomic/999/{SECRET}/customer", b"new=4811")

    assert wrong == unknown
    assert wrong.status == 404
    assert site.store.accepted == []


@pytest.mark.parametrize("secret", ["", " ", "K3JX-SECRET", SECRET + "x", SECRET[:-1], "\xe6"])
def test_other_secrets_are_wrong(site: Site, secret: str) -> None:
    """To the letter."""
    assert site.send(f"{HERE}/{secret}/customer", b"new=4811").status == 404


def test_an_empty_secret_opens_nothing() -> None:
    """An agreement without a secret takes no hooks."""
    site = Site(secrets={AGREEMENT: ""})

    assert site.send(f"{HERE}/customer", b"new=4811").status == 404
    assert site.send(f"{HERE}//customer", b"new=4811").status == 404


@pytest.mark.parametrize(
    "path",
    [
        f"{HERE}/{SECRET}",
        f"{HERE}/{SECRET}/",
        f"{HERE}/{SECRET}/product",
        f"{HERE}/{SECRET}/customer/",
        f"{HERE}/{SECRET}/customer/more",
        f"{HERE}/{SECRET}/Customer",
        f"/webhooks/e-conomic/abc/{SECRET}/customer",
        f"/webhooks/e-conomic/-1/{SECRET}/customer",
        f"/webhooks/e-conomic/²/{SECRET}/customer",
        f"/webhooks/e-conomic/{'9' * 30}/{SECRET}/customer",
        "/webhooks/e-conomic/",
        "/webhooks/e-conomic/customer",
    ],
)
def test_other_paths_are_not_found(site: Site, path: str) -> None:
    """Anything else below the prefix."""
    assert site.send(path, b"new=4811").status == 404
    assert site.store.accepted == []


def test_everything_else_is_handed_on(site: Site) -> None:
    """Flask answers what is no hook."""
    for path in ("/", "/webhooks/e-conomic", "/webhooks/crm/1", "/health/live"):
        assert site.send(path).body == b"hello"


@pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"])
def test_other_methods_are_refused(site: Site, method: str) -> None:
    """405, saying which ones there are."""
    answer = site.send(f"{HERE}/{SECRET}/customer", b"new=4811", method=method)

    assert (answer.status, answer.headers["Allow"]) == (405, "GET, POST")
    assert site.store.accepted == []


@pytest.mark.parametrize("chunked", [False, True])
def test_too_large_a_body_is_refused(site: Site, chunked: bool) -> None:
    """64 KiB are read, one byte more is not, announced or not."""
    fits = b"new=4811&x=".ljust(MAX_BODY, b"x")

    assert site.send(f"{HERE}/{SECRET}/customer", fits, chunked=chunked).status == 202
    assert site.send(f"{HERE}/{SECRET}/customer", fits + b"x", chunked=chunked).status == 413
    assert len(site.store.accepted) == 1


def test_an_absurd_length_is_refused(site: Site) -> None:
    """A number longer than any integer should be."""
    assert site.send(f"{HERE}/{SECRET}/customer", CONTENT_LENGTH="9" * 5_000).status == 413


def test_a_chunked_body_is_read(site: Site) -> None:
    """Without a length."""
    site.send(f"{HERE}/{SECRET}/customer", b"old=4711&new=4811", chunked=True)

    assert site.hint() == (Kind.DEBTORS, 4711, 4811)


def test_an_http_2_body_needs_no_length(site: Site) -> None:
    """HTTP/2 frames bodies by itself."""
    site.send(f"{HERE}/{SECRET}/customer", b"old=4711&new=4811", CONTENT_LENGTH="", SERVER_PROTOCOL="HTTP/2")

    assert site.hint() == (Kind.DEBTORS, 4711, 4811)


@pytest.mark.parametrize("length", ["", "abc", "-5", "²"])
def test_a_body_of_unknown_length_is_not_waited_for(site: Site, length: str) -> None:
    """HTTP/1.1 without a length has no body: the query counts."""
    site.send(f"{HERE}/{SECRET}/customer", b"new=1", query="new=4811", CONTENT_LENGTH=length)

    assert site.hint() == (Kind.DEBTORS, None, 4811)


def test_neither_store_takes_it(site: Site) -> None:
    """503 and when to come again: the sender must not believe that it was stored."""
    site.store.refusal = NotStored("the database is away", retry_after_s=7)

    answer = site.send(f"{HERE}/{SECRET}/customer", b"new=4811")

    assert (answer.status, answer.headers["Retry-After"]) == (503, "7")


def test_an_agreement_nobody_remembers_is_not_missing(site: Site) -> None:
    """The database is away and the agreement not in memory: 503, never 404."""
    site.away = True

    answer = site.send(f"{HERE}/{SECRET}/customer", b"new=4811")

    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")


def test_a_known_agreement_is_accepted_while_the_database_is_away(site: Site) -> None:
    """Its secret is in memory; a wrong one is still wrong."""
    site.send(f"{HERE}/{SECRET}/customer", b"new=4811")
    site.away = True

    assert site.send(f"{HERE}/{SECRET}/customer", b"new=4812").status == 202
    assert site.send(f"{HERE}/wrong/customer", b"new=4813").status == 404


def unusable(site: Site, body: bytes, query: str = "", **environ: str) -> str:
    """What is kept of an accepted hook that names nothing."""
    assert site.send(f"{HERE}/{SECRET}/customer", body, query=query, **environ).status == 202
    (hint,) = site.store.accepted
    assert (hint.kind, hint.old, hint.new) == (Kind.UNUSABLE, None, None)
    assert hint.body is not None
    return hint.body


def test_an_unusable_hook_is_accepted_and_kept(site: Site) -> None:
    """202, or e-conomic would switch the webhook off; a person sees what was said, and to which hook."""
    assert unusable(site, b"old=[OLDNUMBER]", "a=b") == "debtors ?a=b\nold=[OLDNUMBER]"


@pytest.mark.parametrize(
    "said",
    [
        "key=9f0c12",
        "KEY=9f0c12",
        "x=1&key=9f0c12&y=2",
        "apikey=9f0c12",
        "hook-key=9f0c12",
        "secret_token=9f0c12",
        '{"key":"9f0c12"}',
        '{"key": "9f0c12"}',
        "{'secret' : '9f0c12'}",
        "token: 9f0c12",
        f"x={SECRET}",
    ],
)
def test_secrets_are_masked(site: Site, said: str) -> None:
    """No key is kept, however it is written, nor the hook's own secret anywhere."""
    kept = unusable(site, said.encode(), said.replace(" ", ""))

    assert "9f0c12" not in kept
    assert SECRET not in kept
    assert "***" in kept


@pytest.mark.parametrize("piece", ["a", "key", "key=", "a-", "secret ", '"key":"', "\x00"])
def test_masking_is_fast(site: Site, piece: str) -> None:
    """64 KiB of anything, kept no longer than that, without NUL."""
    body = (piece * MAX_BODY)[:MAX_BODY].encode()
    started = time.process_time()
    kept = unusable(site, body)

    assert time.process_time() - started < 3
    assert len(kept) <= MAX_BODY + len("debtors ")
    assert "\x00" not in kept


def test_bytes_that_are_no_text_are_kept_as_well_as_can_be(site: Site) -> None:
    """Latin-1, cut UTF-8: never an error."""
    assert "\ufffd" in unusable(site, b"navn=\xe6\xf8\xe5")


def test_a_body_cut_on_the_way_is_no_event(site: Site) -> None:
    """Half a number would be another debtor: what is shorter than it says is refused and not stored."""
    answer = site.send(f"/webhooks/e-conomic/{AGREEMENT}/{SECRET}/customer", b"new=1", CONTENT_LENGTH="9")

    assert answer.status == 400
    assert site.store.accepted == []
