"""A believable working day for demonstrations: edits, bookings, payments, now and then something rarer."""

# ruff: noqa: S311 - chance makes the data and the faults here, no secrets

import asyncio
import random

from sandbox.agreement import MAX_NUMBER, Agreement
from sandbox.control_books import book
from sandbox.control_shapes import NewInvoice
from sandbox.names import STREETS, TOWNS
from sandbox.seed import debtor_fields
from sandbox.world import World

KINDS = ("edit", "book", "pay", "create", "renumber")
WEIGHTS = (45, 30, 18, 6, 1)


class Life:
    """One task per agreement that lives."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def set(self, agreement: Agreement, per_second: float) -> None:
        """Let so much happen per second on average; 0 stops it."""
        if task := self._tasks.pop(agreement.number, None):
            task.cancel()
        if per_second > 0:
            self._tasks[agreement.number] = asyncio.get_running_loop().create_task(self._run(agreement, per_second))

    def stop(self) -> None:
        """Nothing happens any more, anywhere."""
        for task in self._tasks.values():
            task.cancel()
        self._tasks.clear()

    async def _run(self, agreement: Agreement, per_second: float) -> None:
        while True:
            await asyncio.sleep(random.expovariate(per_second))
            happen(agreement, random.choices(KINDS, WEIGHTS)[0])


def happen(agreement: Agreement, kind: str) -> None:
    """Let one thing happen; with nothing to happen to, a debtor is created."""
    customers, invoices = agreement.customers, agreement.invoices
    if kind == "create" or not customers.keys:
        number = customers.free(MAX_NUMBER)
        agreement.create_customer(debtor_fields(agreement, number, {}), number)
        return
    customer = customers.get(random.choice(customers.keys))
    if customer is None:
        return
    match kind:
        case "edit":
            zip_code, city = random.choice(TOWNS)
            change = random.choice(
                (
                    {"telephoneAndFaxNumber": str(random.randrange(70_000_000, 79_999_999))},
                    {"address": f"{random.choice(STREETS)} {random.randrange(1, 180)}", "zip": zip_code, "city": city},
                    {"email": f"bogholderi{random.randrange(1, 99)}@{customer.number}.example"},
                    {"mobilePhone": str(random.randrange(20_000_000, 59_999_999))},
                )
            )
            agreement.change_customer(customer, customer.fields | change)
        case "book":
            book(agreement, NewInvoice(customer.number, credit_note=random.random() < 0.05))
        case "pay" if agreement.open_numbers:
            invoice = invoices.get(random.choice(agreement.open_numbers))
            if invoice:
                agreement.pay(invoice)
        case "renumber":
            agreement.renumber_customer(customer, customers.free(MAX_NUMBER))
