"""Bootstrap of Bradley-Terry strengths over prompts, all replicates solved at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import coo_array
from scipy.special import expit

from evalsuite.errors import StatisticsError
from evalsuite.stats.battles import (
    SCORE_BLOCK,
    Battles,
    Cells,
    FloatArray,
    IntArray,
    strong_components,
    unique_cells,
    validated_battles,
)
from evalsuite.stats.ratings import fit_bradley_terry

MAX_NEWTON_STEPS = 100


@dataclass(frozen=True)
class BootstrapStrengths:
    """Bootstrap replicates of the strengths.

    Attributes:
        strengths: shape (rounds, K); a row of NaN where the resampled win graph gave no finite estimate.
        n_failed: number of such rows.
        unit: what was resampled.
    """

    strengths: FloatArray
    n_failed: int
    unit: Literal["cluster", "battle"]


def bootstrap_bradley_terry(
    first: ArrayLike,
    second: ArrayLike,
    outcomes: ArrayLike,
    *,
    rng: np.random.Generator,
    rounds: int = 100,
    n_models: int | None = None,
    weights: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
) -> BootstrapStrengths:
    """Refit the strengths on ``rounds`` resamples of the clusters (or of the battles when ``clusters`` is None).

    Arguments as in `fit_bradley_terry`. All replicates are solved at once: they need only the wins of each model
    and the number of battles of each pair, both linear in the resampling weights.

    Raises:
        StatisticsError: malformed battles, or a win graph that is not strongly connected.
    """
    battles = validated_battles(first, second, outcomes, n_models, weights, None, clusters)
    cells = unique_cells(battles)
    if strong_components(cells, battles.n_models).max() > 0:
        raise StatisticsError("the win graph is not strongly connected: a bootstrap of the strengths is not defined")
    start = fit_bradley_terry(first, second, outcomes, n_models=n_models, weights=weights).strengths
    weight, won = _resampled_cells(battles, cells, rounds, rng)
    strengths = np.empty((rounds, battles.n_models))
    block = max(1, SCORE_BLOCK // battles.n_models**2)
    for at in range(0, rounds, block):
        part = slice(at, at + block)
        strengths[part] = _newton_batch(start, cells.low, cells.high, weight[part], won[part])
    failed = int(np.isnan(strengths[:, 0]).sum())
    return BootstrapStrengths(strengths, failed, "battle" if battles.clusters is None else "cluster")


def _resampled_cells(
    battles: Battles, cells: Cells, rounds: int, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Total weight of each cell and the part won by its lower model in every resample, both (rounds, cells)."""
    k, n, g = battles.n_models, len(battles.outcomes), battles.n_clusters
    flip = battles.first > battles.second
    code = np.where(flip, battles.second * k + battles.first, battles.first * k + battles.second)
    position = np.zeros(k * k, dtype=np.int64)
    position[cells.low * k + cells.high] = np.arange(len(cells.low))
    cell = position[code]
    share = battles.weights * np.where(flip, 1 - battles.outcomes, battles.outcomes)
    if battles.clusters is None:
        # Battles of one cell with the same weight and outcome are exchangeable: resample their counts.
        _, weight_level = np.unique(battles.weights, return_inverse=True)
        shares, share_level = np.unique(share, return_inverse=True)
        kind = (cell * (int(weight_level.max()) + 1) + weight_level) * len(shares) + share_level
        _, unit, counts = np.unique(kind, return_inverse=True, return_counts=True)
        multiplicity = rng.multinomial(n, counts / n, size=rounds) / counts
    else:
        unit = battles.clusters
        multiplicity = np.stack([np.bincount(rng.integers(g, size=g), minlength=g) for _ in range(rounds)]).astype(
            float
        )
    shape = (multiplicity.shape[1], len(cells.low))
    weight = coo_array((battles.weights, (unit, cell)), shape=shape).tocsr()
    won = coo_array((share, (unit, cell)), shape=shape).tocsr()
    return np.asarray(multiplicity @ weight), np.asarray(multiplicity @ won)


def _newton_batch(start: FloatArray, low: IntArray, high: IntArray, weight: FloatArray, won: FloatArray) -> FloatArray:
    """Solve all replicates together; a replicate without a finite estimate comes back as NaN."""
    k = len(start)
    theta = np.tile(start, (len(weight), 1))
    no_covariates = np.zeros((len(low), 0))
    graphs = (Cells(low, high, no_covariates, row, row_won) for row, row_won in zip(weight, won, strict=True))
    exists = np.array([strong_components(graph, k).max() == 0 for graph in graphs])
    theta[~exists] = np.nan
    active = np.flatnonzero(exists)
    diagonal = np.arange(k)
    for _ in range(MAX_NEWTON_STEPS):
        if not len(active):
            return theta
        p = expit(theta[active][:, low] - theta[active][:, high])
        residual = np.zeros((len(active), k, k))
        residual[:, low, high] = won[active] - weight[active] * p
        gradient = residual.sum(axis=2) - residual.sum(axis=1)
        information = np.zeros((len(active), k, k))
        information[:, low, high] = information[:, high, low] = -weight[active] * p * (1 - p)
        degree = -information.sum(axis=2)
        information[:, diagonal, diagonal] = degree
        information += (degree.mean(axis=1) / k)[:, None, None]
        step = np.linalg.solve(information, gradient[:, :, None])[:, :, 0]
        # Replicates start at the full-data estimate, so only a nearly one-sided one can overshoot.
        theta[active] += np.clip(step, -2.0, 2.0)
        active = active[np.abs(step).max(axis=1) > 1e-8]
    theta[active] = np.nan
    return theta
