"""Covariate-adjusted estimate of a mean difference: judge n prompts, know covariates of all N, and regress.

Covariates are free (known before judging), so the regression removes the part of the sampling noise that they explain;
with the cached baseline score about half of it. Leave-one-out (HC3, clustered: CR3) residuals keep the standard error
honest at small n; plain least squares is too small. The same algebra is PPI++ with a fitted lambda when extra prompts
have covariates and no judge. At n = N the estimate is the plain paired mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evalsuite.errors import StatisticsError
from evalsuite.stats.standard_errors import FloatArray, IntArray, cluster_codes, finite_scores, standard_error

MINIMUM_N = 30
MAXIMUM_COVARIATES = 4
RANK_TOLERANCE = 1e-8


@dataclass(frozen=True)
class AdjustedEstimate:
    """An adjusted mean difference.

    `plain_estimate` and `plain_se` are those of the unadjusted paired mean on the same prompts. `used` holds the
    columns that entered; none (and a null `r_squared`) when n < 30, when no column varies, or when n = N.
    """

    estimate: float
    se: float | None
    df: float | None
    n: int
    n_population: int
    n_clusters: int | None
    r_squared: float | None
    coefficients: tuple[float, ...]
    used: tuple[int, ...]
    plain_estimate: float
    plain_se: float | None


def gate_covariates(
    baseline_scores: ArrayLike,
    difficulty: ArrayLike | None = None,
    candidate_lengths: ArrayLike | None = None,
    baseline_lengths: ArrayLike | None = None,
    reward_margin: ArrayLike | None = None,
) -> FloatArray:
    """The free covariates of a comparison, shape (N, 1..4), for all N planned prompts in plan order.

    Args:
        baseline_scores: cached score of the baseline; it pays most (regression to the mean of the difference).
        difficulty: mean score of earlier models or checkpoints on the prompt.
        candidate_lengths, baseline_lengths: answer lengths; enter as tanh of their difference over its sd.
        reward_margin: candidate minus baseline score of a cheap reward model.
    """
    columns = [finite_scores(baseline_scores, "baseline scores")]
    if difficulty is not None:
        columns.append(finite_scores(difficulty, "difficulty"))
    if (candidate_lengths is None) != (baseline_lengths is None):
        raise StatisticsError("give both candidate and baseline lengths, or neither")
    if candidate_lengths is not None and baseline_lengths is not None:
        ours, theirs = finite_scores(candidate_lengths, "candidate lengths"), finite_scores(baseline_lengths, "lengths")
        if ours.size != theirs.size:
            raise StatisticsError(f"lengths: {ours.size} of the candidate, {theirs.size} of the baseline")
        spread = float(np.std(ours - theirs))
        columns.append(np.tanh((ours - theirs) / spread) if spread > 0 else np.zeros(ours.size))
    if reward_margin is not None:
        columns.append(finite_scores(reward_margin, "reward margin"))
    if len({column.size for column in columns}) != 1:
        raise StatisticsError(f"covariates differ in length: {[column.size for column in columns]}")
    return np.column_stack(columns)


def adjusted_mean(
    differences: ArrayLike,
    covariates: ArrayLike,
    judged: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
) -> AdjustedEstimate:
    """Mean difference over N prompts from n judged ones, adjusted for covariates known for all N.

    theta = Dbar_n + (Zbar_N - Zbar_n)' beta, SE^2 = HC3 sum + var_N(Z' beta) / N.

    Args:
        differences: D_i of the n judged prompts, shape (n,).
        covariates: Z for all N prompts, shape (N, p), p <= 4, finite.
        judged: positions of the judged prompts among the N, shape (n,); default the first n. The judged prompts must be
            a random subset (a prefix of a randomised plan order).
        clusters: labels of all N prompts, shape (N,); the HC3 sum is then over clusters (CR3).

    Raises:
        StatisticsError: wrong shapes, NaN, more than 4 covariates, repeated or unknown positions.
    """
    d = finite_scores(differences, "differences")
    z_all = _design(covariates)
    total = z_all.shape[0]
    rows = _judged_rows(judged, d.size, total)
    codes_all = cluster_codes(clusters, total)
    codes = None if codes_all is None else cluster_codes(codes_all[rows], d.size)
    plain = standard_error(d, codes)
    units = d.size if plain.n_clusters is None else plain.n_clusters
    columns = _independent_columns(z_all[rows])
    if d.size == total or units < MINIMUM_N or not columns or plain.se is None or plain.df is None:
        return _unadjusted(plain.mean, plain.se, plain.df, d.size, total, plain.n_clusters)
    z_all = z_all[:, columns]
    fitted = _hc3(d, z_all[rows], z_all.mean(axis=0), codes)
    if fitted is None:
        return _unadjusted(plain.mean, plain.se, plain.df, d.size, total, plain.n_clusters)
    estimate, variance, beta, r_squared = fitted
    spread = standard_error(z_all @ beta, codes_all).se
    variance += 0.0 if spread is None else spread**2
    return AdjustedEstimate(
        estimate=estimate,
        se=variance**0.5,
        df=plain.df - len(columns),
        n=d.size,
        n_population=total,
        n_clusters=plain.n_clusters,
        r_squared=r_squared,
        coefficients=tuple(float(b) for b in beta),
        used=tuple(columns),
        plain_estimate=plain.mean,
        plain_se=plain.se,
    )


def _unadjusted(
    mean: float, se: float | None, df: float | None, n: int, total: int, n_clusters: int | None
) -> AdjustedEstimate:
    return AdjustedEstimate(mean, se, df, n, total, n_clusters, None, (), (), mean, se)


def _design(covariates: ArrayLike) -> FloatArray:
    z = np.asarray(covariates, dtype=np.float64)
    if z.ndim == 1:
        z = z[:, None]
    if z.ndim != 2 or z.size == 0 or z.shape[1] > MAXIMUM_COVARIATES:
        raise StatisticsError(
            f"covariates: expected shape (N, p) with p from 1 to {MAXIMUM_COVARIATES}, got {z.shape}; "
            "more columns need cross-fitting"
        )
    if not np.all(np.isfinite(z)):
        raise StatisticsError("covariates: a value is NaN or infinite; leave out columns not known for every prompt")
    return z


def _judged_rows(judged: ArrayLike | None, n: int, total: int) -> IntArray:
    rows = np.arange(n) if judged is None else np.asarray(judged, dtype=np.intp)
    if rows.shape != (n,) or n > total:
        raise StatisticsError(f"{n} differences for {rows.size} judged positions among {total} prompts")
    if rows.min() < 0 or rows.max() >= total or np.unique(rows).size != n:
        raise StatisticsError(f"judged positions must be distinct and lie in 0..{total - 1}")
    return rows


def _independent_columns(z: FloatArray) -> list[int]:
    """Columns that vary and are not (nearly) linear in the columns before them."""
    kept: list[int] = []
    basis: list[FloatArray] = []
    for index in range(z.shape[1]):
        column = z[:, index] - z[:, index].mean()
        size = float(np.linalg.norm(column))
        rest = column.copy()
        for direction in basis:
            rest -= (direction @ rest) * direction
        norm = float(np.linalg.norm(rest))
        if size > RANK_TOLERANCE * (1.0 + abs(float(z[:, index].mean()))) and norm > 1e-4 * size:
            kept.append(index)
            basis.append(rest / norm)
    return kept


def _hc3(
    d: FloatArray, z: FloatArray, population_mean: FloatArray, codes: IntArray | None
) -> tuple[float, float, FloatArray, float] | None:
    """Estimate, leave-one-out variance, coefficients and R2; None when leaving one unit out loses a covariate."""
    n = d.size
    centre = z.mean(axis=0)
    x = np.column_stack([np.ones(n), (z - centre) / z.std(axis=0)])
    gram = x.T @ x
    solved = np.linalg.solve(gram, x.T @ d)
    residuals = d - x @ solved
    target = np.concatenate([[1.0], (population_mean - centre) / z.std(axis=0)])
    weights = x @ np.linalg.solve(gram, target)
    if codes is None:
        leverage = np.einsum("ij,ji->i", x, np.linalg.solve(gram, x.T))
        kept = 1.0 - leverage
        if kept.min() < 1e-6:
            return None
        scores = weights * residuals / kept
    else:
        found = _leave_cluster_out(x, gram, residuals, weights, codes)
        if found is None:
            return None
        scores = found
    total = float(np.sum((d - d.mean()) ** 2))
    r_squared = 1.0 - float(np.sum(residuals**2)) / total if total > 0 else 0.0
    beta = solved[1:] / z.std(axis=0)
    return float(target @ solved), float(np.sum(scores**2)), beta, r_squared


def _leave_cluster_out(
    x: FloatArray, gram: FloatArray, residuals: FloatArray, weights: FloatArray, codes: IntArray
) -> FloatArray | None:
    """w_g' (I - H_gg)^-1 e_g for each cluster g, by the Woodbury identity."""
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    sorted_x = x[order]

    def per_cluster(values: FloatArray) -> FloatArray:
        return np.asarray(np.add.reduceat(values[order], starts, axis=0))

    own = np.add.reduceat(sorted_x[:, :, None] * sorted_x[:, None, :], starts, axis=0)
    without = gram - own
    if np.linalg.cond(without).max() > 1e10:
        return None
    carried = np.linalg.solve(without, per_cluster(x * residuals[:, None])[:, :, None])[:, :, 0]
    direct = per_cluster((weights * residuals)[:, None])[:, 0]
    return np.asarray(direct + np.einsum("gi,gi->g", per_cluster(x * weights[:, None]), carried))
