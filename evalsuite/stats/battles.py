"""Battles between models: validation, counting into unique cells, connectivity and clustered score products.

What the rating models of `ratings` and `davidson` share.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from evalsuite.errors import StatisticsError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# Beyond this many levels a covariate is treated as continuous, and battles are not merged into cells.
MAX_COVARIATE_LEVELS = 64
# Number of doubles in one block of per-cluster score vectors (32 MB).
SCORE_BLOCK = 4_000_000


@dataclass(frozen=True)
class Battles:
    """Validated battles; ``first`` and ``second`` index models."""

    first: IntArray
    second: IntArray
    outcomes: FloatArray
    weights: FloatArray
    covariates: FloatArray
    clusters: IntArray | None
    n_models: int
    n_clusters: int


@dataclass(frozen=True)
class Cells:
    """Unique (pair, covariate) cells: total weight and total weight won by ``low``, the smaller model index."""

    low: IntArray
    high: IntArray
    covariates: FloatArray
    weight: FloatArray
    won: FloatArray


def validated_battles(
    first: ArrayLike,
    second: ArrayLike,
    outcomes: ArrayLike,
    n_models: int | None,
    weights: ArrayLike | None,
    covariates: ArrayLike | None,
    clusters: ArrayLike | None,
) -> Battles:
    """Check battles as described for `evalsuite.stats.ratings.fit_bradley_terry` and number the clusters from 0."""
    a, b = np.asarray(first), np.asarray(second)
    y = np.asarray(outcomes, dtype=np.float64)
    if a.ndim != 1 or a.shape != b.shape or a.shape != y.shape or not len(a):
        raise StatisticsError(f"battles need equal, non-empty 1-d arrays; got {a.shape}, {b.shape}, {y.shape}")
    if a.dtype.kind not in "iu" or b.dtype.kind not in "iu":
        raise StatisticsError("models must be integer indices")
    a, b = a.astype(np.int64, copy=False), b.astype(np.int64, copy=False)
    k = int(max(a.max(), b.max())) + 1 if n_models is None else n_models
    if min(a.min(), b.min()) < 0 or max(a.max(), b.max()) >= k:
        raise StatisticsError(f"model indices must lie in 0..{k - 1}")
    _reject("a model battles itself", np.asarray(a == b, dtype=np.bool_))
    _reject("outcome is not in [0, 1] (leave failed battles out and count them)", ~((y >= 0) & (y <= 1)))
    w = np.ones(len(y)) if weights is None else np.asarray(weights, dtype=np.float64)
    z = np.zeros((len(y), 0)) if covariates is None else np.asarray(covariates, dtype=np.float64)
    z = z[:, None] if z.ndim == 1 else z
    if w.shape != y.shape or len(z) != len(y):
        raise StatisticsError("weights and covariates need one entry per battle")
    _reject("weight is negative or not finite", ~((w >= 0) & np.isfinite(w)))
    if not w.sum() > 0:
        raise StatisticsError("all battles have weight 0")
    _reject("covariate is not finite", np.asarray(~np.isfinite(z).all(axis=1)))
    if clusters is None:
        return Battles(a, b, y, w, z, None, k, len(y))
    values, code = np.unique(np.asarray(clusters), return_inverse=True)
    if code.shape != y.shape:
        raise StatisticsError("clusters need one entry per battle")
    return Battles(a, b, y, w, z, code, k, len(values))


def summed_by(index: IntArray, values: FloatArray, length: int) -> FloatArray:
    """Sum of ``values`` for each ``index`` in 0..length - 1."""
    return np.asarray(np.bincount(index, values, length), dtype=np.float64)


def _reject(reason: str, bad: NDArray[np.bool_]) -> None:
    if bad.any():
        raise StatisticsError(f"{reason}: battle {int(np.argmax(bad))} and {int(bad.sum()) - 1} more")


def unique_cells(battles: Battles) -> Cells:
    """Merge battles of the same pair and covariate values; a continuous covariate leaves every battle its own cell."""
    flip = battles.first > battles.second
    low, high = np.minimum(battles.first, battles.second), np.maximum(battles.first, battles.second)
    won = battles.weights * np.where(flip, 1 - battles.outcomes, battles.outcomes)
    k, p = battles.n_models, battles.covariates.shape[1]
    if p == 0:
        code = low * k + high
        weight, total = summed_by(code, battles.weights, k * k), summed_by(code, won, k * k)
        used = np.flatnonzero(weight > 0)
        return Cells(used // k, used % k, np.zeros((len(used), 0)), weight[used], total[used])
    z = np.where(flip[:, None], -battles.covariates, battles.covariates)
    code = low * k + high
    for column in z.T:
        levels, position = np.unique(column, return_inverse=True)
        if len(levels) > MAX_COVARIATE_LEVELS:
            return Cells(low, high, z, battles.weights, won)
        # Renumbering after each column keeps the codes far from the end of the integers.
        code = np.unique(code * len(levels) + position, return_inverse=True)[1]
    _, sample, cell = np.unique(code, return_index=True, return_inverse=True)
    weight, total = summed_by(cell, battles.weights, len(sample)), summed_by(cell, won, len(sample))
    return Cells(low[sample], high[sample], z[sample], weight, total)


def strong_components(cells: Cells, n_models: int) -> IntArray:
    """Label, shape (K,), of each model's strongly connected component in the graph of wins and ties (Ford 1957)."""
    lost = cells.weight - cells.won
    # Sums of floating-point shares leave dust where a side won nothing.
    won_by_low, won_by_high = cells.won > 1e-12 * cells.weight, lost > 1e-12 * cells.weight
    rows = np.concatenate([cells.low[won_by_low], cells.high[won_by_high]])
    columns = np.concatenate([cells.high[won_by_low], cells.low[won_by_high]])
    graph = coo_array((np.ones(len(rows)), (rows, columns)), shape=(n_models, n_models))
    return np.asarray(connected_components(graph, directed=True, connection="strong")[1], dtype=np.int64)


