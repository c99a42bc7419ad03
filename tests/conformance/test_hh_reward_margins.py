"""Accuracy, margin and log-likelihood of a real reward model on the HH test pairs.

Source: abaheti95/LoL-RL, data/hh_test/*.json (scores of OpenAssistant's reward model, as stored there).
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from evalsuite.stats.calibration import negative_log_likelihood, pairwise_accuracy, summarise_margins


@pytest.mark.parametrize(
    ("split", "n", "accuracy", "mean_margin", "nll"),
    [
        ("harmless_base", 2312, 0.601644, 0.223110, 0.648824),
        ("helpful_base", 2354, 0.658454, 0.285074, 0.618704),
        ("helpful_online", 1135, 0.556828, 0.107941, 0.686595),
    ],
)
def test_figures_of_each_split(
    data_dir: Path, split: str, n: int, accuracy: float, mean_margin: float, nll: float
) -> None:
    path = data_dir / "lol_rl" / "hh_test_rewards.jsonl.gz"
    if not path.is_file():
        pytest.skip(f"{path} is absent")
    rows = pd.read_json(path, lines=True).query("split == @split")
    margins = (rows["reward_chosen"] - rows["reward_rejected"]).to_numpy()
    assert len(margins) == n
    assert pairwise_accuracy(margins, tie_score=0.0).accuracy.estimate == pytest.approx(accuracy, abs=1e-6)
    assert summarise_margins(margins).mean.estimate == pytest.approx(mean_margin, abs=1e-6)
    assert negative_log_likelihood(margins) == pytest.approx(nll, abs=1e-6)
