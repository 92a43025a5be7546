"""
`debitor companies alerts`: which records are one, asked of a person.
"""

from __future__ import annotations

from collections.abc import Sequence

import click

from cli.links import WHO, only_agreement
from cli.output import AGREEMENT, JSON, CommandFailed, connected, counted, print_facts, print_json, print_table
from domain.alerts import IN_WORDS, AlertReason, Answer, RecordKind, RecordRef
from domain.answer_alerts import Answered, Choice, answer, answer_all
from domain.questions import Outcome
from domain.undo_answers import undo as undo_answer
from domain.undo_answers import undo_all
from infra.bootstrap import Services
from infra.database import alert_views, company_views
from infra.database.alert_stores import answering
from infra.database.alert_views import STATES, Alert, Known, ShownRecord
from infra.database.users import ensure_firm
from webhooks import api_shapes as shapes

_REASON = click.Choice([reason.value for reason in AlertReason])


@click.group()
def alerts() -> None:
    """Records that may be one company: list, show, decide, undo."""


@alerts.command("list")
@click.option("--reason", type=_REASON, help="of this reason only")
@click.option("--state", type=click.Choice([*STATES, "all"]), default="open", show_default=True)
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="at most so many")
@JSON
def list_(reason: str | None, state: str, limit: int, as_json: bool) -> None:
    """List alerts, newest first; a group of records is one."""
    with connected() as services, services.database.read() as connection:
        firm = ensure_firm(services.database)
        found = alert_views.alerts(
            connection,
            services.database.sql,
            firm,
            reason=AlertReason(reason) if reason else None,
            state=None if state == "all" else state,
            limit=limit,
        )
        counts = alert_views.counts(connection, firm)
    if as_json:
        print_json([shapes.alert(each) for each in found])
        return
    print_table(
        ["id", "reason", "score", "records", "companies", "proposed", "raised"],
        [
            (
                each.id,
                each.reason.value,
                each.score,
                _names([shown.record for shown in each.records]),
                _names([candidate.company for shown in each.records for candidate in shown.candidates]),
                _proposed(each),
                each.raised_at,
            )
            for each in found
        ],
        empty="There are no such alerts.",
    )
    for each_reason, count in sorted(counts.items()):
        click.echo(f"{counted(count, 'open alert')}: {each_reason.value}, {IN_WORDS[each_reason]}")


@alerts.command()
@click.argument("alert_id", metavar="ID", type=int)
@JSON
def show(alert_id: int, as_json: bool) -> None:
    """Show one alert: its records, what each may be, and why."""
    with connected() as services, services.database.read() as connection:
        found = alert_views.one(connection, services.database.sql, ensure_firm(services.database), alert_id)
    if found is None:
        raise CommandFailed(f"there is no alert {alert_id}")
    if as_json:
        print_json(shapes.alert(found))
        return
    facts: list[tuple[str, object]] = [
        ("alert", found.id),
        ("reason", f"{found.reason.value}: {IN_WORDS[found.reason]}"),
        ("state", found.state if found.joined_to is None else f"part of alert {found.joined_to}"),
        ("raised", found.raised_at),
        ("changed", found.changed_at),
    ]
    print_facts(facts)
    for each in found.records:
        _print_record(each)


@alerts.command()
@click.argument("alert_id", metavar="[ID]", type=int, required=False)
@click.option("--link", "given", flag_value=Answer.LINK, type=Answer, help="it is the candidate")
@click.option("--create", "given", flag_value=Answer.CREATE, type=Answer, help="it is a company of its own: make one")
@click.option("--merge", "given", flag_value=Answer.MERGE, type=Answer, help="companies: they are one")
@click.option("--not-duplicate", "given", flag_value=Answer.NOT_DUPLICATE, type=Answer, help="they are not one")
@click.option("--leave", "given", flag_value=Answer.LEAVE, type=Answer, help="do nothing, and do not ask again for now")
@click.option("--company", help="the candidate meant: the CRM's id, or # and Debitor's own")
@click.option("--debtor", type=click.IntRange(1, 999_999_999), help="only this debtor of the group, by number")
@click.option("--agreement", type=AGREEMENT, help="whose debtor; needed when there are several")
@click.option("--all", "everything", is_flag=True, help="every open alert of the reason")
@click.option("--reason", type=_REASON, help="which alerts --all means")
@JSON
def decide(
    alert_id: int | None,
    given: Answer | None,
    company: str | None,
    debtor: int | None,
    agreement: int | None,
    everything: bool,
    reason: str | None,
    as_json: bool,
) -> None:
    """Answer one alert, or all of one reason at once; either can be undone."""
    if given is None:
        raise click.UsageError("say what it is: --link, --create, --merge, --not-duplicate or --leave")
    if everything == (alert_id is not None) or everything != (reason is not None):
        raise click.UsageError("name one alert, or all of one reason with --all --reason REASON")
    if everything and (company or debtor):
        raise click.UsageError("--company and --debtor belong to one alert")
    with connected() as services:
        firm = ensure_firm(services.database)
        transaction = answering(services.database, firm)
        if reason is not None:
            done = answer_all(transaction, AlertReason(reason), given, who=WHO)
        else:
            assert alert_id is not None
            choice = Choice(
                given, _company(services, firm, company), _record(services, firm, alert_id, debtor, agreement)
            )
            with transaction() as stores:
                done = answer(stores, alert_id, choice, who=WHO)
    if as_json:
        print_json(shapes.answered(done))
        return
    _print_answered(done)


