"""
What every benchmark prints and writes.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results"
SCALE = float(os.environ.get("BENCH_SCALE", "1"))

_SHOWN = ("flask", "granian", "dramatiq", "pika", "sqlalchemy", "psycopg", "gunicorn")


def middle(values: Sequence[float]) -> float:
    """The median of a figure's rounds."""
    return float(median(values))


def write(
    name: str,
    *,
    how: str,
    rows: Sequence[Sequence[str]],
    columns: Sequence[str],
    figures: Mapping[str, float],
    ratios: Mapping[str, float],
) -> None:
    """Print the table, how it was measured, and write the JSON."""
    console = Console(width=110)
    table = Table(*columns, title=name)
    for row in rows:
        table.add_row(*row)
    console.print(table)
    console.print(how)
    for key, value in (*figures.items(), *ratios.items()):
        console.print(f"  {key} = {value:,.3f}")
    result = {
        "name": name,
        "when": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "versions": {"python": platform.python_version(), **{package: version(package) for package in _SHOWN}},
        "figures": dict(figures),
        "ratios": dict(ratios),
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(result, indent=2) + "\n")
    console.print(f"written to bench/results/{path.name}")
