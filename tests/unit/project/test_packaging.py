"""What installs Debitor: pins, package data, the image, the compose file."""

from __future__ import annotations

import fnmatch
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml

from cli.main import COMMANDS
from consumers.actors import declare_actors
from infra.bootstrap import Services
from infra.broker import topology
from infra.broker.brokers import make_broker

ROOT = Path(__file__).resolve().parents[3]
OURS = ("migrate", "web", "worker", "scheduler")


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    """The services of docker-compose.yml."""
    return cast(dict[str, dict[str, Any]], yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"])


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().split()
    return {canonical(name): version for name, _, version in (line.partition("==") for line in lines)}


def test_constraints_are_pins_only() -> None:
    """constraints.txt holds `name==version` and nothing else: no address, no option."""
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        assert re.fullmatch(r"[A-Za-z0-9_.-]+==[A-Za-z0-9.]+", line), line


def test_every_dependency_is_pinned(project: dict[str, Any]) -> None:
    """Each direct dependency has a pin that its own range allows."""
    wanted = [*project["project"]["dependencies"], *project["project"]["optional-dependencies"]["dev"]]
    for requirement in wanted:
        match = re.fullmatch(r"([A-Za-z0-9_-]+)(?:\[[a-z,]+\])?>=([0-9.]+)", requirement)
        assert match, requirement
        pinned = pins().get(canonical(match[1]))
        assert pinned, f"{requirement} has no pin"
        assert numbers(pinned) >= numbers(match[2]), requirement


def numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".") if part.isdigit()]


def test_package_data_reaches_the_wheel(project: dict[str, Any]) -> None:
    """Every file of the product's packages that is no Python is matched by package-data."""
    setuptools = project["tool"]["setuptools"]
    packages = [pattern.rstrip("*") for pattern in setuptools["packages"]["find"]["include"]]
    for package in packages:
        for file in (ROOT / package).rglob("*"):
            if file.is_dir() or file.suffix in {".py", ".pyc", ".md"} or file.name.startswith("."):
                continue
            path = str(file.relative_to(ROOT))
            assert any(
                fnmatch.fnmatch(path, f"{owner.replace('.', '/')}/{pattern}".replace("**/*", "*"))
                for owner, patterns in setuptools["package-data"].items()
                for pattern in patterns
            ), path


def test_all_packages_are_listed(project: dict[str, Any]) -> None:
    """Every top-level package of the product is installed, checked by mypy and held to the import rules."""
    tops = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"bench", "tests"}
    tool = project["tool"]
    assert {pattern.rstrip("*") for pattern in tool["setuptools"]["packages"]["find"]["include"]} == tops
    assert set(tool["mypy"]["packages"]) == tops
    assert set(tool["importlinter"]["root_packages"]) == tops


def test_no_test_is_forgotten(project: dict[str, Any]) -> None:
    """Every folder with tests is run by `make test`."""
    listed = project["tool"]["pytest"]["ini_options"]["testpaths"]
    tests = {file.relative_to(ROOT) for file in (ROOT / "tests").rglob("test_*.py")}
    assert {file for file in tests if not any(file.is_relative_to(path) for path in listed)} == set()


def test_the_image_has_all_packages(project: dict[str, Any]) -> None:
    """.dockerignore lets every package through, and neither settings nor data."""
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    packages = {pattern.rstrip("*") for pattern in project["tool"]["setuptools"]["packages"]["find"]["include"]}
    assert packages | {"pyproject.toml", "constraints.txt", "README.md", "LICENSE"} <= allowed
    assert not {".env", "var", ".git"} & allowed


def test_the_image_runs_unprivileged() -> None:
    """The image's last user is not root, and no secret is set in it."""
    text = (ROOT / "Dockerfile").read_text()
    assert re.findall(r"^USER (\S+)", text, re.MULTILINE)[-1] == "debitor"
    assert not re.search(r"(?i)(secret|token|password)\S*=", text)


def test_the_image_and_compose_name_this_version(project: dict[str, Any], services: dict[str, dict[str, Any]]) -> None:
    """The image's tag is the version of pyproject.toml."""
    assert {services[name]["image"] for name in OURS} == {f"debitor:{project['project']['version']}"}


