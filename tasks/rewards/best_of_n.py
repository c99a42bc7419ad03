"""Best-of-n sampling as a stress test of a reward model: what the policy gains, and what it thinks it gains.

Pure functions. Gao, Schulman and Hilton 2022 (arXiv 2210.10760): the distance of best-of-n from the policy is
KL = ln n − (n − 1)/n, gold reward as a function of d = sqrt(KL) is d (α − β d) for best-of-n and d (α − β ln d) for
reinforcement learning. The estimator is unbiased over all n-subsets of N answers (their appendix; Nakano et al. 2021).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalsuite.errors import StatisticsError

FloatArray = NDArray[np.float64]


def best_of_n_kl(n: ArrayLike) -> FloatArray:
    """KL divergence in nats of best-of-n from the policy, ln n − (n − 1)/n; an upper bound, tight without repeats.

    Raises:
        StatisticsError: some n is below 1.
    """
    counts = np.asarray(n, dtype=np.float64)
    if not np.all(counts >= 1):
        raise StatisticsError(f"best-of-n needs n >= 1, got {counts.tolist()}")
    kl: FloatArray = np.log(counts) - (counts - 1.0) / counts
    return kl


def best_of_n_weights(n: int, total: int) -> FloatArray:
    """Weight of each answer, worst proxy first: P(it is the best of a random n-subset) = C(i−1, n−1)/C(N, n).

    They sum to 1. By the recurrence w_N = n/N, w_{i−1} = w_i (i − n)/(i − 1), which neither overflows nor loses digits.

    Raises:
        StatisticsError: n is not in 1..N.
    """
    if not 1 <= n <= total:
        raise StatisticsError(f"best-of-n: n must be between 1 and the number of answers {total}, got {n}")
    ranks = np.arange(total, n, -1, dtype=np.float64)
    weights = np.zeros(total)
    weights[total - 1 :: -1][: total - n + 1] = (
        n / total * np.concatenate([[1.0], np.cumprod((ranks - n) / (ranks - 1))])
    )
    return weights


def best_of_n(proxy: ArrayLike, values: ArrayLike, ns: Sequence[int]) -> FloatArray:
    """Expected `values` of the answer that the proxy picks among n, for each n, without bias.

    Answers with equal proxy scores share their values, as a fair draw among them would: the result does not depend on the
    order of the answers. With `values` = `proxy` this is the proxy's own view of the gain.

    Args:
        proxy: scores the answers are picked by, one per answer.
        values: what is measured (gold scores), one per answer.
        ns: sizes, each between 1 and the number of answers.

    Raises:
        StatisticsError: shapes differ, values are not finite, or an n is out of range.
    """
    picked_by, measured = np.asarray(proxy, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if picked_by.ndim != 1 or picked_by.shape != measured.shape or picked_by.size == 0:
        raise StatisticsError(
            f"best-of-n: one proxy and one value per answer, got {picked_by.shape} and {measured.shape}"
        )
    if not (np.all(np.isfinite(picked_by)) and np.all(np.isfinite(measured))):
        raise StatisticsError("best-of-n: scores must be finite; drop and count failed answers first")
    _, level = np.unique(picked_by, return_inverse=True)
    shared = np.bincount(level, weights=measured) / np.bincount(level)
    ranked = shared[np.sort(level)]
    return np.array([best_of_n_weights(n, ranked.size) @ ranked for n in ns])


def grid(total: int) -> list[int]:
    """1, 2, 4 … up to the number of answers, which is always the last."""
    powers = [2**k for k in range(total.bit_length()) if 2**k < total]
    return [*powers, total]


@dataclass(frozen=True)
class OveroptimisationFit:
    """d (α − β d) or d (α − β ln d), fitted by least squares to the gain over n = 1; `rmse` on the gain's scale."""

    alpha: float
    beta: float
    rmse: float
    form: str


def fit_overoptimisation(distance: ArrayLike, gain: ArrayLike, form: str = "best-of-n") -> OveroptimisationFit | None:
    """Least-squares fit of gold gain against d = sqrt(KL); None with fewer than two points beyond d = 0.

    Args:
        distance: d of each point.
        gain: gold reward minus that of the policy itself.
        form: `best-of-n` for d (α − β d), `rl` for d (α − β ln d).
    """
    d, y = np.asarray(distance, dtype=np.float64), np.asarray(gain, dtype=np.float64)
    beyond = d > 0
    d, y = d[beyond], y[beyond]
    if d.size < 2 or form not in ("best-of-n", "rl"):
        if form not in ("best-of-n", "rl"):
            raise StatisticsError(f"unknown form of over-optimisation {form!r}; use best-of-n or rl")
        return None
    design = np.column_stack([d, -d * (d if form == "best-of-n" else np.log(d))])
    coefficients, _, _, _ = np.linalg.lstsq(design, y, rcond=None)
    rmse = float(np.sqrt(np.mean((design @ coefficients - y) ** 2)))
    return OveroptimisationFit(float(coefficients[0]), float(coefficients[1]), rmse, form)
