"""Several metrics at once: one verdict, and which of them regressed.

Passing means that every metric passes, so PASS needs no correction (intersection-union test); failing means that any
metric fails, so the false-alarm rate is shared (weighted Bonferroni). Corrections the other way round lose power on one
side and error control on the other.

Sources: Berger 1982 (intersection-union); Holm 1979; Benjamini and Hochberg 1995; Wang and Ramdas 2022 (e-BH,
arXiv 2009.02824); Vovk and Wang 2021 (closed testing by averages of e-values, arXiv 1912.06116).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalsuite.errors import StatisticsError
from evalsuite.stats.decisions import Decision
from evalsuite.stats.standard_errors import FloatArray, finite_scores

BoolArray = NDArray[np.bool_]


def overall_decision(decisions: Iterable[Decision]) -> Decision:
    """FAIL if any metric fails, PASS if all pass, else INCONCLUSIVE.

    The risk of a wrong PASS is the largest `alpha_pass` of the metrics; that of a wrong FAIL the sum of `alpha_fail`.
    """
    outcomes = list(decisions)
    if not outcomes:
        raise StatisticsError("a gate without metrics decides nothing; name at least one")
    if Decision.FAIL in outcomes:
        return Decision.FAIL
    return Decision.PASS if all(outcome is Decision.PASS for outcome in outcomes) else Decision.INCONCLUSIVE


def fail_levels(alpha: float, metrics: int, weights: ArrayLike | None = None) -> tuple[float, ...]:
    """`alpha_fail` of each metric: the shared false-alarm rate split by weight (default equally)."""
    if metrics < 1:
        raise StatisticsError("a gate without metrics decides nothing; name at least one")
    share = _weights(weights, metrics) / metrics
    return tuple(float(alpha * w) for w in share)


def holm(p_values: ArrayLike, weights: ArrayLike | None = None) -> FloatArray:
    """Holm-adjusted p-values (weighted): list metric k as regressed at family error a if adjusted[k] <= a."""
    p = _p_values(p_values)
    w = _weights(weights, p.size)
    order = np.argsort(p / w, kind="stable")
    left = np.cumsum(w[order][::-1])[::-1]
    adjusted = np.maximum.accumulate(p[order] / w[order] * left)
    return _restored(np.minimum(adjusted, 1.0), order)


def benjamini_hochberg(p_values: ArrayLike) -> FloatArray:
    """BH-adjusted p-values (false discovery rate) for exploratory slices; never gating."""
    p = _p_values(p_values)
    order = np.argsort(p, kind="stable")
    scaled = p[order] * p.size / np.arange(1, p.size + 1)
    return _restored(np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0), order)


def closed_e_values(e_values: ArrayLike) -> FloatArray:
    """E-values closed over all intersections, valid under any dependence: list metric k if closed[k] >= 1/alpha.

    e*_k = min over j of (e_k + sum of the j smallest others) / (j + 1): the worst average over sets that contain k.
    """
    e = _e_values(e_values)
    order = np.argsort(e, kind="stable")
    ordered = e[order]
    closed = np.empty(e.size)
    for place in range(e.size):
        others = np.concatenate([[0.0], np.cumsum(np.delete(ordered, place))])
        closed[place] = np.min((ordered[place] + others) / np.arange(1, e.size + 1))
    return _restored(closed, order)


def e_benjamini_hochberg(e_values: ArrayLike, alpha: float = 0.05) -> BoolArray:
    """Discoveries of the e-BH procedure at false discovery rate `alpha`, under any dependence."""
    e = _e_values(e_values)
    if not 0.0 < alpha < 1.0:
        raise StatisticsError(f"alpha must lie between 0 and 1, got {alpha}")
    order = np.argsort(-e, kind="stable")
    enough = np.flatnonzero(e[order] * np.arange(1, e.size + 1) >= e.size / alpha * (1 - 1e-12))
    found = np.zeros(e.size, dtype=bool)
    if enough.size:
        found[order[: enough[-1] + 1]] = True
    return found


def _p_values(values: ArrayLike) -> FloatArray:
    p = finite_scores(values, "p-values")
    if p.min() < 0 or p.max() > 1:
        raise StatisticsError(f"p-values must lie in [0, 1], got {p.min():g} to {p.max():g}")
    return p


def _e_values(values: ArrayLike) -> FloatArray:
    e = finite_scores(values, "e-values")
    if e.min() < 0:
        raise StatisticsError(f"e-values must not be negative, got {e.min():g} (give E, not log E)")
    return e


def _weights(weights: ArrayLike | None, count: int) -> FloatArray:
    """Weights scaled to average 1."""
    w = np.ones(count) if weights is None else finite_scores(weights, "weights")
    if w.size != count or np.any(w <= 0):
        raise StatisticsError(f"weights: expected {count} positive numbers, got {w.tolist()}")
    return np.asarray(w * count / w.sum())


def _restored(values: FloatArray, order: NDArray[np.intp]) -> FloatArray:
    result = np.empty_like(values)
    result[order] = values
    return result
