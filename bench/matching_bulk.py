"""
A whole register against a whole CRM in one process: normalise, look up, judge. Run as a process of its own by
`bench.matching`, which measures it; reads two files of one JSON array per line, prints one JSON object.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from domain.matching.index import MemoryIndex, look_up
from domain.matching.records import RawRecord, Record, normalise
from domain.matching.verdicts import Action, judge

AT_ONCE = 200


def write(path: Path, records: list[RawRecord]) -> None:
    """One line each, for `read`."""
    with path.open("w") as file:
        for record in records:
            file.write(json.dumps([getattr(record, name) for name in RawRecord.__slots__]) + "\n")


def read(path: Path) -> Iterator[Record]:
    """Normalised one by one, so that no raw register is held."""
    with path.open() as file:
        for line in file:
            values = json.loads(line)
            values[_PHONES] = tuple(values[_PHONES])
            yield normalise(RawRecord(*values))


_PHONES = RawRecord.__slots__.index("phones")


def main(companies: Path, debtors: Path) -> None:
    started = time.perf_counter()
    index = MemoryIndex()
    for company, record in enumerate(read(companies)):
        index.add(company, record)
    indexed = time.perf_counter()
    counts = dict.fromkeys(Action, 0)
    capped = 0
    records = read(debtors)
    while some := list(islice(records, AT_ONCE)):
        for record, found in zip(some, look_up(some, index), strict=True):
            verdict = judge(record, found)
            counts[verdict.action] += 1
            capped += verdict.capped
    ended = time.perf_counter()
    # Not getrusage: its peak is inherited from the process that started this one.
    peak_kb = int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
    result = {
        "seconds": ended - started,
        "index_seconds": indexed - started,
        "peak_mb": peak_kb / 1024,
        "capped": capped,
    }
    print(json.dumps({**result, **{str(action): count for action, count in counts.items()}}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
