"""What the documents, unit files and the compose file name really exists."""

from __future__ import annotations

import importlib
import importlib.util
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from cli.main import COMMANDS
from domain import errors
from infra.settings import PREFIX, Settings, check_names

ROOT = Path(__file__).resolve().parents[3]
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
UNITS = sorted((ROOT / "deploy").glob("*.service"))
OTHERS = [ROOT / "Dockerfile", ROOT / "docker-compose.yml", ROOT / ".ci/run", ROOT / "Makefile"]
SETTINGS = {PREFIX + field.upper() for field in Settings.model_fields}


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def code(document: Path) -> str:
    """The fenced blocks and code spans of a document, one a line."""
    text = document.read_text()
    blocks = re.findall(r"^ *```\w*\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL))
    return "\n".join([*blocks, *spans])


def calls(text: str) -> Iterator[list[str]]:
    """Every `debitor …` in a text, as words after `debitor`."""
    joined = text.replace("\\\n", " ")
    for rest in re.findall(r"(?m)(?:^|[\s(/])debitor +([a-z][^\n|;&>#]*)", joined):
        words = re.sub(r"[`…)]", " ", rest).replace("'", " ").split()
        yield words


@pytest.mark.parametrize("path", [*DOCUMENTS, *UNITS, *OTHERS], ids=name)
def test_settings_exist(path: Path) -> None:
    """A DEBITOR_… name that a file mentions is a setting; a misspelt one would stop the start."""
    check_names(set(re.findall(r"\bDEBITOR_[A-Z0-9_]*[A-Z0-9]\b(?!_)(?!\*)", path.read_text())))


def test_every_setting_is_documented() -> None:
    """docs/settings.md has one row for each setting, with its default and an example."""
    rows = re.findall(r"^\| `(DEBITOR_\w+)` \|([^|]+)\|([^|]+)\|([^|]+)\|$", documented(), re.MULTILINE)
    assert sorted(row[0] for row in rows) == sorted(SETTINGS)
    assert all(cell.strip() for row in rows for cell in row)


def documented() -> str:
    return (ROOT / "docs/settings.md").read_text()


@pytest.mark.parametrize("field", sorted(Settings.model_fields))
def test_defaults_are_as_documented(field: str) -> None:
    """The default in docs/settings.md is the one in the code."""
    default = Settings.model_fields[field].get_default(call_default_factory=True)
    if default is None or default == []:
        return
    row = re.search(rf"^\| `{PREFIX}{field.upper()}` \|.*$", documented(), re.MULTILINE)
    assert row is not None
    assert f"`{default}`" in row[0].split("|")[3]


def test_every_reason_is_explained() -> None:
    """docs/operations.md explains every reason that work can wait or fail for."""
    explained = set(re.findall(r"^\| `(\w+)` \|", (ROOT / "docs/operations.md").read_text(), re.MULTILINE))
    reasons = {
        kind.reason
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.DebitorError) and not kind.__subclasses__()
    }
    assert reasons <= explained


def test_every_metric_is_explained() -> None:
    """docs/operations.md names every metric that the code makes."""
    made: set[str] = set()
    for source in (ROOT / "infra").rglob("*.py"):
        made |= set(re.findall(r'(?:Counter|Histogram|Gauge|MetricFamily)\(\s*"(debitor_\w+)"', source.read_text()))
    text = (ROOT / "docs/operations.md").read_text()
    assert made
    assert {metric for metric in made if f"`{metric}" not in text} == set()


@pytest.mark.parametrize("path", [*DOCUMENTS, *UNITS, *OTHERS], ids=name)
def test_commands_exist(path: Path) -> None:
    """Every `debitor …` that a file shows is a command, with these subcommands and options."""
    for words in calls(code(path) if path.suffix == ".md" else path.read_text()):
        assert words[0] in COMMANDS, f"debitor {' '.join(words)}"
        module, _, attribute = COMMANDS[words[0]].partition(":")
        if importlib.util.find_spec(module) is None:
            continue
        command = getattr(importlib.import_module(module), attribute)
        if words[0] != "sandbox":  # hands its arguments on
            check(command, words[1:], " ".join(words))


def check(command: click.Command, words: list[str], shown: str) -> None:
    """Subcommands and options exist; arguments are not looked at."""
    while isinstance(command, click.Group) and words and re.fullmatch(r"[a-z-]+(\|[a-z-]+)*", words[0]):
        found = command.commands.get(words[0])
        assert found is not None, f"debitor {shown}"
        command, words = found, words[1:]
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    for option in re.findall(r"--[a-z][a-z-]*", " ".join(words)):
        assert option in known | {"--help"}, f"debitor {shown}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_make_targets_exist(path: Path) -> None:
    """Every `make …` that a document shows is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z%-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for shown in re.findall(r"(?m)(?:^|\s)make ([a-z][a-zA-Z-]*)", code(path)):
        assert shown in targets or shown.startswith("bench-"), f"make {shown}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_links_lead_somewhere(path: Path) -> None:
    """A relative link of a document leads to a file that is there, and an anchor to a heading."""
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)", path.read_text()):
        file = path.parent / target if target else path
        assert file.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", file.read_text(), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", [*DOCUMENTS, *UNITS, *OTHERS], ids=name)
def test_nothing_real_in_examples(path: Path) -> None:
    """Addresses in documents are e-conomic's, this machine's, or end in .example."""
    for host in re.findall(r"https?://([a-zA-Z0-9.-]+)", path.read_text()):
        assert host.endswith((".example", "e-conomic.com")) or host in ALLOWED_HOSTS, host


ALLOWED_HOSTS = {
    "127.0.0.1",
    "localhost",
    "keepachangelog.com",
    "semver.org",
    "www.standardwebhooks.com",
    "docs.astral.sh",
}


@pytest.mark.parametrize("unit", UNITS, ids=name)
def test_units_start_debitor_unprivileged(unit: Path) -> None:
    """Each unit runs `debitor …` as its own user, hardened."""
    lines = unit.read_text().splitlines()
    (start,) = [line.removeprefix("ExecStart=") for line in lines if line.startswith("ExecStart=")]
    program, command, *_ = shlex.split(start)
    assert program == "/opt/debitor/bin/debitor"
    assert command in COMMANDS
    for wanted in ("User=debitor", "NoNewPrivileges=yes", "ProtectSystem=strict", "StateDirectory=debitor"):
        assert wanted in lines
