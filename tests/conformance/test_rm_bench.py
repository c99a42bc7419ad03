"""RM-Bench: the formula of Liu et al. 2024 on planted scores, and the public files in full."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rewards_scripting import run_rewards

from evalsuite.data import DataFiles
from evalsuite.errors import DataError
from evalsuite.tasks.rewards.rm_bench import RMBench, difficulty_scores, read_row

THREE = st.lists(st.integers(-9, 9).map(float), min_size=3, max_size=3)


@pytest.mark.parametrize(
    ("chosen", "rejected", "easy", "normal", "hard"),
    [
        ([3, 3, 3], [0, 0, 0], 1, 1, 1),
        ([0, 0, 0], [0, 0, 0], 0, 0, 0),  # ties are wrong
        ([0, 1, 2], [0, 1, 2], 1, 0, 0),  # looks at style only
        ([0.5, 1.5, 2.5], [0, 1, 2], 1, 1, 0),  # style first, then substance
        ([2, 1, 0], [1.5, 0.5, 0], 0, 2 / 3, 1),  # likes it short
    ],
)
def test_easy_normal_and_hard(
    chosen: list[float], rejected: list[float], easy: float, normal: float, hard: float
) -> None:
    found = difficulty_scores(chosen, rejected)
    assert (found["easy"], found["normal"], found["hard"]) == pytest.approx((easy, normal, hard))
    assert found["average"] == pytest.approx((easy + normal + hard) / 3)


@given(THREE, THREE)
def test_the_formula_by_matrix(chosen: list[float], rejected: list[float]) -> None:
    wins = np.array(chosen)[:, None] > np.array(rejected)[None, :]
    found = difficulty_scores(chosen, rejected)
    assert found["hard"] == pytest.approx(wins[np.triu_indices(3, 1)].mean())
    assert found["easy"] == pytest.approx(wins[np.tril_indices(3, -1)].mean())
    assert found["normal"] == pytest.approx(np.diag(wins).mean())


@given(THREE, THREE, st.integers(-9, 9))
def test_a_shift_and_a_rising_transform_change_nothing(chosen: list[float], rejected: list[float], shift: int) -> None:
    before = difficulty_scores(chosen, rejected)
    assert difficulty_scores([x + shift for x in chosen], [x + shift for x in rejected]) == before
    assert difficulty_scores([x**3 for x in chosen], [x**3 for x in rejected]) == before


def test_planted_scores_over_the_public_files(data_dir: Path) -> None:
    if not (data_dir / "rm_bench").is_dir():
        pytest.skip("rm_bench is not there")
    task, data = RMBench(), DataFiles("rm_bench", root=data_dir, offline=True)
    table = run_rewards(task, {"long": lambda who, prompt, reply: float(len(reply))}, data)
    sizes = {part: len(table.values("easy", "long", part)[0]) for part in ("chat", "code", "safety")}
    assert sizes == {"chat": 129, "code": 228, "safety": 157}
    assert any("math_filtered" in note for note in data.notes)
    rows = [json.loads(json.dumps(row)) for name in ("chat", "code") for row in _raw(data_dir, name)]
    easy = [
        np.mean([len(row["chosen"][i]) > len(row["rejected"][j]) for i in range(3) for j in range(i)]) for row in rows
    ]
    found = np.concatenate([table.values("easy", "long", part)[0] for part in ("chat", "code")])
    assert found.mean() == pytest.approx(np.mean(easy))
    macro = {e.metric: e.value for e in task.derive(table)}
    by_domain = [table.values("hard", "long", part)[0].mean() for part in sizes]
    assert macro["macro_hard"] == pytest.approx(np.mean(by_domain))
    assert macro["macro_average"] == pytest.approx(
        (macro["macro_easy"] + macro["macro_normal"] + macro["macro_hard"]) / 3
    )
    (section,) = task.sections(table)
    assert len(section.rows) == 9


def _raw(data_dir: Path, name: str) -> list[dict[str, Any]]:
    from evalsuite.data import read_rows

    path = data_dir / "rm_bench" / f"{name}_filtered.json"
    return list(read_rows(path if path.is_file() else path.with_name(path.name + ".gz")))


def test_rows_of_another_shape_are_refused() -> None:
    row = {"id": 1, "prompt": "q", "chosen": ["a", "b", "c"], "rejected": ["d", "e", "f"], "domain": "math"}
    assert read_row(row, "total_dataset.json").slice == "math"
    assert read_row(row | {"domain": "safety-refuse"}, "x.json").slice == "safety"
    for broken in ({"chosen": ["a"]}, {"rejected": [1, 2, 3]}, {"domain": "poetry"}, {"prompt": None}):
        with pytest.raises(DataError):
            read_row(row | broken, "total_dataset.json")
