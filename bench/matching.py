"""
Matching: accuracy on a labelled file and on synthetic Danish firms, a whole register at once, and single look-ups.

    make bench-matching [ARGS=path/to/labelled.csv]

The labelled file (../shared/matching/organisations.csv unless another is named) has a column that says which rows are
one organisation ("True Id") and any of name, address, zip, city, phone, mail, web, CVR. Thresholds and weights are
those of the product; nothing is fitted here.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

from bench import matching_bulk, matching_danish, matching_lookup, report
from bench.servers import ROOT
from domain.matching import weights
from domain.matching.clusters import clusters
from domain.matching.index import MemoryIndex, look_up
from domain.matching.records import RawRecord, normalise
from domain.matching.verdicts import Action, Verdict, judge

LABELLED = ROOT.parent / "shared" / "matching" / "organisations.csv"
DANISH = round(20_000 * report.SCALE)
BULK = round(100_000 * report.SCALE)
FEW, MANY = max(1_000, round(10_000 * report.SCALE)), max(5_000, round(1_000_000 * report.SCALE))
LOOK_UPS = 3_000
DATABASES = (("PostgreSQL", "≤ 5 ms"), ("SQLite", "≤ 10 ms"))

HEADINGS = {
    "truth": ("true id", "true_id", "cluster", "cluster_id", "truth", "entity", "label"),
    "name": ("site name", "name", "company", "navn", "company.name"),
    "street": ("address", "street", "addr", "adresse", "company.street"),
    "zip": ("zip", "postcode", "postal code", "postnr", "company.zip"),
    "city": ("city", "town", "by", "company.city"),
    "country": ("country", "land", "company.country"),
    "phone": ("phone", "telephone", "telefon", "company.phone"),
    "mail": ("mail", "email", "e-mail", "company.mail"),
    "web": ("web", "website", "company.web"),
    "cvr": ("cvr", "vat", "company.vat"),
    "p_number": ("pno", "p_number", "company.pno"),
    "ean": ("ean",),
}


class Accuracy(NamedTuple):
    """Of pairs."""

    precision: float
    recall: float

    @property
    def f1(self) -> float:
        return 2 * self.precision * self.recall / (self.precision + self.recall or 1)


def labelled(path: Path) -> tuple[list[RawRecord], list[str]]:
    """Rows of a labelled file, and which organisation each is."""
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        rows = [
            {(key or "").strip().lower(): value or "" for key, value in row.items()} for row in csv.DictReader(file)
        ]
    columns = {field: next((name for name in names if name in rows[0]), None) for field, names in HEADINGS.items()}
    if columns["truth"] is None:
        raise SystemExit(f"{path}: no column says which rows are one; expected one of {', '.join(HEADINGS['truth'])}")

    def value(row: dict[str, str], field: str) -> str:
        return row[column] if (column := columns[field]) else ""

    records = [
        RawRecord(
            phones=(value(row, "phone"),),
            **{field: value(row, field) for field in HEADINGS if field not in ("truth", "phone")},
        )
        for row in rows
    ]
    return records, [value(row, "truth") for row in rows]


def pairs(groups: Iterable[Iterable[int]]) -> set[tuple[int, int]]:
    return {pair for group in groups for pair in combinations(sorted(group), 2)}


def duplicates(records: list[RawRecord], truth: list[str]) -> Accuracy:
    """Clusters within one file, against the labels, pair by pair."""
    normal = [normalise(record) for record in records]
    index = MemoryIndex(dict(enumerate(normal)))
    candidates = [
        found for i in range(0, len(normal), 200) for found in look_up(normal[i : i + 200], index, all_pairs=True)
    ]
    said = pairs(clusters(normal, candidates))
    by_label: dict[str, list[int]] = {}
    for i, label in enumerate(truth):
        by_label.setdefault(label, []).append(i)
    true = pairs(by_label.values())
    right = len(said & true)
    return Accuracy(right / (len(said) or 1), right / (len(true) or 1))


class Danish(NamedTuple):
    accuracy: Accuracy
    links_precision: float
    links_recall: float
    actions: Counter[Action]


def danish() -> Danish:
    """Debtors against companies: a pair is what is linked, or the first candidate of an alert if likelier than not."""
    companies = matching_danish.companies(DANISH)
    debtors = matching_danish.debtors(companies, DANISH // 2)
    index = MemoryIndex({i: normalise(company) for i, company in enumerate(companies)})
    records = [normalise(debtor.record) for debtor in debtors]
    verdicts = [judge(record, look_up([record], index)[0]) for record in records]
    true = sum(debtor.company is not None for debtor in debtors)
    said = [(_likeliest(verdict), debtor.company) for verdict, debtor in zip(verdicts, debtors, strict=True)]
    right = sum(one == company for one, company in said if one is not None)
    links = [(v.company, d.company) for v, d in zip(verdicts, debtors, strict=True) if v.action is Action.LINK]
    right_links = sum(one == company for one, company in links)
    return Danish(
        Accuracy(right / sum(one is not None for one, _ in said), right / true),
        right_links / len(links),
        right_links / true,
        Counter(verdict.action for verdict in verdicts),
    )


def _likeliest(verdict: Verdict) -> int | None:
    if verdict.action is Action.LINK:
        return verdict.company
    first = verdict.candidates[0] if verdict.candidates else None
    return first.company if first and first.score >= weights.CLUSTER else None


def bulk(directory: Path) -> dict[str, float]:
    """A register of debtors against a CRM, in a process of its own."""
    companies = matching_danish.companies(BULK)
    debtors = matching_danish.debtors(companies, BULK)
    files = directory / "companies", directory / "debtors"
    matching_bulk.write(files[0], companies)
    matching_bulk.write(files[1], [debtor.record for debtor in debtors])
    command = [sys.executable, "-m", "bench.matching_bulk", *map(str, files)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    result: dict[str, float] = json.loads(done.stdout)
    return result


def main() -> None:
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else LABELLED
    if not path.exists():
        raise SystemExit(f"bench-matching needs a labelled file; {path} is not there (ARGS=path/to/labelled.csv)")
    records, truth = labelled(path)
    organisations = duplicates(records, truth)
    synthetic = danish()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        whole = bulk(directory)
        registers = {count: matching_danish.companies(count) for count in (FEW, MANY)}
        twins = {count: matching_danish.debtors(made, LOOK_UPS, strangers=0.0) for count, made in registers.items()}
        with (
            matching_lookup.loaded("debitor_bench_matching_few", directory, registers.pop(FEW)) as few_indexes,
            matching_lookup.loaded("debitor_bench_matching_many", directory, registers.pop(MANY)) as many_indexes,
        ):
            looked_up = [
                matching_lookup.measure([(few, twins[FEW]), (many, twins[MANY])])
                for few, many in zip(few_indexes, many_indexes, strict=True)
            ]
    (few_pg, many_pg), (_, many_sqlite) = looked_up
    report.write(
        "matching",
        how=(
            f"{path.name}: {len(records):,} labelled rows, clustered. Danish: {DANISH // 2:,} synthetic debtors, three"
            f" in four of them one of {DANISH:,} companies. Bulk: {BULK:,} debtors against {BULK:,} companies, one"
            f" process, files to verdicts; {whole['capped']:,.0f} lists too long to be read. Look-ups: {LOOK_UPS:,}"
            f" planted twins one by one, two queries and the verdict, among {FEW:,} and {MANY:,} companies alternately,"
            f" through the product's own index and tables; {many_pg.capped:,} lists too long to be read among {MANY:,};"
            " the ratio is of means, the worse database's."
        ),
        columns=("what", "figure", "aim"),
        rows=[
            (f"{path.stem}: F1, precision, recall", _percents(organisations), "F1 ≥ 96.7 %"),
            ("Danish: F1, precision, recall", _percents(synthetic.accuracy), ""),
            (
                "Danish links: precision, share of twins",
                f"{synthetic.links_precision:.2%} · {synthetic.links_recall:.1%}",
                "≥ 99.5 %",
            ),
            ("Danish verdicts", " · ".join(f"{n:,} {action}" for action, n in synthetic.actions.most_common()), ""),
            ("bulk", f"{whole['seconds']:.1f} s · {whole['peak_mb']:.0f} MB", "≤ 60 s · ≤ 500 MB"),
            *(
                (
                    f"look-up among {count:,}, {database}: p99, mean, recall",
                    f"{one.p99_ms():.2f} ms · {one.mean_ms():.2f} ms · {one.recall():.1%}",
                    aim,
                )
                for (database, aim), results in zip(DATABASES, looked_up, strict=True)
                for count, one in zip((FEW, MANY), results, strict=True)
            ),
        ],
        figures={
            "organisations_f1": organisations.f1,
            "organisations_precision": organisations.precision,
            "organisations_recall": organisations.recall,
            "danish_f1": synthetic.accuracy.f1,
            "danish_autolink_precision": synthetic.links_precision,
            "danish_autolink_recall": synthetic.links_recall,
            "lookup_p99_ms_postgresql": many_pg.p99_ms(),
            "lookup_p99_ms_sqlite": many_sqlite.p99_ms(),
            "lookup_recall_10k": few_pg.recall(),
            "lookup_recall_1m": many_pg.recall(),
            "bulk_seconds": whole["seconds"],
            "bulk_peak_mb": whole["peak_mb"],
        },
        ratios={"lookup_1m_vs_10k": max(many.mean_ms() / few.mean_ms() for few, many in looked_up)},
    )


def _percents(accuracy: Accuracy) -> str:
    return f"{accuracy.f1:.1%} · {accuracy.precision:.1%} · {accuracy.recall:.1%}"


if __name__ == "__main__":
    main()