@alerts.command()
@click.argument("alert_id", metavar="[ID]", type=int, required=False)
@click.option("--decision", type=click.IntRange(1), help="everything that was answered together")
@JSON
def undo(alert_id: int | None, decision: int | None, as_json: bool) -> None:
    """Take back the last answer to an alert, or all answers of one decision; what changed since stays."""
    if (alert_id is None) == (decision is None):
        raise click.UsageError("name one alert, or a decision with --decision")
    with connected() as services:
        transaction = answering(services.database, ensure_firm(services.database))
        if decision is not None:
            outcomes = undo_all(transaction, decision, who=WHO)
        else:
            assert alert_id is not None
            with transaction() as stores:
                outcomes = undo_answer(stores, alert_id, who=WHO)
    if as_json:
        print_json([shapes.outcome(each) for each in outcomes])
        return
    undone = [each for each in outcomes if each.problem is None]
    click.echo(f"{counted(len(undone), 'answer')} taken back: they are asked about again.")
    for each in undone:
        if each.kept:
            click.echo(f"{each.name}: what came later stays with the survivor: {', '.join(each.kept)}.")
    _print_problems(outcomes)


def _company(services: Services, firm: int, name: str | None) -> int | None:
    if name is None:
        return None
    with services.database.read() as connection:
        found = company_views.find(connection, firm, name)
    if found is None:
        raise CommandFailed(f"there is no company {name}")
    return found


def _record(
    services: Services, firm: int, alert_id: int, number: int | None, agreement: int | None
) -> RecordRef | None:
    if number is None:
        return None
    whose = agreement or only_agreement(services)
    with services.database.read() as connection:
        found = alert_views.one(connection, services.database.sql, firm, alert_id)
    for each in found.records if found else ():
        if (each.record.agreement, each.record.number) == (whose, number):
            return RecordRef(RecordKind.DEBTOR, each.record.id)
    raise CommandFailed(f"debtor {number} of agreement {whose} is not in alert {alert_id}")


def _print_answered(done: Answered) -> None:
    answered = [each for each in done.outcomes if each.problem is None]
    for each in answered[:20]:
        company = "" if each.company is None else f": company #{each.company}"
        click.echo(f"{each.name} {_said(each)}{company}.")
    if more := answered[20:]:
        click.echo(f"… and {counted(len(more), 'record')} more.")
    if done.decision is not None:
        click.echo(f"To take it back: debitor companies alerts undo --decision {done.decision}")
    elif not done.outcomes:
        click.echo("There are no such alerts.")
    _print_problems(done.outcomes)


def _said(outcome: Outcome) -> str:
    assert outcome.ending is not None
    return {"linked": "is linked", "created": "is a new company", "merged": "is merged"}.get(
        outcome.ending.value, outcome.ending.value.replace("_", " ")
    )


def _print_problems(outcomes: Sequence[Outcome]) -> None:
    problems = [(each.alert, each.problem) for each in outcomes if each.problem is not None]
    if problems:
        print_table(["alert", "left as it is, because"], problems[:50])
        if more := problems[50:]:
            click.echo(f"… and {counted(len(more), 'record')} more; --json has them all.")


def _print_record(each: ShownRecord) -> None:
    click.echo("")
    click.echo(_known(each.record))
    if each.ending is not None:
        by_decision = "" if each.decision is None else f", decision {each.decision}"
        click.echo(f"  {each.ending.value.replace('_', ' ')} by {each.by}{by_decision}")
    for candidate in each.candidates:
        click.echo(f"  {candidate.score:5.1f}  {_known(candidate.company)}")
        click.echo(f"         for: {', '.join(candidate.reasons) or '-'}")
        if candidate.against:
            click.echo(f"         against: {', '.join(candidate.against)}")
    if each.proposed is not None:
        click.echo(f"  proposed: {each.proposed.value.replace('_', ' ')}")


def _known(one: Known) -> str:
    place = " ".join(filter(None, (one.zip, one.city)))
    vat = f"CVR {one.vat}" if one.vat else None
    return ", ".join(filter(None, (_name(one), vat, one.street, place, one.phone, one.mail)))


def _name(one: Known) -> str:
    if one.kind is RecordKind.DEBTOR:
        return f"debtor {one.number} {one.name}"
    return f"company {one.crm_id or f'#{one.id}'} {one.name}"


def _names(known: Sequence[Known]) -> str:
    names = list(dict.fromkeys(map(_name, known)))
    return "; ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _proposed(each: Alert) -> str | None:
    said = {shown.proposed for shown in each.records if shown.ending is None}
    only = said.pop() if len(said) == 1 else None
    return None if only is None else only.value.replace("_", " ")
