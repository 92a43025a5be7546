"""The stand-in e-conomic as a process, and what a test does to it over its control API."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx

from tests.support.network import free_port
from tests.support.processes import Process

APP_SECRET = "sandbox-app-secret"
FORM = "application/x-www-form-urlencoded"


class Books:
    """One agreement of the stand-in: the person who edits and books there."""

    def __init__(self, sandbox: Sandbox, number: int) -> None:
        self._sandbox = sandbox
        self.number = number
        self.grant = f"sandbox-grant-{number}"

    def __call__(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        return self._sandbox(method, f"agreements/{self.number}/{path}", body, **query)

    def create(self, number: int, **fields: Any) -> None:
        self("POST", "debtors", {"number": number, **fields})

    def edit(self, number: int, **fields: Any) -> None:
        self("PATCH", f"debtors/{number}", fields)

    def delete(self, number: int) -> None:
        self("DELETE", f"debtors/{number}", force="true")

    def renumber(self, number: int, to: int) -> None:
        self("POST", f"debtors/{number}/renumber", {"to": to})

    def book(self, debtor: int, **more: Any) -> int:
        """Returns the number of the invoice."""
        return int(self("POST", "invoices", {"debtor": debtor, **more})["bookedInvoiceNumber"])

    def pay(self, invoice: int) -> None:
        self("POST", f"invoices/{invoice}/pay")

    def fill(self, debtors: int = 0, invoices: int = 0, **more: Any) -> None:
        self("POST", "bulk", {"debtors": debtors, "invoices": invoices, **more})

    def state(self) -> dict[str, Any]:
        """Every debtor and every invoice with its lines; amounts are Decimals."""
        found: dict[str, Any] = self("GET", "state")
        return found

    def send_hooks_to(self, address: str) -> None:
        """Webhooks as a bookkeeper pastes them; `address` ends with the secret."""
        for event, name, data in (
            ("CUSTOMER_UPDATED", "customer", "old=[OLDNUMBER]&new=[NEWNUMBER]"),
            ("INVOICE_BOOKED", "invoice", "invoiceno=[INVOICENO]"),
            ("DAYBOOK_BOOKED", "daybook", "book=[DAYBOOKNO]"),
        ):
            self("PUT", f"webhooks/{event}", {"url": f"{address}/{name}", "contentType": FORM, "postData": data})

    @contextmanager
    def fault(self, **what: Any) -> Iterator[None]:
        """Something goes wrong with this agreement's calls while the block runs."""
        number = self._sandbox("POST", "faults", {"agreement": self.number, **what})["id"]
        try:
            yield
        finally:
            self._sandbox("DELETE", f"faults/{number}")

    def calls(self) -> list[dict[str, Any]]:
        """The calls this agreement has seen."""
        return [call for call in self._sandbox("GET", "calls")["calls"] if call["agreement"] == self.number]


class Sandbox:
    """The stand-in's control API."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._http = httpx.Client(base_url=f"http://{address}/_control/", timeout=60, trust_env=False)

    def __call__(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        answer = self._http.request(method, path, json=body, params=query)
        assert answer.status_code < 300, f"{method} {path}: {answer.status_code} {answer.text[:300]}"
        return json.loads(answer.text, parse_float=Decimal) if answer.content else None

    def books(self, number: int) -> Books:
        """A new, empty agreement, or the one that is there."""
        self("POST", "agreements", {"number": number})
        return Books(self, number)

    def settings(self) -> dict[str, str]:
        """Debitor's settings for an e-conomic that is this."""
        return {
            "DEBITOR_ECONOMIC_REST_URL": f"http://{self.address}",
            "DEBITOR_ECONOMIC_Q2C_URL": f"http://{self.address}/q2capi/v5.3.0",
            "DEBITOR_ECONOMIC_WEBHOOKS_URL": f"http://{self.address}/webhooksapi/v1.0.0",
            "DEBITOR_ECONOMIC_APP_SECRET_TOKEN": APP_SECRET,
        }

    def close(self) -> None:
        self._http.close()


@contextmanager
def sandbox(folder: Path) -> Iterator[Sandbox]:
    """A stand-in of its own, which ends with the tests however they end."""
    address = f"127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "sandbox", "--listen", address, "--end-with-parent"]
    process = Process("sandbox", command, {}, folder).start()
    client = Sandbox(address)
    try:
        process.wait_for(f"http://{address}/_control/ready")
        yield client
    finally:
        client.close()
        process.kill()
