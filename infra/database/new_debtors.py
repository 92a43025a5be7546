"""
An agreement's settings of new debtors, and the lists they are held against.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from domain.new_debtor_settings import DEFAULTED, Lists, NewDebtorSettings, NumberSource, Policy
from domain.reference import Listing
from infra.database import tables, tables_mirror

_agreement, _name, _list = tables.agreement, tables_mirror.reference_name, tables_mirror.reference_list


def settings_of(connection: Connection, agreement: int) -> NewDebtorSettings:
    """What is set for an agreement that is connected."""
    row = connection.execute(
        sa.select(
            _agreement.c.new_debtors, _agreement.c.debtor_edits, _agreement.c.base_currency, _agreement.c.kind
        ).where(_agreement.c.number == agreement)
    ).one()
    kept = row.new_debtors or {}
    return NewDebtorSettings(
        defaults=kept.get("defaults", {}),
        home=kept.get("home"),
        base_currency=row.base_currency,
        policy=Policy(kept.get("policy", Policy.AT_ONCE)),
        number=NumberSource(kept.get("number", NumberSource.ECONOMIC)),
        edits=bool(row.debtor_edits),
        kind=row.kind,
    )


def lock_settings(connection: Connection, agreement: int) -> NewDebtorSettings:
    """The settings, which nobody else changes until this transaction ends."""
    connection.execute(sa.select(_agreement.c.number).where(_agreement.c.number == agreement).with_for_update())
    return settings_of(connection, agreement)


def save_settings(connection: Connection, agreement: int, settings: NewDebtorSettings) -> None:
    """Count from this commit on; `base_currency` is e-conomic's own word and not stored here."""
    kept = {
        "defaults": settings.defaults,
        "home": settings.home,
        "policy": settings.policy.value,
        "number": settings.number.value,
    }
    connection.execute(
        sa.update(_agreement)
        .where(_agreement.c.number == agreement)
        .values(new_debtors=kept, debtor_edits=settings.edits)
    )


def lists_of(connection: Connection, agreement: int) -> Lists:
    """What the lists of DEFAULTED held when they were last read as a whole, keys as people count."""
    wanted = [listing.value for listing in DEFAULTED.values()]
    read = connection.execute(
        sa.select(_list.c.list).where(
            _list.c.agreement == agreement, _list.c.list.in_(wanted), _list.c.read_at.is_not(None)
        )
    )
    found: dict[Listing, dict[str, str]] = {Listing(name): {} for name in read.scalars()}
    rows = connection.execute(
        sa.select(_name.c.list, _name.c.key, _name.c.name)
        .where(
            _name.c.agreement == agreement,
            _name.c.list.in_([listing.value for listing in found]),
            _name.c.name.is_not(None),
            _name.c.gone_at.is_(None),
        )
        .order_by(_name.c.list, sa.func.length(_name.c.key), _name.c.key)
    )
    for name, key, text in rows:
        found[Listing(name)][key] = text
    return found
