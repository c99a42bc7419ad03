"""`evalsuite import alpaca_eval` gives the published AlpacaEval 2 board.

Source: tatsu-lab/alpaca_eval, weighted_alpaca_eval_gpt4_turbo leaderboard (CC-BY-NC-4.0).
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import evalsuite
from evalsuite.engine.imported import write_imported
from evalsuite.importers.formats import read_log


@pytest.fixture(scope="module")
def board(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    folder = data_dir / "alpaca_eval"
    if not (folder / "annotations").is_dir():
        pytest.skip(f"{folder} is absent")
    out = tmp_path_factory.mktemp("import") / "run"
    write_imported(read_log("alpaca_eval", [folder / "annotations"], folder), out)
    estimates = evalsuite.load(out).estimates
    whole = estimates[estimates["slice"].isna()].pivot_table(index="model", columns="metric", values="value")
    published = pd.read_csv(folder / "weighted_alpaca_eval_gpt4_turbo_leaderboard.csv", index_col=0)
    return whole.join(published.rename(columns={name: f"{name}_published" for name in whole.columns}))


@pytest.mark.parametrize("metric", ["win_rate", "discrete_win_rate"])
def test_raw_and_discrete_win_rates_equal_the_board(board: pd.DataFrame, metric: str) -> None:
    assert len(board) == 17
    assert (100 * board[metric] - board[f"{metric}_published"]).abs().max() < 1e-4


def test_length_controlled_win_rates_are_within_the_stated_tolerance(board: pd.DataFrame) -> None:
    error = (100 * board["length_controlled_win_rate"] - board["length_controlled_winrate"]).abs()
    assert error.max() < 0.15
    assert (error < 0.02).mean() >= 2 / 3
