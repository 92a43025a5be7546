"""What the control API takes in."""

from typing import Any, Literal, TypeVar

import msgspec

from sandbox.agreement import NewLine
from sandbox.hooks import CUSTOMER_UPDATED
from sandbox.http import Request
from sandbox.world import APP_SECRET

S = TypeVar("S", bound=msgspec.Struct)


class ControlError(Exception):
    """A control call that cannot be done; the text says why."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class NewAgreement(msgspec.Struct, forbid_unknown_fields=True):
    """A new agreement, or another grant for one that exists."""

    number: int
    grant: str | None = None  # default: sandbox-grant-<number>
    secret: str = APP_SECRET
    roles: tuple[str, ...] = ("SuperUser",)
    name: str = "Havgus Trading"
    kind: str = "denmark"
    base_currency: str = "DKK"
    read_only: bool = False


class HookSetup(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """A webhook as a person sets it up."""

    url: str
    content_type: str = "application/x-www-form-urlencoded"
    post_data: str | None = None
    custom_headers: list[dict[str, str]] | dict[str, str] = []
    method: Literal["POST", "GET"] = "POST"
    name: str = ""

    def headers(self) -> list[tuple[str, str]]:
        """`[{"key": …, "value": …}]` or a plain object."""
        if isinstance(self.custom_headers, dict):
            return list(self.custom_headers.items())
        return [(pair["key"], pair["value"]) for pair in self.custom_headers]


class Limits(msgspec.Struct, forbid_unknown_fields=True):
    """A call budget; without a refill the bucket fills once per window."""

    bucket: float = 100_000
    refill_per_s: float | None = None
    window_s: int = 60
    daily: int | None = None


class Storm(msgspec.Struct, forbid_unknown_fields=True):
    """Events without changes: `count` of them over `distinct` numbers."""

    numbers: Literal["all"] | list[int] = "all"
    count: int | None = None
    distinct: int | None = None
    event: Literal["CUSTOMER_UPDATED", "INVOICE_BOOKED"] = CUSTOMER_UPDATED  # type: ignore[assignment]
    shuffle: bool = False


class Settings(msgspec.Struct, forbid_unknown_fields=True):
    """Settings of the server."""

    max_url: int = 2048  # characters of path and query


class NewInvoice(msgspec.Struct, forbid_unknown_fields=True):
    """An invoice to book; without lines it gets made-up ones."""

    debtor: int
    lines: list[NewLine] | None = None
    number: int | None = None  # chosen by hand, may be lower than others
    credit_note: bool = False
    currency: str | None = None
    date: str | None = None
    due: str | None = None
    payment_terms: int | None = None
    heading: str | None = None
    reference: str | None = None
    omit_lines: bool = False  # the bulk line service leaves its lines out
    hook: bool = True


class Renumber(msgspec.Struct, forbid_unknown_fields=True):
    """The number a debtor gets."""

    to: int


def patched(request: Request, current: S, kind: type[S]) -> S:
    """A structure with the fields of the body replaced, nested ones too."""
    body = msgspec.json.decode(request.body or b"{}", type=dict[str, Any])
    return msgspec.convert(_merged(msgspec.to_builtins(current), body), kind)


def _merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    result = dict(old)
    for name, value in new.items():
        nested = isinstance(value, dict) and isinstance(old.get(name), dict)
        result[name] = _merged(old[name], value) if nested else value
    return result
