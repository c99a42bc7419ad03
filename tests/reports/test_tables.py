from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from evalsuite.errors import UsageError
from evalsuite.records import ValidityRow
from evalsuite.reports.tables import Cell, export, frames, rows_table, validity_table


@pytest.mark.parametrize(
    ("format", "read"), [("csv", pd.read_csv), ("parquet", pd.read_parquet), ("json", pd.read_json)]
)
def test_every_table_can_be_exported_and_read_back(run_path: Path, tmp_path: Path, format: str, read: object) -> None:
    files = export([run_path], tmp_path, format)  # type: ignore[arg-type]
    assert [file.name for file in files] == [
        f"{name}.{format}" for name in ("estimates", "pairs", "validity", "audits")
    ]
    again = read(files[0])  # type: ignore[operator]
    expected = frames([run_path])["estimates"]
    assert list(again.columns) == list(expected.columns)
    pd.testing.assert_series_equal(again["value"], expected["value"])


def test_an_unknown_format_is_refused(run_path: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="xlsx"):
        export([run_path], tmp_path, "xlsx")  # type: ignore[arg-type]


def lost_of(row: ValidityRow) -> Cell:
    table = validity_table([row])
    return table.rows[0][[name for name, _ in table.columns].index("Lost")]


def test_the_ledger_shows_the_share_without_a_usable_answer() -> None:
    row = ValidityRow(task="t", model="m", role="judge", asked=100, ok=80, truncated=10, unparsed=4, error=6)
    lost = lost_of(row)
    assert (lost.shown, lost.value, lost.tone) == ("10.0%", 0.1, "bad")


def test_nothing_asked_is_not_zero_lost() -> None:
    assert lost_of(ValidityRow(task="t", model="m", role="judge", asked=0)).shown == "n/a"


def test_plain_rows_become_a_table_with_unknown_values_last_in_sorting() -> None:
    table = rows_table("k", "t", [{"a": 1, "b": "x"}, {"a": None, "b": True}])
    assert table.columns == (("a", "number"), ("b", "text"))
    assert [cell.raw for cell in table.rows[1]] == ["", "yes"]
