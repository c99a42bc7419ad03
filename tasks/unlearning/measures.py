"""Formulas of the unlearning benchmarks; arrays in, values out.

Losses are mean negative log-likelihoods per token, in nats. Two definitions of the truth ratio are in circulation and give
different numbers: `geometric` averages the losses of the wrong answers and then exponentiates (open-unlearning and TOFU's
aggregation script), `arithmetic` averages their probabilities (TOFU's model utility in `utils.py`). Name the one you report.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalsuite.errors import StatisticsError

FloatArray = NDArray[np.float64]
Mean = Literal["geometric", "arithmetic"]
_LARGEST_EXPONENT = 700.0  # exp of more is no float any more


class ForgetQuality(NamedTuple):
    """Two-sample Kolmogorov-Smirnov test of the truth ratios; a high p-value means: like a model that never saw the data."""

    p_value: float
    distance: float
    n: int


def truth_ratio(wrong_losses: Sequence[float], right_loss: float, mean: Mean = "geometric") -> float:
    """P(wrong answers) / P(right answer) of one item (TOFU, section 2.2.3).

    Args:
        wrong_losses: loss of each perturbed answer.
        right_loss: loss of the paraphrased answer (forget and retain set) or of the answer itself (the two real sets).
    """
    losses = np.asarray(wrong_losses, dtype=np.float64)
    if not losses.size:
        raise StatisticsError("a truth ratio needs at least one perturbed answer")
    excess = np.minimum(right_loss - losses, _LARGEST_EXPONENT)
    return float(np.exp(excess.mean()) if mean == "geometric" else np.exp(excess).mean())


def option_probability(right_loss: float, wrong_losses: Sequence[float]) -> float:
    """P(right) / (P(right) + sum of P(wrong)) of one item of the real sets."""
    losses = np.array([right_loss, *wrong_losses], dtype=np.float64)
    weights = np.exp(losses.min() - losses)
    return float(weights[0] / weights.sum())


def truthfulness(ratios: ArrayLike) -> float:
    """Mean of max(0, 1 - R): how far the right answer is preferred, where it should be known."""
    return float(np.maximum(0.0, 1.0 - np.asarray(ratios, dtype=np.float64)).mean())


def indifference(ratios: ArrayLike) -> float:
    """Mean of min(R, 1/R): how little right and wrong answers differ, where nothing should be known."""
    values = np.asarray(ratios, dtype=np.float64)
    return float(np.where(values > 1.0, 1.0 / np.maximum(values, 1.0), values).mean())


def harmonic_mean(values: Sequence[float]) -> float:
    """Harmonic mean of non-negative numbers; 0 when any of them is 0 (TOFU's model utility)."""
    numbers = np.asarray(values, dtype=np.float64)
    if not numbers.size or (numbers < 0).any():
        raise StatisticsError("a harmonic mean needs numbers that are not negative, and at least one")
    return 0.0 if (numbers == 0).any() else float(len(numbers) / (1.0 / numbers).sum())


def forget_quality(unlearned: ArrayLike, retained: ArrayLike) -> ForgetQuality:
    """TOFU's forget quality: do the truth ratios on the forget set look like those of a model trained without it?

    Args:
        unlearned, retained: truth ratios of the same items, by the model under test and by the retain-only model.
    """
    from scipy.stats import ks_2samp

    first, second = (np.asarray(ratios, dtype=np.float64) for ratios in (unlearned, retained))
    if not first.size or not second.size:
        raise StatisticsError("forget quality needs truth ratios of both models")
    test = ks_2samp(first, second)
    return ForgetQuality(float(test.pvalue), float(test.statistic), len(first))


def discrimination(members: ArrayLike, others: ArrayLike) -> float:
    """P(score of a member > score of a non-member), ties counting half: the area under the ROC curve."""
    from scipy.stats import rankdata

    first, second = (np.asarray(scores, dtype=np.float64) for scores in (members, others))
    if not first.size or not second.size:
        raise StatisticsError("an area under the curve needs scores of members and of non-members")
    ranks = rankdata(np.concatenate([first, second]))[: len(first)]
    return float((ranks.sum() - len(first) * (len(first) + 1) / 2) / (len(first) * len(second)))


def privacy_leakage(area: float, reference_area: float) -> float:
    """MUSE's PrivLeak as a share: (AUC - AUC_retrained) / AUC_retrained; 0 is ideal, -1 is no unlearning at all.

    MUSE's area is P(loss-like score of a forgotten text > that of a held-out text), so memorised texts push it towards 0.
    """
    if reference_area <= 0:
        raise StatisticsError("privacy leakage is undefined for a reference area of 0")
    return (area - reference_area) / reference_area


def recovery_ratio(attacked: float, original: float, chance: float) -> float | None:
    """Share of the original ability above chance that an attack brings back; None when there was none.

    Source: (accuracy under attack - chance) / (accuracy of the original model - chance), as in arXiv 2411.12103.
    """
    return (attacked - chance) / (original - chance) if original > chance else None
