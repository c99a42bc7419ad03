"""Correcting a mean of judge verdicts with gold labels.

A judge that errs shrinks true differences: with sensitivity q1 and specificity q0 a binary judge turns a true difference
D into (q0 + q1 - 1) D. `prediction_powered_mean` is the correction to prefer: it needs gold labels on a random part of
the prompts of the same run and assumes nothing about the judge. `rogan_gladen` uses error rates from an older
calibration set and is only right when the judge still errs at those rates on these prompts.

Sources: Angelopoulos et al. 2023, arXiv 2311.01453 (PPI++); Rogan & Gladen 1978; Lang & Reiczigel 2014 (smoothing);
arXiv 2511.21140 (variance with estimated error rates).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri, stdtrit

from evalsuite.errors import StatisticsError
from evalsuite.stats.intervals import Interval
from evalsuite.stats.standard_errors import FloatArray, check_level, finite_scores

# Below this lower limit of sensitivity + specificity - 1 the judge is too near to guessing to be corrected.
LEAST_YOUDEN = 0.2


@dataclass(frozen=True)
class PredictionPoweredMean:
    """Mean of the gold label over all prompts.

    Attributes:
        mean: estimate with its t interval.
        weight: lambda, how far the judge's verdicts are trusted: 0 gives the plain mean of the gold labels.
        gold_only: the plain mean of the gold labels, for comparison.
        variance_ratio: variance of the estimate over that of the plain mean; None when either is unknown.
        n_gold, n_judged: prompts with gold labels, and prompts with a verdict that the estimate averages over.
    """

    mean: Interval
    weight: float
    gold_only: Interval
    variance_ratio: float | None
    n_gold: int
    n_judged: int


@dataclass(frozen=True)
class RoganGladen:
    """Rate corrected for a judge's error rates.

    Attributes:
        rate: corrected rate with its normal interval, cut at [0, 1]; None when the correction is refused.
        raw_rate: rate of positive verdicts.
        sensitivity, specificity: smoothed estimates, (k + 1)/(m + 2).
        youden: sensitivity + specificity - 1: the factor by which true differences shrink on the judge's scale.
        youden_low, youden_high: its normal interval.
        reason: why the correction was refused, or None.
    """

    rate: Interval | None
    raw_rate: float
    sensitivity: float
    specificity: float
    youden: float
    youden_low: float
    youden_high: float
    reason: str | None


def prediction_powered_mean(
    gold: ArrayLike,
    judged_gold: ArrayLike,
    judged_all: ArrayLike,
    *,
    design: Literal["disjoint", "same_sample"] = "disjoint",
    weight: float | None = None,
    level: float = 0.95,
) -> PredictionPoweredMean:
    """PPI++ estimate of the mean gold label.

    theta = lambda mean(judged_all) + mean(gold - lambda judged_gold), with the lambda of least variance:
    cov(Y, Yhat) / ((1 + m/N) var(Yhat)) for disjoint prompts, cov(Y, Yhat) / var(Yhat) when the gold prompts are a
    random part of the N judged ones.

    Args:
        gold: gold labels Y of m prompts, shape (m,).
        judged_gold: the judge's verdicts Yhat on the same prompts, shape (m,).
        judged_all: the judge's verdicts on N prompts, shape (N,): on other prompts in the ``disjoint`` design, on all
            prompts, the gold ones included, in the ``same_sample`` design.
        weight: lambda; default the estimate above, kept within [0, 1].
        level: of the interval.

    Raises:
        StatisticsError: arrays that do not match; fewer gold than 2, or fewer judged than gold in ``same_sample``.
    """
    y, y_hat = finite_scores(gold, "gold"), finite_scores(judged_gold, "judged gold")
    everywhere = finite_scores(judged_all, "judged")
    m, n = len(y), len(everywhere)
    if len(y_hat) != m or m < 2:
        raise StatisticsError(f"{m} gold labels and {len(y_hat)} verdicts on them: need equally many, and at least 2")
    if design == "same_sample" and n < m:
        raise StatisticsError(f"the {m} gold prompts are to be among the judged ones, of which there are {n}")
    if weight is None:
        weight = _least_variance_weight(y, y_hat, everywhere, design)
    residual = y - weight * y_hat
    estimate = weight * float(everywhere.mean()) + float(residual.mean())
    variance = _disjoint_variance(residual, everywhere, weight)
    if design == "same_sample":
        variance = _same_sample_variance(y, y_hat, n, weight)
    interval = _t_interval(estimate, variance, m, n + m if design == "disjoint" else n, level, f"PPI++, {design}")
    gold_variance = float(y.var(ddof=1)) / m
    plain = _t_interval(float(y.mean()), gold_variance, m, m, level, "t")
    ratio = variance / gold_variance if gold_variance > 0 else None
    return PredictionPoweredMean(interval, weight, plain, ratio, m, n)


def rogan_gladen(
    positive: int,
    n: int,
    *,
    true_positives: int,
    gold_positives: int,
    true_negatives: int,
    gold_negatives: int,
    level: float = 0.95,
) -> RoganGladen:
    """theta = (p + q0 - 1)/(q0 + q1 - 1), with error rates from an independent calibration set.

    SE^2 = [p(1-p)/n + (1-theta)^2 q0(1-q0)/m0 + theta^2 q1(1-q1)/m1] / J^2.

    Args:
        positive, n: positive verdicts among the n prompts of this run.
        true_positives, gold_positives: positive calibration prompts judged positive, and all positive ones.
        true_negatives, gold_negatives: negative calibration prompts judged negative, and all negative ones.

    Returns:
        Without a rate, and with the reason, when the lower limit of J = q0 + q1 - 1 is below 0.2: the judge is then too
        near to guessing.

    Raises:
        StatisticsError: counts that cannot be.
    """
    counts = ((positive, n), (true_positives, gold_positives), (true_negatives, gold_negatives))
    if any(not 0 <= k <= size or size < 1 for k, size in counts):
        raise StatisticsError(f"each count needs 0 <= count <= size and size >= 1; got {counts}")
    p = positive / n
    q1 = (true_positives + 1) / (gold_positives + 2)
    q0 = (true_negatives + 1) / (gold_negatives + 2)
    youden = q0 + q1 - 1
    z = float(ndtri((1 + check_level(level)) / 2))
    errors = q0 * (1 - q0) / gold_negatives, q1 * (1 - q1) / gold_positives
    low, high = (youden + side * z * math.sqrt(sum(errors)) for side in (-1, 1))
    if low < LEAST_YOUDEN:
        reason = (
            f"sensitivity + specificity - 1 is {youden:.2f} with a lower limit of {low:.2f}, below {LEAST_YOUDEN}: the judge "
            "is too near to guessing to be corrected; use a better judge or more calibration prompts"
        )
        return RoganGladen(None, p, q1, q0, youden, low, high, reason)
    theta = min(max((p + q0 - 1) / youden, 0.0), 1.0)
    # The smoothed share keeps the sampling term from vanishing when every verdict is the same.
    share = (positive + 1) / (n + 2)
    variance = (share * (1 - share) / n + (1 - theta) ** 2 * errors[0] + theta**2 * errors[1]) / youden**2
    se = math.sqrt(variance)
    ends = max(theta - z * se, 0.0), min(theta + z * se, 1.0)
    rate = Interval(theta, *ends, level, n, None, "Rogan-Gladen, normal", se, None)
    return RoganGladen(rate, p, q1, q0, youden, low, high, None)


def _least_variance_weight(y: FloatArray, y_hat: FloatArray, everywhere: FloatArray, design: str) -> float:
    m, n = len(y), len(everywhere)
    pooled = np.concatenate([y_hat, everywhere]) if design == "disjoint" else everywhere
    spread = float(pooled.var(ddof=1))
    if spread == 0:
        return 0.0
    covariance = float(np.cov(y, y_hat)[0, 1])
    inflation = 1 + m / n if design == "disjoint" else 1.0
    return min(max(covariance / (inflation * spread), 0.0), 1.0)


def _disjoint_variance(residual: FloatArray, everywhere: FloatArray, weight: float) -> float:
    # One verdict elsewhere has no spread of its own; its weight is then as good as unknown.
    judged = float(everywhere.var(ddof=1)) / len(everywhere) if len(everywhere) > 1 else math.inf
    return float(residual.var(ddof=1)) / len(residual) + (weight**2 * judged if weight else 0.0)


def _same_sample_variance(y: FloatArray, y_hat: FloatArray, n: int, weight: float) -> float:
    """Two-phase sampling: the gold prompts are a random part of the n judged ones.

    Var = var(Y)/n + (1/m - 1/n) var(Y - lambda Yhat): prompts vary once, and what the judge misses only on m of them.
    """
    residual = y - weight * y_hat
    return float(y.var(ddof=1)) / n + (1 / len(y) - 1 / n) * float(residual.var(ddof=1))


def _t_interval(estimate: float, variance: float, m: int, n: int, level: float, method: str) -> Interval:
    if variance == 0 or not math.isfinite(variance):
        return Interval(estimate, None, None, level, n, None, method, None, None)
    se = math.sqrt(variance)
    half = float(stdtrit(m - 1, (1 + check_level(level)) / 2)) * se
    return Interval(estimate, estimate - half, estimate + half, level, n, None, method, se, m - 1.0)
