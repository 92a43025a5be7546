"""
The e-conomic client: `domain.accounting_api.Accounting` for each agreement.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import pairwise
from types import TracebackType
from typing import Any, NamedTuple, Protocol, TypeVar

import httpx
import msgspec

from domain.accounting_api import Accounting, DebtorBody, Identity, LinePage, ListedLines, Page, Value, Written
from domain.debtors import Debtor
from domain.errors import (
    AnswerLost,
    Blocked,
    CredentialsMissing,
    CredentialsRefused,
    PermanentError,
    Rejected,
    ServiceGone,
    Unavailable,
)
from domain.invoices import Invoice, InvoiceWithLines, Line
from domain.reference import Listing, Name
from infra.economic import queries
from infra.economic.bodies import mended
from infra.economic.calls import Call, Calls, Grant
from infra.economic.config import EconomicConfig
from infra.economic.lines import LINE, read_rest_lines
from infra.economic.mapping import DEBTOR, IDENTITY, INVOICE, PROPERTY_OF, READ_ONLY, UNPAID, properties
from infra.economic.names import NAMES, SORTED
from infra.economic.pages import Shape, read_cursor_list, read_list, read_one
from infra.economic.rates import Meter, NoMeter

MAX_LINE_PAGES = 1_000
"""Pages of lines that at most 200 invoices can have: e-conomic would be going round in circles."""


_PROPERTIES = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)
_JSON = msgspec.json.Encoder(decimal_format="number", order="sorted")
"""Amounts keep their digits both ways, and the same values are the same bytes, which idempotency keys ask for."""


class _Numbered(Protocol):
    @property
    def number(self) -> int: ...


N = TypeVar("N", bound=_Numbered)
T = TypeVar("T")


IDENTITY_KEPT_S = 600.0
"""So long an answer of /self stands for the same tokens: they keep their agreement, and the call is expensive."""


class _Known(NamedTuple):
    """Who a pair of tokens was said to speak for, and when (monotonic seconds)."""

    grant: Grant
    identity: Identity
    at: float


class EconomicClient:
    """
    One per process: the connection pool all agreements share, safe for threads. Make it after forking.

    Args:
        transport: replaces the network in tests.
        retry_wait_s: the wait before the second try; the third waits three times that. 0 in tests.
    """

    def __init__(
        self,
        config: EconomicConfig,
        transport: httpx.BaseTransport | None = None,
        meter: Meter | None = None,
        *,
        retry_wait_s: float = 0.2,
    ) -> None:
        self.config = config
        self._known: dict[int, _Known] = {}
        self._calls = Calls(
            timeout_s=config.timeout_s, meter=meter or NoMeter(), transport=transport, retry_wait_s=retry_wait_s
        )

    def agreement(self, number: int, grant_token: str) -> Accounting:
        """
        One agreement's e-conomic; nothing is sent yet.

        Raises:
            CredentialsMissing: a token is empty.
            CredentialsRefused: a token holds what no token can.
        """
        secret, grant = self.config.app_secret_token.strip(), grant_token.strip()
        if not secret:
            raise CredentialsMissing("DEBITOR_ECONOMIC_APP_SECRET_TOKEN is not set")
        if not grant:
            raise CredentialsMissing(f"agreement {number} has no grant token")
        for name, token in (("app secret token", secret), ("grant token", grant)):
            if not (token.isascii() and token.isprintable()) or " " in token:
                raise CredentialsRefused(f"the {name} holds characters that no token has")
        return EconomicAgreement(number, Grant(secret, grant), self.config, self._calls, self._known)

    def close(self) -> None:
        """Close the pool; agreements opened from it cannot call any more."""
        self._calls.close()

    def __enter__(self) -> EconomicClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class EconomicAgreement:
    """One agreement; see `Accounting` for what each method promises."""

    def __init__(
        self, number: int, grant: Grant, config: EconomicConfig, calls: Calls, known: dict[int, _Known]
    ) -> None:
        self.number = number
        self._grant = grant
        self._rest = config.rest_url
        self._q2c = config.q2c_url
        self._calls = calls
        self._known = known

    def __repr__(self) -> str:
        return f"<EconomicAgreement {self.number}>"

    @property
    def confirmed(self) -> bool:
        return self._lately() is not None

    def identity(self) -> Identity:
        """Source of its cost: e-conomic.md §2.2."""
        identity = self._lately()
        if identity is None:
            identity = read_one(self._get(f"{self._rest}/{IDENTITY.path}", bulk=False), IDENTITY, None)
            if identity.agreement == self.number:  # another answer is asked for again
                self._known[self.number] = _Known(self._grant, identity, time.monotonic())
        return identity

    def _lately(self) -> Identity | None:
        known = self._known.get(self.number)
        if known is None or known.grant != self._grant or time.monotonic() - known.at > IDENTITY_KEPT_S:
            return None
        return known.identity

    def debtor(self, number: int, *, bulk: bool = False) -> Debtor | None:
        body = self._item(DEBTOR, number, bulk=bulk)
        return None if body is None else read_one(body, DEBTOR, number)

    def debtors(self, numbers: Sequence[int]) -> Page[Debtor]:
        return self._among(DEBTOR, numbers)

    def debtors_after(self, number: int, *, changed_since: dt.datetime | None = None) -> Page[Debtor]:
        return self._after(DEBTOR, number, changed_since)

    def invoice(self, number: int, *, bulk: bool = False) -> InvoiceWithLines | None:
        body = self._item(INVOICE, number, bulk=bulk)
        if body is None:
            return None
        return InvoiceWithLines(read_one(body, INVOICE, number), read_rest_lines(body, number))

    def invoices(self, numbers: Sequence[int]) -> Page[Invoice]:
        return self._among(INVOICE, numbers)

    def invoices_after(self, number: int, *, since: dt.date | None = None) -> Page[Invoice]:
        return self._after(INVOICE, number, since)

    def unpaid_after(self, number: int) -> Page[Invoice]:
        return self._after(UNPAID, number)

    def lines(self, numbers: Sequence[int]) -> ListedLines:
        """All lines of these invoices, each once, sorted by invoice."""
        if not numbers:
            return ListedLines([])
        wanted = self._asked(numbers)
        found: dict[tuple[int, int], Line] = {}
        unreadable: set[int | None] = set()
        cursors: set[str] = set()
        cursor: str | None = None
        for _ in range(MAX_LINE_PAGES):
            page = self._line_page(queries.lines_among(self._q2c, LINE.path, LINE.key, wanted, cursor), cursor)
            found.update(((line.invoice, line.number), line) for line in page.items)
            unreadable.update(number for number, _ in page.unreadable)
            cursor = page.cursor
            if cursor is None:
                readable = set(wanted) - unreadable
                return ListedLines(
                    sorted(line for line in found.values() if line.invoice in readable), frozenset(unreadable)
                )
            if cursor in cursors:
                break
            cursors.add(cursor)
        raise Unavailable("e-conomic's list of lines does not end")

    def lines_page(self, cursor: str | None, *, after: int = 0) -> LinePage:
        return self._line_page(queries.lines_after(self._q2c, LINE.path, LINE.key, after, cursor), cursor)

    def names(self, which: Listing, page: int) -> Page[Name]:
        shape = NAMES[which]
        return self._page(
            queries.page(self._rest, shape.path, page, sort=shape.key if which in SORTED else None), shape
        )

    def fits_one_call(self, numbers: Sequence[int]) -> int:
        empty = [queries.among(self._rest, shape.path, shape.key, ()) for shape in (DEBTOR, INVOICE)]
        return queries.fitting(numbers, [*empty, queries.lines_among(self._q2c, LINE.path, LINE.key, (), None)])

    def create_debtor(self, body: Mapping[str, Value], key: str) -> Written:
        return self._write("POST", f"{self._rest}/{DEBTOR.path}", _JSON.encode(properties(body)), key, None)

    def debtor_body(self, number: int) -> DebtorBody | None:
        body = self._item(DEBTOR, number, bulk=False)
        return None if body is None else DebtorBody(read_one(body, DEBTOR, number), _PROPERTIES.decode(mended(body)))

    def replacement(self, body: DebtorBody, changes: Mapping[str, Value | None]) -> str:
        changed = properties({name: value for name, value in changes.items() if value is not None})
        emptied = properties({name: "" for name, value in changes.items() if value is None})
        whole = {
            name: value
            for name, value in {**body.properties, **changed}.items()
            if name not in READ_ONLY and name not in emptied and value is not None
        }
        return _JSON.encode(whole).decode()

    def replace_debtor(self, number: int, replacement: str, key: str) -> Written:
        return self._write("PUT", f"{self._rest}/{DEBTOR.path}/{number}", replacement.encode(), key, number)

    def find_debtors(self, *, cvr: str | None = None, name: str | None = None) -> Page[Debtor]:
        texts = [(PROPERTY_OF["cvr"], cvr or ""), (PROPERTY_OF["name"], name or "")]
        if not any(text for _, text in texts):
            raise ValueError("neither a CVR number nor a name to look for")
        url = queries.containing(self._rest, DEBTOR.path, DEBTOR.key, texts)
        page = read_list(self._get(url, bulk=False), DEBTOR)
        return page._replace(more=page.more or len(page.items) + len(page.unreadable) >= queries.NAMESAKES)

    def _write(self, method: str, url: str, content: bytes, key: str, number: int | None) -> Written:
        call = Call(self.number, self._grant, url, bulk=False, method=method, content=content, key=key)
        answer = self._calls.write(call)
        try:
            written = read_one(answer.body, DEBTOR, number)
        except (PermanentError, Unavailable) as error:
            raise AnswerLost(f"the write was accepted, but its answer cannot be read: {error}") from error
        return Written(written, created=answer.status == 201, replayed=answer.replayed)

    def _asked(self, numbers: Sequence[int]) -> list[int]:
        """The distinct numbers, sorted. Raises ValueError when one call cannot ask for them."""
        distinct = sorted(set(numbers))
        if self.fits_one_call(distinct) < len(distinct):
            raise ValueError(f"{len(distinct)} numbers do not fit one call; see fits_one_call")
        return distinct

    def _among(self, shape: Shape[Any, N], numbers: Sequence[int]) -> Page[N]:
        if not numbers:
            return Page([], [], None, more=False)
        wanted = self._asked(numbers)
        page = self._page(queries.among(self._rest, shape.path, shape.key, wanted), shape)
        found = {item.number: item for item in page.items}
        return page._replace(items=[found[number] for number in wanted if number in found])

    def _after(self, shape: Shape[Any, N], number: int, since: dt.date | None = None) -> Page[N]:
        """Raises Unavailable when the page is no step of a walk: the walker would go in circles, or miss records."""
        page = self._page(queries.walk(self._rest, shape.path, shape.key, number, since), shape)
        numbers = [item.number for item in page.items]
        if any(here <= before for before, here in pairwise([number, *numbers])):
            raise Unavailable(f"e-conomic did not list {shape.path} above {number} in order")
        if page.more and not numbers and not any((bad.number or 0) > number for bad in page.unreadable):
            raise Unavailable(f"no number on a page of {shape.path} above {number} can be read")
        return page

    def _page(self, url: str, shape: Shape[Any, T]) -> Page[T]:
        return read_list(self._get(url, bulk=True), shape)

    def _line_page(self, url: str, cursor: str | None) -> LinePage:
        page = LinePage(*read_cursor_list(self._get(url, bulk=True), LINE))
        if page.cursor is not None and page.cursor == cursor:
            raise Unavailable("e-conomic's list of lines does not go on: the cursor repeats")
        return page

    def _item(self, shape: Shape[Any, Any], number: int, *, bulk: bool) -> bytes | None:
        """Raises Blocked where a lost role or a retired service is the reason: no single record is at fault."""
        url = f"{self._rest}/{shape.path}/{number}"
        try:
            return self._calls.get(Call(self.number, self._grant, url, bulk=bulk, item=True))
        except ServiceGone as error:
            raise Blocked(str(error)) from error
        except Rejected as error:
            if error.status in (402, 403):
                raise Blocked(str(error)) from error
            raise

    def _get(self, url: str, *, bulk: bool) -> bytes:
        body = self._calls.get(Call(self.number, self._grant, url, bulk=bulk))
        assert body is not None  # only an item can be missing
        return body
