"""
The tables of firms and agreements and of the work done for them, and what every table is made with; the others are in
`tables_*.py`. Numbers of e-conomic are never keys alone: they always stand beside their agreement.
"""

from __future__ import annotations

import sqlalchemy as sa

from infra.database.dialect import UtcDateTime

metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

Big = sa.BigInteger().with_variant(sa.Integer, "sqlite")  # SQLite counts up INTEGER keys only


def row_id() -> sa.Column[int]:
    return sa.Column("id", Big, sa.Identity(), primary_key=True)


def of_firm(*, primary_key: bool = False) -> sa.Column[int]:
    return sa.Column("firm_id", Big, sa.ForeignKey("firm.id"), primary_key=primary_key, nullable=False)


def of_agreement(*, primary_key: bool = False) -> sa.Column[int]:
    return sa.Column("agreement", Big, sa.ForeignKey("agreement.number"), primary_key=primary_key, nullable=False)


def _lease() -> list[sa.Column[object]]:
    """Whoever holds the token may write until `lease_until` (the database's clock)."""
    return [sa.Column("lease_token", sa.String(32)), sa.Column("lease_until", UtcDateTime())]


firm = sa.Table(
    "firm", metadata, row_id(), sa.Column("name", sa.Text, nullable=False), sa.Column("created_at", UtcDateTime())
)

agreement = sa.Table(
    "agreement",
    metadata,
    sa.Column("number", Big, primary_key=True, autoincrement=False),
    of_firm(),
    sa.Column("name", sa.Text),
    sa.Column("user_id", sa.Text),  # informational: compared with /self, warns only
    sa.Column("grant_token", sa.Text),  # encrypted
    sa.Column("ask_every_time", sa.Boolean, nullable=False, default=False),
    sa.Column("hook_secret", sa.Text, nullable=False),  # encrypted; shown again in the addresses to paste
    sa.Column("base_currency", sa.Text),
    sa.Column("kind", sa.Text),  # "denmark", "sweden" …, as /self calls it
    sa.Column("identity_checked_at", UtcDateTime()),  # /self named this agreement: lists may be believed
    sa.Column("debtors_total", Big),  # of e-conomic's last list answer; plans the cheapest reading
    sa.Column("field_owners", sa.JSON),  # company field → who owns it, where that is not the default
    sa.Column("companies_since", UtcDateTime()),  # the first import was started: companies may be linked and made
    sa.Column("create_companies", sa.Boolean, nullable=False, default=True, server_default=sa.true()),
    sa.Column("most_at_once", sa.Integer, nullable=False, default=50, server_default="50"),  # more waits for a person
    sa.Column("new_debtors", sa.JSON(none_as_null=True)),  # domain.new_debtor_settings, what differs from its defaults
    sa.Column("debtor_edits", sa.Boolean, nullable=False, server_default=sa.false()),  # the CRM may change debtors
    sa.Column("trouble_mail", sa.Text),  # whom mails go to; NULL = the firm's admins
    sa.Column("refusal_told_at", UtcDateTime()),  # e-conomic refuses the token, and people were told
    sa.Column("paused_at", UtcDateTime()),
    sa.Column("removed_at", UtcDateTime()),
    sa.Column("created_at", UtcDateTime(), nullable=False),
)

user = sa.Table(
    "user",
    metadata,
    row_id(),
    of_firm(),
    sa.Column("email", sa.Text, nullable=False, unique=True),  # lower case
    sa.Column("password_hash", sa.Text, nullable=False),
    sa.Column("role", sa.String(10), nullable=False),  # admin, sales, ops
    sa.Column("session_salt", sa.String(32), nullable=False),  # changed with the password: ends open sessions
    sa.Column("disabled_at", UtcDateTime()),
    sa.Column("created_at", UtcDateTime(), nullable=False),
)

api_token = sa.Table(
    "api_token",
    metadata,
    row_id(),
    of_firm(),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("token_hash", sa.String(64), nullable=False, unique=True),
    sa.Column("scopes", sa.Text, nullable=False),  # separated by spaces
    sa.Column("created_at", UtcDateTime(), nullable=False),
    sa.Column("revoked_at", UtcDateTime()),
)

# Events received, one row each, committed before the sender's 2xx; only ever appended, then marked handled.
inbox = sa.Table(
    "inbox",
    metadata,
    row_id(),
    sa.Column("agreement", Big, nullable=False),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("source", sa.String(10), nullable=False),
    sa.Column("old_number", Big),
    sa.Column("new_number", Big),
    sa.Column("correlation_id", sa.String(32), nullable=False),
    sa.Column("body", sa.Text),
    sa.Column("webhook_id", sa.Text),  # the CRM's own id of the event; one is stored once
    sa.Column("received_at", UtcDateTime(), nullable=False),
    sa.Column("handled_at", UtcDateTime()),
)
sa.Index(
    "ix_inbox_outstanding",
    inbox.c.agreement,
    inbox.c.kind,
    inbox.c.id,
    postgresql_where=inbox.c.handled_at.is_(None),
    sqlite_where=inbox.c.handled_at.is_(None),
)
_named = inbox.c.webhook_id.is_not(None)
sa.Index(
    "uq_inbox_webhook",
    inbox.c.agreement,
    inbox.c.webhook_id,
    unique=True,
    postgresql_where=_named,
    sqlite_where=_named,
)

