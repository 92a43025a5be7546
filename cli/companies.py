"""
`debitor companies`: companies from files, into files, and merged.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click

from cli.alerts import alerts
from cli.differences import differences
from cli.imports import REPORT, begin_match, check, run_and_report
from cli.links import only_agreement
from cli.merges import history, merge_, merges, undo_merge
from cli.output import AGREEMENT, JSON, CommandFailed, connected, counted, on_terminal, print_json, print_table
from domain.companies import CompanyFields
from domain.company_headings import CRM_ID, heading_of
from domain.take_companies import Mode
from infra.company_import import ERROR, Imported, Line, import_companies
from infra.database import company_views
from infra.database.users import ensure_firm
from infra.spreadsheets.writing import written

SHOWN = 20
"""Rows with an error that are printed; a report has them all."""

PAGE = 1_000


@click.group()
def companies() -> None:
    """Companies from spreadsheets, and into them; which of them are one."""


for _command in (alerts, differences, merge_, undo_merge, merges, history):
    companies.add_command(_command)


@companies.command("import")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--dry-run", "--preview", "dry_run", is_flag=True, help="only say what would become of each row")
@click.option("--create", "mode", flag_value=Mode.CREATE, type=Mode, help="new companies only")
@click.option("--update", "mode", flag_value=Mode.UPDATE, type=Mode, help="known companies only")
@click.option("--both", "mode", flag_value=Mode.BOTH, type=Mode, default=Mode.BOTH, help="both (unless said otherwise)")
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    help="what became of each row, as CSV, or XLSX by its name",
)
@JSON
def import_(file: Path, dry_run: bool, mode: Mode, report: Path | None, as_json: bool) -> None:
    """
    Take in companies from a CSV or XLSX file with headings.

    Headings are ChannelCRM's (company.name …) or plain ones in Danish or English. A row with the CRM's id is that
    company; another one is the company that its numbers, phone, name and address point at. Blank cells overwrite
    nothing. The same file again goes on where it was cut short.
    """
    wrong: list[Line] = []

    def note(line: Line) -> None:
        if line.outcome == ERROR and len(wrong) < SHOWN:
            wrong.append(line)

    def progress(row: int) -> None:
        if on_terminal() and not as_json:
            click.echo(f"\r{row:,} rows", nl=False, err=True)

    with connected() as services:
        done = import_companies(
            services.database,
            ensure_firm(services.database),
            file,
            mode=mode,
            dry_run=dry_run,
            report=report,
            on_line=note,
            on_portion=progress,
        )
    if as_json:
        print_json(_as_json(file, done, dry_run=dry_run, wrong=wrong))
    else:
        _print(done, dry_run=dry_run, wrong=wrong)
    if done.problem:
        raise CommandFailed(f"{file.name}: {done.problem}")


def _as_json(file: Path, done: Imported, *, dry_run: bool, wrong: list[Line]) -> dict[str, object]:
    return {
        "file": str(file),
        "dry_run": dry_run,
        "rows": done.rows,
        "counts": dict(done.counts),
        "resumed_after": done.resumed_after,
        "ignored_headings": done.ignored,
        "errors": [line._asdict() for line in wrong],
        "problem": done.problem,
    }


def _print(done: Imported, *, dry_run: bool, wrong: list[Line]) -> None:
    if done.ignored:
        click.echo(f"Columns that are not read: {', '.join(done.ignored)}.")
    if done.resumed_after:
        click.echo(f"Rows up to {done.resumed_after:,} were stored by an earlier run; this one went on from there.")
    print_table(["outcome", "rows"], sorted(Counter(done.counts).items()), empty="The file has no rows.")
    if wrong:
        click.echo("")
        print_table(["row", "name", "column", "reason"], [(w.row, w.name, w.column, w.reason) for w in wrong])
    if (more := done.counts[ERROR] - len(wrong)) > 0:
        click.echo(f"… and {counted(more, 'row')} more with an error; --report FILE has them all.")
    if dry_run:
        click.echo("Nothing was stored.")


companies.add_command(check)


@companies.command("match")
@click.option("--agreement", type=AGREEMENT, help="whose debtors; needed when there are several")
@click.option("--test", is_flag=True, help="say what would become of each debtor, and change nothing")
@REPORT
@JSON
def match(agreement: int | None, test: bool, report: Path | None, as_json: bool) -> None:
    """Find a company for each debtor that has none, as they are stored: nothing is read from e-conomic."""
    with connected() as services:
        run_id = begin_match(services, agreement or only_agreement(services), test=test)
        run_and_report(services, run_id, of_run=run_id, report=report, as_json=as_json)


@companies.command("export")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--relation", help="of this relation only: prospect, customer …")
@click.option("--query", default="", help="words in name, number, CVR, zip, city or mail")
def export(file: Path, relation: str | None, query: str) -> None:
    """Write the companies that live to a CSV file, or XLSX by its name; `import` reads it back."""
    fields = CompanyFields._fields
    count, after = 0, 0
    headings = [heading_of(name) for name in (CRM_ID, *fields)]
    with connected() as services, written(file, headings) as write:
        firm = ensure_firm(services.database)
        while True:
            with services.database.read() as connection:
                page = company_views.companies(
                    connection, firm, query=query, relation=relation, after=after, limit=PAGE
                )
            for each in page:
                write([each.crm_id, *each.fields])
            count += len(page)
            if len(page) < PAGE:
                break
            after = page[-1].id
    click.echo(f"{counted(count, 'company', 'companies')} written to {file}.")
