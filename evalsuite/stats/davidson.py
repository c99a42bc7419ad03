"""Bradley-Terry strengths with an explicit tie parameter (Davidson 1970), for when the tie rate itself matters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evalsuite.errors import StatisticsError
from evalsuite.stats.battles import (
    Battles,
    FloatArray,
    IntArray,
    shift_free_inverse,
    strong_components,
    summed_by,
    summed_outer_products,
    unique_cells,
    validated_battles,
)

MAX_NEWTON_STEPS = 100


@dataclass(frozen=True)
class DavidsonFit:
    """A Bradley-Terry model with an explicit tie parameter (Davidson 1970).

    P(i wins) : P(j wins) : P(tie) = pi_i : pi_j : nu sqrt(pi_i pi_j), with pi = exp(theta).

    Attributes:
        strengths: theta, shape (K,), sums to 0.
        tie_parameter: nu; between equal models P(tie) = nu / (2 + nu).
        covariance: sandwich covariance of (theta, log nu), shape (K + 1, K + 1), or None with fewer than two clusters.
        n_battles, n_clusters: sizes of the evidence.
    """

    strengths: FloatArray
    tie_parameter: float
    covariance: FloatArray | None
    n_battles: int
    n_clusters: int


def fit_davidson(
    first: ArrayLike,
    second: ArrayLike,
    outcomes: ArrayLike,
    *,
    n_models: int | None = None,
    weights: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
) -> DavidsonFit:
    """Fit strengths and a tie parameter by maximum likelihood, with a clustered sandwich covariance.

    Arguments as in `evalsuite.stats.ratings.fit_bradley_terry`, but ``outcomes`` must be exactly 0, 0.5 or 1.

    Raises:
        StatisticsError: malformed battles; no ties, or nothing but ties; win graph not strongly connected.
    """
    battles = validated_battles(first, second, outcomes, n_models, weights, None, clusters)
    tied = battles.outcomes == 0.5
    if not np.isin(battles.outcomes, (0.0, 0.5, 1.0)).all():
        raise StatisticsError("Davidson's model needs outcomes of exactly 0, 0.5 or 1; use fit_bradley_terry instead")
    if not tied.any() or tied.all():
        raise StatisticsError("Davidson's tie parameter needs both tied and decided battles; use fit_bradley_terry")
    if strong_components(unique_cells(battles), battles.n_models).max() > 0:
        raise StatisticsError("the win graph is not strongly connected: some strengths are infinite")
    k = battles.n_models
    code = battles.first * k + battles.second
    counts = np.stack(
        [summed_by(code[m], battles.weights[m], k * k) for m in (battles.outcomes == 1, battles.outcomes == 0, tied)],
        axis=1,
    )
    used = np.flatnonzero(counts.sum(axis=1) > 0)
    design = _davidson_design(used // k, used % k, k)
    params = _davidson_newton(design, counts[used], k)
    position = np.zeros(k * k, dtype=np.int64)
    position[used] = np.arange(len(used))
    category = np.where(tied, 2, np.where(battles.outcomes == 1, 0, 1))
    covariance = _davidson_covariance(battles, design, counts[used], params, position[code], category)
    theta = params[:k] - params[:k].mean()
    return DavidsonFit(theta, float(np.exp(params[k])), covariance, len(code), battles.n_clusters)


def _davidson_design(low: IntArray, high: IntArray, k: int) -> FloatArray:
    """Utilities of (first wins, second wins, tie) as linear forms of (theta, log nu), shape (cells, 3, K + 1)."""
    design = np.zeros((len(low), 3, k + 1))
    rows = np.arange(len(low))
    design[rows, 0, low] = design[rows, 1, high] = 1.0
    design[rows, 2, low] = design[rows, 2, high] = 0.5
    design[:, 2, k] = 1.0
    return design


def _davidson_probabilities(design: FloatArray, params: FloatArray) -> FloatArray:
    utility = design @ params
    exponential = np.exp(utility - utility.max(axis=1, keepdims=True))
    return np.asarray(exponential / exponential.sum(axis=1, keepdims=True))


def _davidson_information(design: FloatArray, total: FloatArray, p: FloatArray) -> FloatArray:
    mean = np.einsum("ca,cad->cd", p, design)
    second = np.einsum("ca,cad,cae->de", total[:, None] * p, design, design, optimize=True)
    return np.asarray(second - (total[:, None] * mean).T @ mean)


def _davidson_newton(design: FloatArray, counts: FloatArray, k: int) -> FloatArray:
    params, total = np.zeros(k + 1), counts.sum(axis=1)

    def objective(at: FloatArray) -> float:
        return float((counts * np.log(_davidson_probabilities(design, at))).sum())

    value = objective(params)
    for _ in range(MAX_NEWTON_STEPS):
        p = _davidson_probabilities(design, params)
        gradient = np.einsum("ca,cad->d", counts - total[:, None] * p, design)
        if np.abs(gradient).max() <= 1e-10 * total.sum():
            return params
        move = shift_free_inverse(_davidson_information(design, total, p), k) @ gradient
        size = 1.0
        while objective(params + size * move) < value - 1e-12 * abs(value) and size > 1e-6:
            size /= 2
        params = params + size * move
        value = objective(params)
    raise StatisticsError("Davidson's likelihood did not converge: the battles are too one-sided for a tie parameter")


def _davidson_covariance(
    battles: Battles,
    design: FloatArray,
    counts: FloatArray,
    params: FloatArray,
    cell: IntArray,
    category: IntArray,
) -> FloatArray | None:
    g, k = battles.n_clusters, battles.n_models
    if g < 2:
        return None
    p = _davidson_probabilities(design, params)
    # Score of (cell, category): design row minus its mean; non-zero only at the two models and at log nu.
    score = design - np.einsum("ca,cad->cd", p, design)[:, None, :]
    at_first = score[cell, category, battles.first] * battles.weights
    at_second = score[cell, category, battles.second] * battles.weights
    at_tie = score[cell, category, k] * battles.weights
    clusters = np.arange(g) if battles.clusters is None else battles.clusters
    targets: list[IntArray | int] = [battles.first, battles.second, k]
    meat = summed_outer_products(clusters, g, targets, [at_first, at_second, at_tie], k + 1) * (g / (g - 1))
    inverse = shift_free_inverse(_davidson_information(design, counts.sum(axis=1), p), k)
    return np.asarray(inverse @ meat @ inverse)
