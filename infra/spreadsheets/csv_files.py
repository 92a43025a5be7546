"""
CSV as people's programs write it: any usual encoding and separator, found out by looking.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from domain.company_headings import meaning
from infra.spreadsheets.rows import MOST_COLUMNS, Row, Unreadable

SAMPLE = 64 * 1024
CHUNK = 256 * 1024
LONGEST_LINE = 256 * 1024
"""Bytes; what is beyond is dropped, and the row it was in is too long anyway."""

_SEPARATORS = ";,\t|"
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


@contextmanager
def read_csv(file: BinaryIO) -> Iterator[Iterator[Row]]:
    """The rows of a file that is open at its beginning. Raises Unreadable for one that is no text."""
    sample = file.read(SAMPLE)
    bom, encoding = _encoding(sample)
    file.seek(len(bom))
    yield _rows(_lines(file, encoding))


def _encoding(sample: bytes) -> tuple[bytes, str]:
    """The byte order mark, and the encoding; `utf-8` still leaves each line the choice."""
    for bom, encoding in _BOMS:
        if sample.startswith(bom):
            return bom, encoding
    nulls = sample.count(0)
    if nulls > len(sample) // 5:  # every other byte of Latin letters in UTF-16
        even = sample[::2].count(0)
        return b"", "utf-16-be" if even > nulls // 2 else "utf-16-le"
    if nulls:
        raise Unreadable("this is neither CSV nor XLSX")
    return b"", "utf-8"


def _lines(file: BinaryIO, encoding: str) -> Iterator[str]:
    """Lines with their ends, decoded one by one: a file put together from two sources has two encodings."""
    for line in _raw_lines(file, encoding):
        if encoding != "utf-8":
            yield line.decode(encoding, "replace")
            continue
        try:
            yield line.decode("utf-8")
        except UnicodeDecodeError:
            yield line.decode("cp1252", "replace")


def _raw_lines(file: BinaryIO, encoding: str) -> Iterator[bytes]:
    """Lines as bytes, ended by LF, or by CR where there is no LF; cut off at LONGEST_LINE."""
    start = file.tell()
    sample = file.read(SAMPLE)
    file.seek(start)
    end = "\n".encode(encoding)
    if end not in sample and "\r".encode(encoding) in sample:
        end = "\r".encode(encoding)
    width = len(end)
    rest, dropping = b"", False
    while chunk := file.read(CHUNK):
        rest += chunk
        begin = 0
        while (found := _find(rest, end, begin, width)) >= 0:
            if not dropping:
                yield rest[begin : found + width]
            begin, dropping = found + width, False
        rest = rest[begin:]
        if len(rest) > LONGEST_LINE:
            keep = LONGEST_LINE // width * width
            if not dropping:
                yield rest[:keep] + end
            # Two bytes a character: what is left over must stay in step.
            rest, dropping = rest[len(rest) // width * width :], True
    if rest and not dropping:
        yield rest


def _find(text: bytes, end: bytes, begin: int, width: int) -> int:
    """Where the next line ends; in UTF-16 only where a character begins."""
    found = text.find(end, begin)
    while found >= 0 and found % width != begin % width:
        found = text.find(end, found + 1)
    return found


def _rows(lines: Iterator[str]) -> Iterator[Row]:
    separator, first, skipped = _separator(lines)
    reader = csv.reader(_chain(first, lines), delimiter=separator)
    number = skipped + 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield Row(number, [], "a value is too long: perhaps a quotation mark is opened and never closed")
        else:
            yield Row(number, list(cells[:MOST_COLUMNS]))
        number = skipped + reader.line_num + 1


def _chain(first: str | None, lines: Iterator[str]) -> Iterator[str]:
    if first is not None:
        yield first
    yield from lines


def _separator(lines: Iterator[str]) -> tuple[str, str | None, int]:
    """The separator that makes most sense of the first line, that line, and how many were skipped before it."""
    for skipped, line in enumerate(lines):
        text = line.strip().strip("\ufeff")
        if text.lower().startswith("sep=") and len(text) == 5:
            return text[4], next(lines, None), skipped + 1
        if text.strip(_SEPARATORS):
            return max(_SEPARATORS, key=lambda separator: _sense(line, separator)), line, skipped
    raise Unreadable("the file has no headings")


def _sense(line: str, separator: str) -> tuple[int, int]:
    """Headings we know, and headings at all."""
    try:
        cells = next(csv.reader([line], delimiter=separator), [])
    except csv.Error:
        return 0, 0
    return sum(meaning(cell) is not None for cell in cells[:MOST_COLUMNS]), len(cells)
