"""Scores that a real reward model gave to the HH test pairs (A-LoL, Baheti et al. 2023, data/hh_test): published figures."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from evalsuite.data import read_rows
from evalsuite.stats.calibration import brier_score, expected_calibration_error, negative_log_likelihood
from evalsuite.tasks.rewards.pair_scores import pair_values

# split: pairs, accuracy, mean margin, mean NLL
PUBLISHED = {
    "harmless_base": (2312, 0.601644, 0.223110, 0.648824),
    "helpful_base": (2354, 0.658454, 0.285074, 0.618704),
    "helpful_online": (1135, 0.556828, 0.107941, 0.686595),
}
# split: ECE of ten bins of equal width, of equal mass, Brier score. Nobody published them; they are stated here, and the
# first is computed a second time below by the definition.
STATED = {
    "harmless_base": (0.031946, 0.029331, 0.229234),
    "helpful_base": (0.033950, 0.035998, 0.215794),
    "helpful_online": (0.059871, 0.060329, 0.246678),
}


@pytest.fixture(scope="module")
def margins(data_dir: Path) -> dict[str, np.ndarray]:
    path = data_dir / "lol_rl" / "hh_test_rewards.jsonl.gz"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    found: dict[str, list[float]] = {}
    for row in read_rows(path):
        found.setdefault(row["split"], []).append(row["reward_chosen"] - row["reward_rejected"])
    return {split: np.array(values) for split, values in found.items()}


@pytest.mark.parametrize("split", PUBLISHED)
def test_accuracy_margin_and_likelihood(split: str, margins: dict[str, np.ndarray]) -> None:
    n, accuracy, margin, nll = PUBLISHED[split]
    values = [pair_values(float(d)) for d in margins[split]]
    assert len(values) == n
    mean = {name: float(np.mean([value[name] for value in values])) for name in values[0]}
    assert mean["accuracy"] == pytest.approx(accuracy, abs=1e-6)
    assert mean["margin"] == pytest.approx(margin, abs=1e-6)
    assert mean["nll"] == pytest.approx(nll, abs=1e-6)


@pytest.mark.parametrize("split", STATED)
def test_calibration(split: str, margins: dict[str, np.ndarray]) -> None:
    d = margins[split]
    width, mass = expected_calibration_error(d), expected_calibration_error(d, binning="equal_mass")
    brier = float(np.mean([pair_values(float(margin))["brier"] for margin in d]))
    assert (width, mass, brier) == pytest.approx(STATED[split], abs=1e-6)
    assert brier_score(d) == pytest.approx(brier)
    assert negative_log_likelihood(d) == pytest.approx(PUBLISHED[split][3], abs=1e-6)


@pytest.mark.parametrize("split", STATED)
def test_calibration_error_by_its_definition(split: str, margins: dict[str, np.ndarray]) -> None:
    bins: dict[int, list[tuple[float, float]]] = {}
    for d in margins[split]:
        confidence = 1 / (1 + math.exp(-abs(d)))
        correct = 0.5 if d == 0 else float(d > 0)
        bins.setdefault(min(math.floor((confidence - 0.5) / 0.05), 9), []).append((confidence, correct))
    total = sum(map(len, bins.values()))
    error = sum(abs(sum(correct - confidence for confidence, correct in part)) for part in bins.values()) / total
    assert expected_calibration_error(margins[split]) == pytest.approx(error, abs=1e-9)
