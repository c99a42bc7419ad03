"""The published TRACE tables as CSV files give the published figures, and no interval, in `results.json`."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from trace_tables import REPLAY_TRIANGLE, SEQFT_TRIANGLE, TABLES, numbers, triangle

from evalsuite.cli import main

ORDERS = {
    "": ["C-STANCE", "FOMC", "MeetingBank", "Py150", "ScienceQA", "NumGLUE-cm", "NumGLUE-ds", "20Minuten"],
    "order 2": ["NumGLUE-cm", "NumGLUE-ds", "FOMC", "20Minuten", "C-STANCE", "Py150", "MeetingBank", "ScienceQA"],
}


def imported(folder: Path, name: str, matrix: np.ndarray, form: str, order: list[str]) -> dict[str, dict[str, object]]:
    """Figures of a matrix that went through the command line; cells that are NaN are left out of the file."""
    with open(folder / f"{name}.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["stage", "trained_on", "dataset", "score"])
        for t, i in zip(*np.nonzero(~np.isnan(matrix)), strict=True):
            writer.writerow([t + 1, order[t], order[i], f"{matrix[t, i]:g}"])
    assert main(["import", form, str(folder / f"{name}.csv"), "-o", str(folder / "run")]) == 0
    content = json.loads((folder / "run" / "results.json").read_text())
    return {row["metric"]: row for row in content["estimates"] if row["model"] == "sequence"}


@pytest.mark.parametrize("form", ["matrix", "csv"])
@pytest.mark.parametrize("row", TABLES, ids=[row.split("|")[0].strip() for row in TABLES])
def test_diagonal_and_final_row_give_op_and_bwt(tmp_path: Path, row: str, form: str) -> None:
    title, learned, final, published = row.split("|")
    matrix = np.full((8, 8), np.nan)
    np.fill_diagonal(matrix, numbers(learned))
    matrix[-1] = numbers(final)
    order = ORDERS["order 2" if "order 2" in title else ""]
    found = imported(tmp_path, "table", matrix, form, order)
    op, bwt = numbers(published)
    assert found["op"]["value"] == pytest.approx(op, abs=0.001)
    assert found["bwt"]["value"] == pytest.approx(bwt, abs=0.0015)
    assert found["learning_accuracy"]["value"] == pytest.approx(np.mean(numbers(learned)))
    for metric in ("forgetting", "average_incremental_accuracy", "retention"):
        assert found[metric]["value"] is None  # they need cells that are not published
    assert all(figure["low"] is None and figure["high"] is None for figure in found.values())


TRIANGLES = pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            SEQFT_TRIANGLE,
            {
                "op": 0.48712, "bwt": -0.08257, "forgetting": 0.08257, "learning_accuracy": 0.55938,
                "average_incremental_accuracy": 0.50629,
            },
        ),
        (
            REPLAY_TRIANGLE,
            {
                "op": 0.555125, "bwt": 0.025857, "forgetting": -0.005143, "learning_accuracy": 0.5325,
                "average_incremental_accuracy": 0.569476,
            },
        ),
    ],
    ids=["SeqFT", "Replay"],
)  # fmt: skip


@TRIANGLES
def test_full_triangles_give_every_figure_without_intervals(
    tmp_path: Path, text: str, expected: dict[str, float]
) -> None:
    found = imported(tmp_path, "triangle", triangle(text), "matrix", ORDERS[""])
    for metric, value in expected.items():
        assert found[metric]["value"] == pytest.approx(value, abs=1e-5)
        assert found[metric]["low"] is None
        assert found[metric]["high"] is None


@TRIANGLES
def test_full_triangles_as_result_files_give_the_same(tmp_path: Path, text: str, expected: dict[str, float]) -> None:
    matrix = triangle(text)
    for t, i in zip(*np.nonzero(~np.isnan(matrix)), strict=True):
        cell = tmp_path / f"results-{t}-{i}-{ORDERS[''][i]}.json"
        cell.write_text(json.dumps({"eval": float(matrix[t, i]), "prompts": [], "results": [], "labels": []}))
    assert main(["import", "trace", str(tmp_path), "-o", str(tmp_path / "run")]) == 0
    content = json.loads((tmp_path / "run" / "results.json").read_text())
    found = {row["metric"]: row for row in content["estimates"] if row["model"] == "sequence"}
    for metric, value in expected.items():
        assert found[metric]["value"] == pytest.approx(value, abs=1e-5)
        assert found[metric]["low"] is None
        assert found[metric]["high"] is None
