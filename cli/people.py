"""
`debitor user`, `debitor api-token`, `debitor secrets`: who may come in, and the keys of what is stored.
"""

from __future__ import annotations

import secrets as random_secrets

import click

from cli.output import JSON, connected, counted, print_json, print_table, read_secret
from infra.database.sealed import reseal
from infra.database.users import SCOPES, ApiTokens, Role, Users

_EMAIL = click.argument("email")
_STDIN = click.option("--password-stdin", is_flag=True, help="read the password from standard input")


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return read_secret("The password")
    entered: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return entered


@click.group()
def user() -> None:
    """People who may sign in."""


@user.command("add")
@_EMAIL
@click.option("--role", required=True, type=click.Choice([role.value for role in Role]))
@_STDIN
def add_user(email: str, role: str, password_stdin: bool) -> None:
    """Let a person sign in."""
    with connected() as services:
        added = Users(services.database).add(email, _password(password_stdin), role)
    click.echo(f"{added.email} may sign in as {added.role}.")


@user.command("list")
@JSON
def list_users(as_json: bool) -> None:
    """List everybody, disabled people included."""
    with connected() as services:
        found = Users(services.database).list()
    if as_json:
        fields = ("email", "role", "created_at", "disabled_at")
        print_json([{name: getattr(each, name) for name in fields} for each in found])
        return
    print_table(
        ["e-mail", "role", "since", "disabled"],
        [(each.email, each.role, each.created_at, each.disabled_at) for each in found],
        empty="There is nobody yet; `debitor user add EMAIL --role admin` adds somebody.",
    )


@user.command("passwd")
@_EMAIL
@_STDIN
def set_password(email: str, password_stdin: bool) -> None:
    """Give a person a new password; their open sessions end."""
    with connected() as services:
        Users(services.database).set_password(email, _password(password_stdin))
    click.echo(f"{email} has a new password.")


@user.command("disable")
@_EMAIL
def disable_user(email: str) -> None:
    """End a person's sessions and let them sign in no more."""
    with connected() as services:
        Users(services.database).disable(email)
    click.echo(f"{email} may sign in no more.")


@click.group()
def api_token() -> None:
    """Tokens of programs that call the API."""


@api_token.command("create")
@click.argument("name", required=False)
@click.option(
    "--scope", "scopes", multiple=True, required=True, type=click.Choice(sorted(SCOPES)), help="may be given repeatedly"
)
@JSON
def create_token(name: str | None, scopes: tuple[str, ...], as_json: bool) -> None:
    """Make a token, named so that it can be told apart; it is shown this once."""
    name = name or f"token-{random_secrets.token_hex(3)}"
    with connected() as services:
        token = ApiTokens(services.database).create(name, scopes)
    if as_json:
        print_json({"name": name, "scopes": sorted(scopes), "token": token})
        return
    click.echo(f"Token {name} is shown this once; keep it now:", err=True)
    click.echo(token)


@api_token.command("list")
@JSON
def list_tokens(as_json: bool) -> None:
    """List every token, revoked ones included; never the tokens themselves."""
    with connected() as services:
        found = ApiTokens(services.database).list()
    if as_json:
        fields = ("name", "scopes", "created_at", "revoked_at")
        print_json([{name: getattr(each, name) for name in fields} for each in found])
        return
    print_table(
        ["name", "scopes", "since", "revoked"],
        [(each.name, " ".join(sorted(each.scopes)), each.created_at, each.revoked_at) for each in found],
        empty="There are none; `debitor api-token create NAME --scope SCOPE` makes one.",
    )


@api_token.command("revoke")
@click.argument("name")
def revoke_token(name: str) -> None:
    """Refuse a token from now on."""
    with connected() as services:
        ApiTokens(services.database).revoke(name)
    click.echo(f"Token {name} is refused from now on.")


@click.group()
def secrets() -> None:
    """Secrets as they are stored."""


@secrets.command()
def rotate() -> None:
    """Encrypt every stored secret with the first key of DEBITOR_SECRET_KEY."""
    with connected() as services:
        count = reseal(services.database, services.secrets)
    click.echo(f"{counted(count, 'secret')} encrypted with the first key; the others may leave DEBITOR_SECRET_KEY now.")
