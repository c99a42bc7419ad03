"""Bradley-Terry scores of the LLMFAO battles (59 models, 8,931 crowd votes) equal evalica's published golden file.

Source: dustalov/evalica, llmfao-golden.csv (Apache-2.0); data CC-BY-4.0.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evalsuite.stats.ratings import fit_bradley_terry


@pytest.mark.parametrize(
    ("battles", "golden"), [("llmfao.csv.gz", "llmfao-golden.csv"), ("simple.csv", "simple-golden.csv")]
)
def test_scores_equal_the_golden_file(data_dir: Path, battles: str, golden: str) -> None:
    folder = data_dir / "llmfao"
    if not (folder / battles).is_file():
        pytest.skip(f"{folder / battles} is absent")
    table = pd.read_csv(folder / battles).astype(str)
    models = sorted(set(table["left"]) | set(table["right"]))
    number = {model: i for i, model in enumerate(models)}
    fit = fit_bradley_terry(
        table["left"].map(number).to_numpy(),
        table["right"].map(number).to_numpy(),
        table["winner"].map({"left": 1.0, "tie": 0.5, "right": 0.0}).to_numpy(),
    )
    scores = np.exp(fit.strengths) / np.exp(fit.strengths).sum()
    expected = pd.read_csv(folder / golden).query("algorithm == 'bradley_terry'")
    expected_scores = expected.assign(item=expected["item"].astype(str)).set_index("item")["score"][models]
    np.testing.assert_allclose(scores, expected_scores.to_numpy(), rtol=1e-4)