@pytest.mark.parametrize("name", OURS)
def test_compose_services_run_commands(services: dict[str, dict[str, Any]], name: str) -> None:
    """Each of our services runs a command of `debitor`, restarts, and starts in the right order."""
    service = services[name]
    assert service["command"][0] == {"web": "serve"}.get(name, name)
    assert service["command"][0] in COMMANDS
    waits = {other: how["condition"] for other, how in service["depends_on"].items()}
    if name == "migrate":
        assert service["restart"] == "no"
        assert waits == {"postgres": "service_healthy"}
    else:
        assert service["restart"] == "unless-stopped"
        assert waits == {"migrate": "service_completed_successfully", "rabbitmq": "service_healthy"}
        assert "healthcheck" in service
    assert "user" not in service  # the image's own, which is not root


def test_worker_and_scheduler_tell_their_health(services: dict[str, dict[str, Any]]) -> None:
    """Processes without a web port answer health and metrics on their own address."""
    for name in ("worker", "scheduler"):
        port = services[name]["environment"]["DEBITOR_METRICS_LISTEN"].rpartition(":")[2]
        assert f"127.0.0.1:{port}/health/live" in services[name]["healthcheck"]["test"][-1]


def test_two_workers(services: dict[str, dict[str, Any]]) -> None:
    assert services["worker"]["deploy"] == {"replicas": 2}


def test_every_queue_is_consumed_by_the_worker(services: dict[str, dict[str, Any]]) -> None:
    """The worker service narrows nothing down, and each queue has an actor to consume it."""
    assert services["worker"]["command"] == ["worker"]
    broker = make_broker("memory://")
    try:
        declare_actors(broker, cast(Services, SimpleNamespace()))
        consumed = {actor.queue_name for actor in broker.actors.values()}
        assert set(topology.QUEUES) <= consumed
        assert consumed <= broker.get_declared_queues()
        routed = {route.actor for route in (*topology.ROUTES.values(), topology.RESYNC)}
        assert routed <= set(broker.actors)
    finally:
        broker.close()


def test_only_the_web_port_is_published(services: dict[str, dict[str, Any]]) -> None:
    """PostgreSQL, RabbitMQ and metrics stay inside; the web port is for a proxy on this machine."""
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert published == {"web": ["127.0.0.1:8000:8000"]}


def test_no_secret_in_compose(services: dict[str, dict[str, Any]]) -> None:
    """Whatever is secret comes from outside, and its absence is said by name."""
    for service in services.values():
        for name, value in service["environment"].items():
            if value is not None and re.search(r"KEY|SECRET|PASS|URL", name):
                assert re.search(r"\$\{(\w+):\?set \1\b", value), name
                assert not re.search(r"://[^:/]+:[^$@]+@", value), name


def test_servers_keep_their_data_and_are_unprivileged(services: dict[str, dict[str, Any]]) -> None:
    """PostgreSQL and RabbitMQ have volumes, health checks, restart and users of their own."""
    for name in ("postgres", "rabbitmq"):
        assert services[name]["volumes"][0].startswith(f"{name}:/var/lib/")
        assert services[name]["user"] == name
        assert services[name]["restart"] == "unless-stopped"
        assert "healthcheck" in services[name]


def test_ci_ends_with_the_test_command() -> None:
    """.ci/run is executable, stops at the first failure and ends with `make test` and its exit code."""
    script = ROOT / ".ci/run"
    lines = script.read_text().splitlines()
    assert script.stat().st_mode & 0o111
    assert "set -euo pipefail" in lines
    assert lines[-2:] == ['make test STATUS_FILE="$status"', 'exit "$(cat "$status")"']


def test_make_alone_says_what_it_can_do() -> None:
    """`make` prints its targets and touches nothing."""
    said = subprocess.run(["make"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for target in ("demo", "test", "lint", "types", "smoke", "bench", "bench-NAME", "wheel", "clean"):
        assert re.search(rf"^  {target} +\w", said, re.MULTILINE), target


def test_an_old_python_is_named_in_one_line(tmp_path: Path) -> None:
    """Python 3.10 ends in one clear line, before anything is made."""
    old = tmp_path / "python3.10"
    old.write_text('#!/bin/sh\ncase "$2" in *exit*) exit 1 ;; *) echo 3.10 ;; esac\n')
    old.chmod(0o755)
    ended = subprocess.run(
        ["sh", str(ROOT / "deploy/venv.sh"), "product"],
        env={"PATH": "/usr/bin:/bin", "PYTHON": str(old)},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 1
    assert len(ended.stderr.splitlines()) == 1
    assert "needs Python 3.11 or newer" in ended.stderr
    assert "3.10" in ended.stderr


def test_this_python_is_supported(project: dict[str, Any]) -> None:
    """The tests run on a Python the package allows."""
    assert project["project"]["requires-python"] == ">=3.11"
    assert sys.version_info >= (3, 11)
