"""Agreement between raters, and what the true labels are when raters err.

Ratings are a table of shape (raters, items), NaN where a rater did not rate an item. Chance-corrected coefficients
mislead when one category dominates, so they come with the confusion matrix. Intervals resample items, which are the
prompts; ratings of one item stay together.

Sources: Cohen 1960; Krippendorff 2011, "Computing Krippendorff's alpha-reliability"; Dawid & Skene 1979.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from evalsuite.errors import StatisticsError
from evalsuite.stats.intervals import Interval, mean_interval
from evalsuite.stats.standard_errors import FloatArray, IntArray, check_level, cluster_codes

Scale = Literal["nominal", "ordinal", "interval"]

# Below these sizes Dawid-Skene's confusion matrices are guesses.
DAWID_SKENE_RATERS = 3
DAWID_SKENE_ITEMS = 200


@dataclass(frozen=True)
class Agreement:
    """Agreement of two raters.

    Attributes:
        raw: share of items with equal labels.
        kappa: Cohen's kappa with a bootstrap interval; None when chance agreement is 1 (a single category).
        categories: labels in increasing order.
        confusion: counts, shape (C, C), rows being the first rater's labels, columns the second's.
        n, n_missing: items rated by both, and items left out.
    """

    raw: Interval
    kappa: Interval | None
    categories: tuple[float, ...]
    confusion: IntArray
    n: int
    n_missing: int


@dataclass(frozen=True)
class DawidSkene:
    """Truth and raters' errors estimated together.

    Attributes:
        posterior: P(item has category), shape (n, C).
        labels: most probable category of each item, shape (n,).
        confusion: P(rater says column | truth is row), shape (raters, C, C).
        prevalence: share of each category, shape (C,).
        categories: labels in increasing order.
        iterations: steps taken; converged: whether the posterior had settled.
        too_small: fewer raters or items than the estimates need to mean much.
    """

    posterior: FloatArray
    labels: FloatArray
    confusion: FloatArray
    prevalence: FloatArray
    categories: tuple[float, ...]
    iterations: int
    converged: bool
    too_small: bool


def agree(
    first: ArrayLike,
    second: ArrayLike,
    *,
    rng: np.random.Generator,
    clusters: ArrayLike | None = None,
    level: float = 0.95,
    draws: int = 2000,
) -> Agreement:
    """Raw agreement, Cohen's kappa and confusion matrix of two raters of the same items.

    Args:
        first, second: numeric labels, shape (n,), NaN when missing.
        rng: source of the bootstrap.
        clusters: prompt of each item, shape (n,); default every item its own.

    Raises:
        StatisticsError: no item rated by both.
    """
    table = _ratings([first, second])
    both = ~np.isnan(table).any(axis=0)
    if not both.any():
        raise StatisticsError("no item was rated by both raters")
    categories, codes = np.unique(table[:, both], return_inverse=True)
    codes = codes.reshape(2, -1)
    size = len(categories)
    cell = codes[0] * size + codes[1]
    groups = None if clusters is None else _aligned(clusters, table.shape[1])[both]

    def kappa(weights: FloatArray) -> float:
        joint = np.bincount(cell, weights, size * size).reshape(size, size) / weights.sum()
        chance = float(joint.sum(axis=1) @ joint.sum(axis=0))
        return (float(np.trace(joint)) - chance) / (1 - chance) if chance < 1 - 1e-12 else math.nan

    return Agreement(
        raw=mean_interval((codes[0] == codes[1]).astype(np.float64), groups, level),
        kappa=_bootstrap(kappa, len(cell), groups, rng, level, draws, "Cohen's kappa"),
        categories=tuple(float(c) for c in categories),
        confusion=np.bincount(cell, minlength=size * size).reshape(size, size).astype(np.int64),
        n=len(cell),
        n_missing=table.shape[1] - len(cell),
    )


def krippendorff_alpha(
    ratings: ArrayLike,
    scale: Scale,
    *,
    rng: np.random.Generator,
    clusters: ArrayLike | None = None,
    level: float = 0.95,
    draws: int = 2000,
) -> Interval | None:
    """Krippendorff's alpha of any number of raters, with a percentile bootstrap over items.

    Args:
        ratings: shape (raters, items), NaN when missing; items with fewer than two ratings do not count.
        scale: ``nominal`` for verdicts, ``ordinal`` or ``interval`` for scores.
        rng: source of the bootstrap.
        clusters: prompt of each item, shape (items,).

    Returns:
        None when no disagreement is possible, every rating being the same.

    Raises:
        StatisticsError: no item with two ratings; an unknown scale.
    """
    table = _ratings(ratings)
    rated = (~np.isnan(table)).sum(axis=0) >= 2
    if not rated.any():
        raise StatisticsError("Krippendorff's alpha needs at least one item with two ratings")
    units = table[:, rated]
    seen = ~np.isnan(units)
    values, codes = np.unique(units[seen], return_inverse=True)
    counts = np.zeros((units.shape[1], len(values)))
    np.add.at(counts, (np.nonzero(seen)[1], codes), 1.0)
    # Pairs of values within each item, each rating with weight 1 / (ratings of the item - 1).
    per_item = counts.sum(axis=1)
    groups = None if clusters is None else _aligned(clusters, table.shape[1])[rated]

    def alpha(weights: FloatArray) -> float:
        scaled = weights / (per_item - 1)
        coincidence = counts.T @ (counts * scaled[:, None]) - np.diag(counts.T @ scaled)
        marginal = coincidence.sum(axis=1)
        distance = _squared_distance(values, marginal, scale)
        expected = float(marginal @ distance @ marginal) / (float(marginal.sum()) - 1)
        return 1 - float((coincidence * distance).sum()) / expected if expected > 0 else math.nan

    return _bootstrap(alpha, len(per_item), groups, rng, level, draws, f"Krippendorff's alpha, {scale}")


def dawid_skene(ratings: ArrayLike, *, max_iterations: int = 100, tolerance: float = 1e-4) -> DawidSkene:
    """Expectation-maximisation for the true categories and each rater's confusion matrix.

    It starts from the majority vote and smooths every row of every confusion matrix, and the prevalence, with one
    pseudo-count per category (a Dirichlet(1) mean), so that no probability is 0.

    Args:
        ratings: shape (raters, items), numeric categories, NaN when missing.

    Raises:
        StatisticsError: an item without ratings, or fewer than two categories.
    """
    table = _ratings(ratings)
    seen = ~np.isnan(table)
    if not seen.any(axis=0).all():
        raise StatisticsError(f"item {int(np.argmin(seen.any(axis=0)))} has no rating")
    categories, codes = np.unique(table[seen], return_inverse=True)
    size = len(categories)
    if size < 2:
        raise StatisticsError("every rating is the same category: there is nothing to estimate")
    said = np.zeros((*table.shape, size))
    rater, item = np.nonzero(seen)
    said[rater, item, codes] = 1.0
    votes = said.sum(axis=0)
    posterior = votes / votes.sum(axis=1, keepdims=True)
    iterations, converged = 0, False
    confusion, prevalence = _maximised(said, posterior)
    while iterations < max_iterations and not converged:
        log_joint = np.log(prevalence) + np.einsum("rik,rck->ic", said, np.log(confusion))
        updated = np.exp(log_joint - np.logaddexp.reduce(log_joint, axis=1)[:, None])
        converged = bool(np.abs(updated - posterior).max() <= tolerance)
        posterior = updated
        confusion, prevalence = _maximised(said, posterior)
        iterations += 1
    too_small = table.shape[0] < DAWID_SKENE_RATERS or table.shape[1] < DAWID_SKENE_ITEMS
    labels = categories[posterior.argmax(axis=1)]
    names = tuple(float(c) for c in categories)
    return DawidSkene(posterior, labels, confusion, prevalence, names, iterations, converged, too_small)


def _maximised(said: FloatArray, posterior: FloatArray) -> tuple[FloatArray, FloatArray]:
    counts = np.einsum("ic,rik->rck", posterior, said) + 1.0
    prevalence = posterior.sum(axis=0) + 1.0
    return counts / counts.sum(axis=2, keepdims=True), prevalence / prevalence.sum()


def _ratings(ratings: ArrayLike | list[ArrayLike]) -> FloatArray:
    try:
        table = np.asarray(ratings, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise StatisticsError(f"ratings need numbers in a table of shape (raters, items) ({error})") from error
    if table.ndim != 2 or table.shape[0] < 2 or not table.shape[1] or np.isinf(table).any():
        raise StatisticsError(f"ratings need a finite table of shape (raters >= 2, items >= 1); got {table.shape}")
    return table


def _aligned(clusters: ArrayLike, n: int) -> IntArray:
    codes = cluster_codes(clusters, n)
    assert codes is not None
    return codes


def _squared_distance(values: FloatArray, marginal: FloatArray, scale: Scale) -> FloatArray:
    if scale == "nominal":
        return 1.0 - np.eye(len(values))
    if scale == "interval":
        return np.asarray((values[:, None] - values[None, :]) ** 2)
    if scale == "ordinal":
        # Ratings between two ranks, the ends counting half.
        position = np.cumsum(marginal) - marginal / 2
        return np.asarray((position[:, None] - position[None, :]) ** 2)
    raise StatisticsError(f"scale must be 'nominal', 'ordinal' or 'interval', got {scale!r}")


def _bootstrap(
    statistic: Callable[[FloatArray], float],
    n: int,
    groups: IntArray | None,
    rng: np.random.Generator,
    level: float,
    draws: int,
    name: str,
) -> Interval | None:
    """Percentile interval of a statistic of item weights; None when it is undefined on the data."""
    estimate = statistic(np.ones(n))
    if math.isnan(estimate):
        return None
    unit = np.arange(n) if groups is None else np.unique(groups, return_inverse=True)[1]
    units = int(unit.max()) + 1
    method = f"{name}, percentile bootstrap over items, {draws} draws"
    n_clusters = None if groups is None else units
    tails = [(1 - check_level(level)) / 2, (1 + level) / 2]
    if units < 2:
        return Interval(estimate, None, None, level, n, n_clusters, method, None, None)
    drawn = np.array(
        [
            statistic(np.bincount(rng.integers(units, size=units), minlength=units)[unit].astype(np.float64))
            for _ in range(draws)
        ]
    )
    drawn = drawn[~np.isnan(drawn)]
    # Resamples of a single category have no value; when they are common the quantiles of the rest are no interval.
    if len(drawn) < 0.95 * draws:
        return Interval(estimate, None, None, level, n, n_clusters, method, None, None)
    low, high = (float(q) for q in np.quantile(drawn, tails))
    error = float(drawn.std(ddof=1))
    if error == 0:
        return Interval(estimate, None, None, level, n, n_clusters, method, None, None)
    return Interval(estimate, low, high, level, n, n_clusters, method, error, None)