def shift_free_inverse(information: FloatArray, k: int) -> FloatArray:
    """Moore-Penrose inverse, the null space being the common shift of all strengths.

    Lifting that one direction and taking it out again is exact, and unlike a cut-off on the spectrum it cannot take a
    weakly informed direction for a null one.
    """
    shift = np.zeros(len(information))
    shift[:k] = 1 / math.sqrt(k)
    diagonal = np.diag(information)
    lift = float(diagonal[:k].mean())
    # Unit diagonal first, so that the test for singularity does not depend on the units of the covariates.
    scale = np.sqrt(np.maximum(diagonal, 1e-300))
    unit = np.outer(scale, scale)
    try:
        scaled = np.linalg.inv((information + lift * np.outer(shift, shift)) / unit)
    except np.linalg.LinAlgError:
        scaled = np.full_like(information, np.inf)
    if not np.isfinite(scaled).all() or np.abs(scaled).max() > 1e12:
        raise StatisticsError(
            "the ratings are not identified: a covariate is constant or repeats others, or a model has no informative "
            "battle; drop the covariate or the model"
        )
    return np.asarray(scaled / unit - np.outer(shift, shift) / lift)


def summed_outer_products(
    clusters: IntArray, n_clusters: int, targets: list[IntArray | int], values: list[FloatArray], dimension: int
) -> FloatArray:
    """sum_g s_g s_g' where row b adds values[t][b] to entry targets[t][b] of s_clusters[b]; memory stays bounded."""
    block = max(1, SCORE_BLOCK // dimension)
    order = np.argsort(clusters, kind="stable") if n_clusters > block else None
    ordered = clusters if order is None else clusters[order]
    total = np.zeros((dimension, dimension))
    for start in range(0, n_clusters, block):
        size = min(block, n_clusters - start)
        if order is None:
            rows: IntArray | slice = slice(None)
            local = clusters * dimension
        else:
            begin, end = np.searchsorted(ordered, [start, start + size])
            rows = order[begin:end]
            local = (ordered[begin:end] - start) * dimension
        scores = np.zeros(size * dimension)
        for target, value in zip(targets, values, strict=True):
            column = target if isinstance(target, int) else target[rows]
            scores += summed_by(local + column, value[rows], size * dimension)
        matrix = scores.reshape(size, dimension)
        total += matrix.T @ matrix
    return total
