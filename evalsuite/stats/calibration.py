"""Accuracy and calibration of scores that predict which of two answers is preferred.

A margin is d = r(chosen) - r(rejected), in logits: a reward model trained by Bradley-Terry claims
P(chosen preferred) = sigmoid(d). The chosen answer is the preferred one on every row, so accuracy and calibration are
read folded: the confidence of the prediction is max(p, 1 - p), and it is right when d > 0. A tie, d = 0, predicts
nothing and counts as half right. Several rejected answers to one prompt are one cluster.

Sources: Guo et al. 2017, arXiv 1706.04599 (expected calibration error, temperature); Bai et al. 2022, arXiv 2204.05862
(calibration of preference models).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import expit

from evalsuite.errors import StatisticsError
from evalsuite.stats.intervals import Interval, mean_interval, wilson
from evalsuite.stats.standard_errors import cluster_codes, finite_scores

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

Binning = Literal["equal_width", "equal_mass"]

# A temperature below this has its likelihood maximum at 0: every pair of the fitting half was ordered rightly.
LEAST_TEMPERATURE = 1e-6


@dataclass(frozen=True)
class PairwiseAccuracy:
    """Share of pairs ordered rightly.

    Attributes:
        accuracy: with its interval, under the stated convention for ties.
        tie_score: what a tie was worth.
        n_right, n_wrong, n_ties: counts of pairs.
    """

    accuracy: Interval
    tie_score: float
    n_right: int
    n_wrong: int
    n_ties: int


@dataclass(frozen=True)
class MarginSummary:
    """Distribution of the margins; ``accuracy_by_size`` is accuracy (ties half) over equal-mass bins of |margin|."""

    mean: Interval
    median: float
    standard_deviation: float
    histogram_edges: tuple[float, ...]
    histogram_counts: tuple[int, ...]
    accuracy_by_size: tuple[ReliabilityBin, ...]


@dataclass(frozen=True)
class ReliabilityBin:
    """Pairs whose predicted value lies in [low, high): what was predicted and what happened.

    ``predicted`` is the mean of the binned quantity, ``observed`` the share of wins with ties as half, and
    ``observed_low`` to ``observed_high`` its 95% Wilson interval (None for fewer than two pairs; None with ties).
    """

    low: float
    high: float
    n: int
    predicted: float
    observed: float
    observed_low: float | None
    observed_high: float | None


@dataclass(frozen=True)
class TemperatureFit:
    """Temperature T of sigmoid(d / T), fitted on one half of the pairs and judged on the other.

    ``temperature`` and the figures after it are None, with the ``reason``, when the likelihood has no maximum.
    """

    temperature: float | None
    nll_before: float
    nll_after: float | None
    ece_before: float
    ece_after: float | None
    n_fitted: int
    n_held_out: int
    reason: str | None


def pairwise_accuracy(
    margins: ArrayLike,
    *,
    tie_score: float = 0.5,
    tie_tolerance: float = 0.0,
    clusters: ArrayLike | None = None,
    level: float = 0.95,
) -> PairwiseAccuracy:
    """Share of pairs with the chosen answer above the rejected one.

    Args:
        margins: r(chosen) - r(rejected), shape (n,). Failed pairs must be left out (and counted) by the caller.
        tie_score: worth of a tie. RewardBench's classifier script gives 0, its generative script 0.5; a constant reward
            scores 0 under the one and 0.5 under the other.
        tie_tolerance: |margin| up to this is a tie; low-precision scorers tie often.
        clusters: prompt of each pair, shape (n,).
        level: of the interval.

    Raises:
        StatisticsError: no margins, or margins that are not finite.
    """
    d = finite_scores(margins, "margins")
    tied = np.abs(d) <= tie_tolerance
    score = np.where(tied, tie_score, (d > 0).astype(np.float64))
    ties, right = int(tied.sum()), int(((d > 0) & ~tied).sum())
    return PairwiseAccuracy(mean_interval(score, clusters, level), tie_score, right, len(d) - right - ties, ties)


def negative_log_likelihood(margins: ArrayLike) -> float:
    """Mean of ln(1 + exp(-d)), in nats; ln 2 for a constant reward."""
    return float(np.logaddexp(0.0, -finite_scores(margins, "margins")).mean())


def brier_score(margins: ArrayLike) -> float:
    """Mean of (1 - sigmoid(d))^2; 0.25 for a constant reward."""
    return float((expit(-finite_scores(margins, "margins")) ** 2).mean())


def expected_calibration_error(margins: ArrayLike, *, bins: int = 10, binning: Binning = "equal_width") -> float:
    """sum_b n_b/n |accuracy_b - mean confidence_b| over bins of the folded confidence on [0.5, 1].

    ``equal_mass`` bins hold the same number of pairs each; equal confidences are never split between bins.
    """
    table = reliability_curve(margins, bins=bins, binning=binning)
    total = sum(row.n for row in table)
    return sum(row.n * abs(row.observed - row.predicted) for row in table) / total


def reliability_curve(
    margins: ArrayLike,
    *,
    bins: int = 10,
    binning: Binning = "equal_width",
    rng: np.random.Generator | None = None,
) -> tuple[ReliabilityBin, ...]:
    """Predicted against observed, for the non-empty bins in order.

    Without ``rng`` the curve is folded: confidence on [0.5, 1] against accuracy. With it, every pair is turned round
    with probability one half, and P(first answer preferred) on [0, 1] stands against the share of first answers that
    were: this shows how the score itself behaves on both sides of 0.
    """
    d = finite_scores(margins, "margins")
    right = np.where(d == 0, 0.5, (d > 0).astype(np.float64))
    if rng is None:
        return _binned(expit(np.abs(d)), right, _edges(expit(np.abs(d)), 0.5, bins, binning))
    turned = rng.random(len(d)) < 0.5
    predicted = expit(np.where(turned, -d, d))
    won = np.where(turned, 0.0, 1.0)
    return _binned(predicted, won, _edges(predicted, 0.0, bins, binning))


def summarise_margins(
    margins: ArrayLike, *, bins: int = 10, clusters: ArrayLike | None = None, level: float = 0.95
) -> MarginSummary:
    """Mean (with interval), median, spread, histogram over ``bins`` equal widths, and accuracy by size of the margin."""
    d = finite_scores(margins, "margins")
    counts, edges = np.histogram(d, bins=bins)
    size = np.abs(d)
    right = np.where(d == 0, 0.5, (d > 0).astype(np.float64))
    return MarginSummary(
        mean=mean_interval(d, clusters, level, kind="real"),
        median=float(np.median(d)),
        standard_deviation=float(d.std()),
        histogram_edges=tuple(float(edge) for edge in edges),
        histogram_counts=tuple(int(count) for count in counts),
        accuracy_by_size=_binned(size, right, _edges(size, 0.0, bins, "equal_mass")),
    )


def fit_temperature(
    margins: ArrayLike, *, rng: np.random.Generator, clusters: ArrayLike | None = None, bins: int = 10
) -> TemperatureFit:
    """Fit T by maximum likelihood on a random half of the pairs (of the clusters), and report the other half.

    T > 1 means that the scores are over-confident.

    Raises:
        StatisticsError: fewer than two pairs (clusters), or margins that are not finite.
    """
    d = finite_scores(margins, "margins")
    codes = cluster_codes(clusters, len(d))
    unit = np.arange(len(d)) if codes is None else codes
    units = int(unit.max()) + 1
    if units < 2:
        raise StatisticsError("a temperature needs at least two pairs (clusters): one half fits, the other half judges")
    fitting = (rng.permutation(units) < units // 2)[unit]
    held_out = d[~fitting]
    temperature, reason = _most_likely_temperature(d[fitting])
    scaled = None if temperature is None else held_out / temperature
    return TemperatureFit(
        temperature=temperature,
        nll_before=negative_log_likelihood(held_out),
        nll_after=None if scaled is None else negative_log_likelihood(scaled),
        ece_before=expected_calibration_error(held_out, bins=bins),
        ece_after=None if scaled is None else expected_calibration_error(scaled, bins=bins),
        n_fitted=int(fitting.sum()),
        n_held_out=len(held_out),
        reason=reason,
    )


def _most_likely_temperature(d: FloatArray) -> tuple[float | None, str | None]:
    """Minimise the negative log-likelihood, which is convex in 1/T."""
    scale = float(np.abs(d).max())
    if scale == 0 or d.mean() <= 0:
        return None, "the scores do not rank the pairs better than chance: the likelihood is largest at infinite T"
    unit = d / scale

    def slope(inverse: float) -> float:
        return float(-(unit * expit(-inverse * unit)).mean())

    if (unit >= 0).all():
        return None, "every pair is ordered rightly: the likelihood is largest at T = 0"
    top = 1.0
    while slope(top) < 0 and top < scale / LEAST_TEMPERATURE:
        top *= 2
    if slope(top) < 0:
        return None, "nearly every pair is ordered rightly: the likelihood is largest near T = 0"
    return scale / float(brentq(slope, 0.0, top, xtol=1e-12, rtol=1e-12)), None


def _edges(values: FloatArray, lowest: float, bins: int, binning: Binning) -> FloatArray:
    if bins < 1:
        raise StatisticsError(f"bins must be at least 1, got {bins}")
    if binning == "equal_width":
        return np.linspace(lowest, 1.0, bins + 1)
    return np.unique(np.quantile(values, np.linspace(0, 1, bins + 1)))


def _binned(values: FloatArray, observed: FloatArray, edges: FloatArray) -> tuple[ReliabilityBin, ...]:
    """Bins [edge, next edge), the last one closed; empty bins are left out."""
    inner = edges[1:-1]
    bin_of = np.searchsorted(inner, values, side="right")
    table = []
    for b in range(len(inner) + 1):
        inside = bin_of == b
        n = int(inside.sum())
        if not n:
            continue
        wins = float(observed[inside].sum())
        # A Wilson interval is one of whole wins.
        limits = wilson(int(wins), n) if wins == int(wins) and not (observed[inside] == 0.5).any() else None
        table.append(
            ReliabilityBin(
                low=float(edges[b]),
                high=float(edges[min(b + 1, len(edges) - 1)]),
                n=n,
                predicted=float(values[inside].mean()),
                observed=wins / n,
                observed_low=None if limits is None else limits.low,
                observed_high=None if limits is None else limits.high,
            )
        )
    return tuple(table)
