"""Headings and cells of company files, as people and spreadsheets write them."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.companies import CompanyFields
from domain.company_files import Cell, FileRow, row_of
from domain.company_headings import UnusableHeadings, columns_of, heading_of, meaning

NOON = dt.datetime(2026, 5, 4, 10, tzinfo=dt.UTC)  # noon in Denmark
MIDNIGHT = dt.datetime(2026, 5, 3, 22, tzinfo=dt.UTC)


def read(field: str, cell: Cell) -> FileRow:
    row = row_of(columns_of(["name", heading_of(field)]), ["Nordvind", cell])
    assert row is not None
    return row


@pytest.mark.parametrize(
    ("heading", "field"),
    [
        ("company.name", "name"),
        ("COMPANY.RelationPrim", "relation"),
        ("company.kam", "account_manager"),
        ("company.financekey", "customer_number"),
        ("company.financestreet", "billing_street"),
        ("company.vat", "vat"),
        ("Navn", "name"),
        ("CVR-nr.", "vat"),
        ("Post nr", "zip"),
        (" E-mail ", "mail"),
        ("Kundeansvarlig", "account_manager"),
        ("Bemærkninger", "description"),
        ("Bema\u0308rkninger", None),
        ("Sidst ændret", "changed"),
        ("company.id", "id"),
        ("Saldo", None),
        ("", None),
    ],
)
def test_headings(heading: str, field: str | None) -> None:
    """ChannelCRM's headings and plain ones, in Danish and English, however they are written."""
    assert meaning(heading) == field


def test_every_field_has_a_heading_that_is_read_back() -> None:
    """What an export calls a column is what an import reads."""
    assert [meaning(heading_of(name)) for name in ("id", *CompanyFields._fields)] == ["id", *CompanyFields._fields]


@pytest.mark.parametrize(
    ("headings", "said"),
    [
        (["name", "CVR", "cvr-nr"], "'CVR' and 'cvr-nr' both hold the vat"),
        (["Saldo", "Dato"], "it has 'Saldo', 'Dato'"),
        ([], "no column"),
    ],
)
def test_headings_that_cannot_be_meant(headings: list[str], said: str) -> None:
    """The same thing twice, or nothing to know a company by: the file is refused, and says why."""
    with pytest.raises(UnusableHeadings, match=said):
        columns_of(headings)


@pytest.mark.parametrize(
    ("field", "cell", "value"),
    [
        ("vat", 31313139.0, "31313139"),
        ("vat", "31.313.139", "31313139"),
        ("vat", "31,313,139.00", "31313139"),
        ("vat", "31 313 139,0", "31313139"),
        ("vat", "DK31313139", "DK31313139"),
        ("zip", "8.700", "8700"),
        ("zip", "8.000", "8000"),
        ("zip", "8700,00", "8700"),
        ("zip", 800, "0800"),
        ("zip", '="0800"', "0800"),
        ("customer_number", 4711, "4711"),
        ("ean", "5 790 000 000 012", "5790000000012"),
        ("ean", 5790000000012.0, "5790000000012"),
        ("phone", "76.00.00.00", "76.00.00.00"),
        ("phone", "'+45 76000000", "+45 76000000"),
        ("country", "Danmark", "DK"),
        ("country", "sweden", "SE"),
        ("country", "Atlantis", "Atlantis"),
        ("relation", "Kunde", "customer"),
        ("relation", "Emne", "prospect"),
        ("relation", "Leverandør", "leverandør"),
        ("city", " Århus\u0000 ", "Århus"),
        ("city", "A\u030arhus", "Århus"),
        ("city", "  ", None),
        ("description", "to\nlinjer", "to\nlinjer"),
        ("description", True, "true"),
        ("description", dt.date(2026, 5, 4), "2026-05-04"),
    ],
)
def test_cells(field: str, cell: Cell, value: str | None) -> None:
    """A cell is what was meant, not what the spreadsheet made of it."""
    row = read(field, cell)
    assert row.record is not None, row.problem
    assert row.record.values[field] == value


@pytest.mark.parametrize(
    ("field", "cell", "said"),
    [
        ("ean", "5,79E+12", "shortened"),
        ("vat", "#REF!", "error #REF!"),
        ("city", "=VLOOKUP(A1;B:C;2)", "formula"),
        ("city", "x" * 501, "longer than 500"),
        ("city", "Odense \ufffd", "encoding"),
        ("changed", "in May", "no date"),
        ("changed", "31-02-2026", "no date"),
        ("changed", 12, "no date"),
    ],
)
def test_bad_cells(field: str, cell: Cell, said: str) -> None:
    """A cell that cannot be meant is named with its column, and the row is not used."""
    row = read(field, cell)
    assert row.record is None
    assert row.problem is not None
    assert row.problem.column == heading_of(field)
    assert said in row.problem.problem
    assert row.name == "Nordvind"


@pytest.mark.parametrize(
    ("cell", "moment"),
    [
        ("2026-05-04T10:00:00Z", NOON),
        ("2026-05-04 12:00", NOON),
        ("04-05-2026 12:00", NOON),
        ("4.5.2026 kl. 12.00", NOON),
        ("04/05/2026", MIDNIGHT),
        ("04-05-26", MIDNIGHT),
        ("4. maj 2026", MIDNIGHT),
        ("May 4, 2026 12:00 PM", NOON),
        ("05/27/2026", MIDNIGHT + dt.timedelta(days=23)),
        (46146.5, NOON),
        (dt.datetime(2026, 5, 4, 12), NOON),  # noqa: DTZ001
        (dt.date(2026, 5, 4), MIDNIGHT),
        (None, None),
    ],
)
def test_when_a_row_was_true(cell: Cell, moment: dt.datetime | None) -> None:
    """Danish and English dates and times, and a spreadsheet's own; without a zone they are Danish."""
    row = read("changed", cell)
    assert row.record is not None, row.problem
    assert row.record.stamp == (None if moment is None else int(moment.timestamp() * 1_000_000))


def test_rows() -> None:
    """Empty rows are none, a row needs a name or an id, and a cell too many is a separator that was not quoted."""
    columns = columns_of(["id", "name", "city"])
    assert row_of(columns, ["", None, " "]) is None
    assert row_of(columns, []) is None

    nameless = row_of(columns, [None, "", "Horsens"])
    assert nameless is not None
    assert nameless.problem is not None
    assert (nameless.problem.column, nameless.problem.problem) == ("name", "is empty")
    by_id = row_of(columns, [17, None, "Horsens", ""])
    assert by_id is not None
    assert by_id.record is not None
    assert (by_id.record.crm_id, by_id.record.values) == ("17", {"name": None, "city": "Horsens"})
    many = row_of(columns, ["1", "Nordvind", "Horsens", "DK"])
    assert many is not None
    assert many.problem is not None


@given(
    st.lists(st.none() | st.text() | st.floats() | st.integers() | st.booleans() | st.dates() | st.times(), max_size=5)
)
def test_whatever_is_in_a_row(cells: list[Cell]) -> None:
    """Any cells at all are a record, a problem with its column, or nothing."""
    row = row_of(columns_of(["name", "vat", "zip", "changed"]), cells)
    assert row is None or (row.record is None) is (row.problem is not None)
