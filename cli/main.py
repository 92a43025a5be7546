"""
`debitor`: commands are loaded when they are called, so that each starts fast and the metrics' set-up comes first.
"""

from __future__ import annotations

import importlib
import sys

import click

from domain.errors import DebitorError

COMMANDS = {
    "agreement": "cli.agreement:agreement",
    "api-token": "cli.people:api_token",
    "companies": "cli.companies:companies",
    "convert": "cli.convert:convert",
    "crm": "cli.crm:crm",
    "dead-letters": "cli.failures:dead_letters",
    "debtors": "cli.debtors:debtors",
    "demo": "cli.demo:demo",
    "failures": "cli.failures:failures",
    "import": "cli.imports:import_",
    "link": "cli.links:link",
    "migrate": "cli.processes:migrate",
    "resync": "cli.resync:resync",
    "sandbox": "cli.processes:sandbox",
    "scheduler": "cli.processes:scheduler",
    "secrets": "cli.people:secrets",
    "serve": "cli.processes:serve",
    "status": "cli.status:status",
    "unlink": "cli.links:unlink",
    "up": "cli.processes:up",
    "user": "cli.people:user",
    "worker": "cli.processes:worker",
}


class Commands(click.Group):
    """Finds commands by COMMANDS; whatever Debitor raises on purpose ends in one line and exit code 1."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[name].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except DebitorError as error:
            click.echo(f"debitor: {error}", err=True)
            sys.exit(1)


@click.command(cls=Commands)
@click.version_option(package_name="debitor")
def main() -> None:
    """Debitor keeps a CRM and Visma e-conomic in step."""
