"""
`debitor companies merge`, `undo-merge`, `merges`, `history`: companies that become one, and what happened to them.
"""

from __future__ import annotations

from collections.abc import Sequence

import click

from cli.links import WHO
from cli.output import JSON, CommandFailed, connected, counted, print_facts, print_json, print_table, shown
from domain.companies import CompanyFields
from domain.merge_companies import merge, preview
from domain.merging import GROUPS, Keep, Member, Plan, called
from domain.unmerge_companies import Kept, unmerge
from infra.database import company_views, merge_views
from infra.database.merge_views import Merge
from infra.database.merge_wishes import wish
from infra.database.merges import MergeRows, merging
from infra.database.users import ensure_firm

_CHOSEN = (*CompanyFields._fields, *GROUPS)


class _Choice(click.ParamType[tuple[str, str]]):
    """FIELD=… as a pair."""

    name = "choice"

    def __init__(self, known: Sequence[str]) -> None:
        self._known = known

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        field, sign, chosen = str(value).partition("=")
        if not sign or field not in self._known:
            self.fail(f"say FIELD=…, where FIELD is one of {', '.join(self._known)}", param, ctx)
        return field, chosen.strip()


@click.command("merge")
@click.argument("ids", metavar="ID ID…", nargs=-1, required=True)
@click.option("--survivor", metavar="ID", help="which of them lives on")
@click.option(
    "--keep",
    type=click.Choice([each.value for each in Keep]),
    default=Keep.LINKED.value,
    show_default=True,
    help="whose values stay: of the one that is linked to a debtor, or of the oldest",
)
@click.option(
    "--take",
    type=_Choice(_CHOSEN),
    multiple=True,
    metavar="FIELD=ID",
    help="take a field, or `address` or `billing`, from this one",
)
@click.option(
    "--set",
    "values",
    type=_Choice(CompanyFields._fields),
    multiple=True,
    metavar="FIELD=VALUE",
    help="a value of its own; empty = blank",
)
@click.option("--preview", "only_look", is_flag=True, help="show them side by side, and change nothing")
@JSON
def merge_(
    ids: tuple[str, ...],
    survivor: str | None,
    keep: str,
    take: tuple[tuple[str, str], ...],
    values: tuple[tuple[str, str], ...],
    only_look: bool,
    as_json: bool,
) -> None:
    """
    Make companies one. ID is the CRM's, or '#17', Debitor's own.

    Unless said field by field: what the survivor has stays, blanks are filled from the others, the newest address is
    taken as a whole, and what e-conomic owns comes from the one that is linked. Links, alerts and history follow; the
    other ids lead to the survivor from now on. `debitor companies undo-merge` brings everything back.
    """
    with connected() as services:
        database = services.database
        firm = ensure_firm(database)
        with database.read() if only_look else database.write() as connection:
            asked = wish(
                connection,
                firm,
                ids,
                survivor=survivor,
                keep=Keep(keep),
                take=dict(take),
                values={name: value or None for name, value in values},
            )
            stores = merging(connection, database.sql, firm)
            if only_look:
                _print_preview(*preview(stores, asked), as_json=as_json)
                return
            done = merge(stores, asked, who=WHO)
            made = merge_views.merge(connection, firm, done.id)
    assert made is not None
    if as_json:
        print_json(_as_json(made))
        return
    click.echo(f"{_names(made)} {_are(made)} {made.survivor} now: merge {made.id}.")
    if made.changed:
        print_table(
            ["field", "before", "now"], [(name, before, after) for name, (before, after) in made.changed.items()]
        )
    click.echo(f"debitor companies undo-merge {made.id} undoes it.")


@click.command("undo-merge")
@click.argument("merge", type=click.IntRange(1))
@JSON
def undo_merge(merge: int, as_json: bool) -> None:
    """Undo a merge, the newest of its companies first; what came or changed later stays with the survivor."""
    with connected() as services:
        database = services.database
        firm = ensure_firm(database)
        with database.write() as connection:
            stores = merging(connection, database.sql, firm)
            unmerge(stores, MergeRows(connection, database.sql, firm), merge, who=WHO)
            done = merge_views.merge(connection, firm, merge)
    assert done is not None
    if as_json:
        print_json(_as_json(done))
        return
    click.echo(f"{_names(done)} {_are(done)} no part of {done.survivor} any more.")
    if done.kept:
        click.echo("This came or changed later, and stays with it:")
        print_table(["what", "name", "value"], [_kept(each) for each in done.kept])


