"""Books that outlive the process."""

from pathlib import Path

from sandbox.keeping import Keeping
from sandbox.server import build


def test_the_books_go_on_where_they_were(tmp_path: Path) -> None:
    """A new process takes over debtors, invoices and webhooks, whatever numbers it was started with."""
    file = tmp_path / "books"
    first = build(debtors=5, invoices=8)
    agreement = first.world.agreements[first.world.default]
    customer = next(iter(agreement.customers))
    agreement.change_customer(customer, {**customer.fields, "name": "Renamed ApS"})
    Keeping(first.world, file).save()

    second = build(debtors=2)
    assert Keeping(second.world, file).load()

    again = second.world.agreements[second.world.default]
    assert len(again.customers) == 5
    assert len(again.invoices) == 8
    renamed = again.customers.get(customer.number)
    assert renamed is not None
    assert renamed.fields["name"] == "Renamed ApS"


def test_nothing_is_kept_without_a_file(tmp_path: Path) -> None:
    """The first start begins with its own numbers."""
    app = build(debtors=3)
    assert not Keeping(app.world, tmp_path / "books").load()
    assert len(app.world.agreements[app.world.default].customers) == 3
