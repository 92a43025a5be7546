"""
The tables of the mirror: what e-conomic says of debtors, invoices and the names of numbers, when that was read, and
which debtor groups are mirrored.
"""

from __future__ import annotations

import sqlalchemy as sa

from infra.database.dialect import Amount, UtcDateTime
from infra.database.tables import Big, metadata, of_agreement, row_id

# One row per number ever read, never deleted: a write goes on only when it raises the stamp here.
reading = sa.Table(
    "reading",
    metadata,
    sa.Column("agreement", Big, primary_key=True, autoincrement=False),
    sa.Column("what", sa.String(8), primary_key=True),  # debtor, invoice, lines
    sa.Column("number", Big, primary_key=True, autoincrement=False),
    sa.Column("stamp", Big, nullable=False),
    sa.Column("read_at", UtcDateTime(), nullable=False),
    postgresql_with={"fillfactor": "70"},
)

debtor = sa.Table(
    "debtor",
    metadata,
    row_id(),
    of_agreement(),
    sa.Column("number", Big, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("currency", sa.Text),
    sa.Column("debtor_group", Big),
    sa.Column("payment_terms", Big),
    sa.Column("vat_zone", Big),
    sa.Column("layout", Big),
    sa.Column("sales_person", Big),
    sa.Column("address", sa.Text),
    sa.Column("zip", sa.Text),
    sa.Column("city", sa.Text),
    sa.Column("country", sa.Text),
    sa.Column("cvr", sa.Text),
    sa.Column("vat_number", sa.Text),
    sa.Column("p_number", sa.Text),
    sa.Column("ean", sa.Text),
    sa.Column("public_entry_number", sa.Text),
    sa.Column("email", sa.Text),
    sa.Column("phone", sa.Text),
    sa.Column("mobile", sa.Text),
    sa.Column("website", sa.Text),
    sa.Column("barred", sa.Boolean, nullable=False),
    sa.Column("e_invoicing_disabled", sa.Boolean, nullable=False),
    sa.Column("credit_limit", Amount()),
    sa.Column("balance", Amount()),
    sa.Column("due_amount", Amount()),
    sa.Column("last_updated", UtcDateTime()),
    sa.Column("fingerprint", sa.String(16), nullable=False),
    sa.Column("correlation_id", sa.String(32)),  # of the event whose reading changed it last
    sa.Column("first_seen_at", UtcDateTime(), nullable=False),
    sa.Column("changed_at", UtcDateTime(), nullable=False),
    sa.Column("gone_at", UtcDateTime()),  # tombstone: deleted in e-conomic
    sa.Column("absorbed_by", Big),  # the row this one became one with
)
_living = debtor.c.gone_at.is_(None)
sa.Index(
    "uq_debtor_living", debtor.c.agreement, debtor.c.number, unique=True, postgresql_where=_living, sqlite_where=_living
)
_gone = debtor.c.gone_at.is_not(None)
sa.Index("ix_debtor_gone", debtor.c.agreement, debtor.c.gone_at, postgresql_where=_gone, sqlite_where=_gone)
sa.Index("ix_debtor_number", debtor.c.agreement, debtor.c.number)
sa.Index("ix_debtor_name", debtor.c.agreement, sa.func.lower(debtor.c.name), debtor.c.id)
sa.Index("ix_debtor_cvr", debtor.c.agreement, debtor.c.cvr)

PHONE_DIGITS = "phone"
for _mark in " -.+()":
    PHONE_DIGITS = f"replace({PHONE_DIGITS}, '{_mark}', '')"
"""A phone number without what people put between its digits; a query must say it in these very words."""

for _name, _column, _value in (("phone", debtor.c.phone, PHONE_DIGITS), ("email", debtor.c.email, "lower(email)")):
    _given = _column.is_not(None)
    sa.Index(f"ix_debtor_{_name}", debtor.c.agreement, sa.text(_value), postgresql_where=_given, sqlite_where=_given)

debtor_edge = sa.Table(
    "debtor_edge",
    metadata,
    row_id(),
    of_agreement(),
    sa.Column("old_number", Big, nullable=False),
    sa.Column("new_number", Big, nullable=False),
    sa.Column("seen_at", UtcDateTime(), nullable=False),
    sa.UniqueConstraint("agreement", "old_number", "new_number"),
    sa.Index("ix_debtor_edge_new", "agreement", "new_number"),
)

invoice = sa.Table(
    "invoice",
    metadata,
    sa.Column("agreement", Big, primary_key=True, autoincrement=False),
    sa.Column("number", Big, primary_key=True, autoincrement=False),
    sa.Column("debtor_number", Big, nullable=False),  # as e-conomic says it
    sa.Column("date", sa.Date, nullable=False),
    sa.Column("currency", sa.Text, nullable=False),
    *(sa.Column(name, Amount(), nullable=False) for name in ("net", "vat", "gross", "remainder")),
    sa.Column("due", sa.Date),
    sa.Column("order_number", Big),
    *(sa.Column(name, Amount()) for name in ("exchange_rate", "rounding", "net_base", "gross_base", "remainder_base")),
    sa.Column("payment_terms", Big),
    sa.Column("payment_terms_name", sa.Text),
    sa.Column("layout", Big),
    sa.Column("sales_person", Big),
    sa.Column("project", Big),
    *(sa.Column(f"recipient_{name}", sa.Text) for name in ("name", "address", "zip", "city", "country", "ean", "cvr")),
    sa.Column("recipient_vat_zone", Big),
    *(sa.Column(f"delivery_{name}", sa.Text) for name in ("address", "zip", "city", "country")),
    sa.Column("delivery_date", sa.Date),
    *(sa.Column(name, sa.Text) for name in ("heading", "text1", "text2", "other_reference")),
    sa.Column("fingerprint", sa.String(16), nullable=False),
    sa.Column("lines_fingerprint", sa.String(16)),
    sa.Column("lines_state", sa.String(10), nullable=False),  # domain.invoices.LinesState
    sa.Column("debtor_id", Big),  # whose invoice it is, whatever number that debtor has now
    sa.Column("correlation_id", sa.String(32)),
    sa.Column("first_seen_at", UtcDateTime(), nullable=False),
    sa.Column("changed_at", UtcDateTime(), nullable=False),
    # Headers come first, then the state of their lines: room for it in the same page, and no index of it, keep the
    # index entries of the row where they are.
    postgresql_with={"fillfactor": "50"},
)
sa.Index("ix_invoice_debtor", invoice.c.debtor_id, invoice.c.date)
_unpaid = invoice.c.remainder != 0
sa.Index("ix_invoice_unpaid", invoice.c.debtor_id, postgresql_where=_unpaid, sqlite_where=_unpaid)
_orphan = invoice.c.debtor_id.is_(None)
sa.Index(
    "ix_invoice_orphan", invoice.c.agreement, invoice.c.debtor_number, postgresql_where=_orphan, sqlite_where=_orphan
)

invoice_line = sa.Table(
    "invoice_line",
    metadata,
    sa.Column("agreement", Big, primary_key=True, autoincrement=False),
    sa.Column("invoice", Big, primary_key=True, autoincrement=False),
    sa.Column("number", Big, primary_key=True, autoincrement=False),
    sa.Column("position", Big, nullable=False),
    sa.Column("product", sa.Text),
    sa.Column("description", sa.Text),
    sa.Column("quantity", Amount()),
    sa.Column("unit", Big),
    *(sa.Column(name, Amount()) for name in ("unit_price", "unit_cost", "discount_pct", "vat_rate", "vat", "net")),
    sqlite_with_rowid=False,
)

# What numbers are called. A row without a name is a number that a mirrored record carries and no reading has named.
reference_name = sa.Table(
    "reference_name",
    metadata,
    of_agreement(primary_key=True),
    sa.Column("list", sa.String(20), primary_key=True),  # domain.reference.Listing
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("name", sa.Text),
    sa.Column("gone_at", UtcDateTime()),  # not in e-conomic's list any more
    sa.Column("changed_at", UtcDateTime(), nullable=False),
)
reference_list = sa.Table(
    "reference_list",
    metadata,
    of_agreement(primary_key=True),
    sa.Column("list", sa.String(20), primary_key=True),
    sa.Column("tried_at", UtcDateTime(), nullable=False),  # when the last reading began
    sa.Column("read_at", UtcDateTime()),  # when the last whole one began
    sa.Column("problem", sa.Text),  # why the last try did not bring the whole list
)

# The debtor groups an agreement synchronises; without any, all of them (`infra.database.scope`).
scope_group = sa.Table(
    "scope_group",
    metadata,
    of_agreement(primary_key=True),
    sa.Column("debtor_group", Big, primary_key=True, autoincrement=False),
)