@click.command()
@click.option("--limit", type=click.IntRange(1, 1_000), default=50, show_default=True, help="so many at most")
@JSON
def merges(limit: int, as_json: bool) -> None:
    """List merges, newest first."""
    with connected() as services:
        firm = ensure_firm(services.database)
        with services.database.read() as connection:
            found = merge_views.merges(connection, firm, limit=limit)
    if as_json:
        print_json([_as_json(each) for each in found])
        return
    print_table(
        ["merge", "survivor", "merged", "who", "when", "undone"],
        [(each.id, each.survivor, _names(each), each.who, each.at, each.undone_at) for each in found],
        empty="Nothing was merged.",
    )


@click.command()
@click.argument("company", metavar="ID")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="so many lines at most")
@JSON
def history(company: str, limit: int, as_json: bool) -> None:
    """What happened to a company, and to those that are part of it, newest first."""
    with connected() as services:
        database = services.database
        firm = ensure_firm(database)
        with database.read() as connection:
            company_id = company_views.find(connection, firm, company)
            if company_id is None:
                raise CommandFailed(f"there is no company {company}")
            lines = merge_views.history(connection, database.sql, firm, company_id, limit=limit)
    if as_json:
        print_json([{**line._asdict(), "company": line.company._asdict()} for line in lines])
        return
    print_table(
        ["when", "who", "what", "company", "detail"],
        [(line.at, line.who, line.what, line.company, _detail(line.detail)) for line in lines],
    )


def _print_preview(plan: Plan, members: Sequence[Member], *, as_json: bool) -> None:
    names = {member.company.id: member.company.crm_id or f"#{member.company.id}" for member in members}
    fields = plan.fields._asdict()
    if as_json:
        print_json(
            {
                "survivor": names[plan.survivor.id],
                "companies": [
                    {"id": names[member.company.id], "debtors": member.debtors, **member.company.fields._asdict()}
                    for member in members
                ],
                "fields": {
                    name: {
                        "value": value,
                        "from": names[plan.sources[name]] if name in plan.sources else None,
                        "differs": name in plan.differing,
                    }
                    for name, value in fields.items()
                },
            }
        )
        return
    print_facts([("survivor", called(plan.survivor)), ("linked debtors", _debtors(members, names))])
    click.echo("")
    rows = [
        (
            "*" if name in plan.differing else "",
            name,
            *(member.value(name) for member in members),
            value,
        )
        for name, value in fields.items()
        if value is not None or any(member.value(name) for member in members)
    ]
    print_table(["", "field", *(names[member.company.id] for member in members), "as one"], rows)
    click.echo(f"\n* {counted(len(plan.differing), 'field')} in which they differ. Nothing was changed.")


def _debtors(members: Sequence[Member], names: dict[int, str]) -> str | None:
    return ", ".join(f"{names[each.company.id]}: {each.debtors}" for each in members if each.debtors) or None


def _names(made: Merge) -> str:
    return ", ".join(map(str, made.merged))


def _are(made: Merge) -> str:
    return "is" if len(made.merged) == 1 else "are"


def _kept(each: Kept) -> tuple[str, str, str | None]:
    return ("debtor" if each.kind == "link" else each.kind, each.name, each.value)


def _detail(detail: dict[str, object]) -> str:
    """`city: Vejle → Horsens; …`"""
    changed = detail.get("changed", detail)
    assert isinstance(changed, dict)
    pairs = {name: pair for name, pair in changed.items() if isinstance(pair, list) and len(pair) == 2}
    rest = {name: value for name, value in detail.items() if isinstance(value, str | int) and name not in pairs}
    return "; ".join(
        [f"{name}: {value}" for name, value in rest.items()]
        + [f"{name}: {shown(before)} → {shown(after)}" for name, (before, after) in pairs.items()]
    )


def _as_json(made: Merge) -> dict[str, object]:
    return {
        **made._asdict(),
        "survivor": made.survivor._asdict(),
        "merged": [each._asdict() for each in made.merged],
        "kept": [each._asdict() for each in made.kept],
    }