work = sa.Table(
    "work",
    metadata,
    of_agreement(primary_key=True),
    sa.Column("kind", sa.String(20), primary_key=True),
    *_lease(),
    sa.Column("not_before", UtcDateTime()),
    sa.Column("reason", sa.String(30)),  # why it waits: the `reason` of domain.errors
    sa.Column("message", sa.Text),
    sa.Column("waiting_since", UtcDateTime()),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("drained_at", UtcDateTime()),
)

stamp = sa.Table("stamp", metadata, of_agreement(primary_key=True), sa.Column("value", Big, nullable=False))

# Where the last look for unannounced changes ended, and when the next one is due.
poll = sa.Table(
    "poll",
    metadata,
    of_agreement(primary_key=True),
    sa.Column("debtors_since", UtcDateTime()),
    sa.Column("invoices_after", Big, nullable=False),
    sa.Column("invoices_short", Big, nullable=False),
    sa.Column("unannounced", sa.JSON, nullable=False),
    sa.Column("hooks_arrive", sa.Boolean, nullable=False),
    sa.Column("good_at", UtcDateTime(), nullable=False),
    sa.Column("next_at", UtcDateTime(), nullable=False),
)

# Jobs a person or the CLI asked for: resync, later import and match.
run = sa.Table(
    "run",
    metadata,
    row_id(),
    of_agreement(),
    sa.Column("type", sa.String(10), nullable=False),
    sa.Column("state", sa.String(10), nullable=False),  # queued, running, waiting, done, failed, cancelled
    sa.Column("options", sa.JSON, nullable=False),
    sa.Column("progress", sa.JSON, nullable=False),  # where a killed run goes on
    sa.Column("counts", sa.JSON, nullable=False),
    sa.Column("message", sa.Text),
    *_lease(),
    sa.Column("not_before", UtcDateTime()),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("created_at", UtcDateTime(), nullable=False),
    sa.Column("started_at", UtcDateTime()),
    sa.Column("finished_at", UtcDateTime()),
)
_unfinished = run.c.state.in_(["queued", "running", "waiting"])
sa.Index("ix_run_unfinished", run.c.state, run.c.id, postgresql_where=_unfinished, sqlite_where=_unfinished)

# One thing a person must look at; ends replayed, dismissed or resolved.
failure = sa.Table(
    "failure",
    metadata,
    row_id(),
    of_agreement(),
    sa.Column("subject_kind", sa.String(20), nullable=False),
    sa.Column("subject", sa.String(64), nullable=False),
    sa.Column("reason", sa.String(30), nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("advice", sa.Text, nullable=False),
    sa.Column("detail", sa.Text),
    sa.Column("state", sa.String(10), nullable=False),
    sa.Column("note", sa.Text),
    sa.Column("times", sa.Integer, nullable=False),
    sa.Column("first_seen_at", UtcDateTime(), nullable=False),
    sa.Column("last_seen_at", UtcDateTime(), nullable=False),
    sa.Column("ended_at", UtcDateTime()),
)
_open_failure = failure.c.state == "open"
sa.Index(
    "uq_failure_open",
    failure.c.agreement,
    failure.c.subject_kind,
    failure.c.subject,
    unique=True,
    postgresql_where=_open_failure,
    sqlite_where=_open_failure,
)

# What an agreement may still spend, for all processes.
budget = sa.Table(
    "budget",
    metadata,
    of_agreement(primary_key=True),
    sa.Column("window_limit", sa.Integer),  # so many calls in `window_s` seconds: a bucket that refills steadily
    sa.Column("window_s", sa.Integer),
    sa.Column("full_at", UtcDateTime()),  # of the bucket, if nothing more is spent
    sa.Column("paused_until", UtcDateTime()),
)
calls = sa.Table(
    "calls",
    metadata,
    of_agreement(primary_key=True),
    sa.Column("hour", UtcDateTime(), primary_key=True),
    sa.Column("spent", sa.Integer, nullable=False),
)

# Periodic jobs: whoever moves `claimed_at` on does the job, so two schedulers are safe.
job = sa.Table(
    "job",
    metadata,
    sa.Column("name", sa.String(30), primary_key=True),
    sa.Column("claimed_at", UtcDateTime(), nullable=False),
    *_lease(),  # of jobs that one process keeps doing
)

# Answers to POSTs with an Idempotency-Key, kept for a week: the same request again gets the same answer.
api_answer = sa.Table(
    "api_answer",
    metadata,
    sa.Column("firm_id", Big, sa.ForeignKey("firm.id"), primary_key=True, autoincrement=False),
    sa.Column("key", sa.String(255), primary_key=True),
    sa.Column("request", sa.String(64), nullable=False),  # SHA-256 of method, path and body
    sa.Column("status", sa.Integer, nullable=False),
    sa.Column("location", sa.Text),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("created_at", UtcDateTime(), nullable=False),
    sa.Index("ix_api_answer_created", "created_at"),
)
