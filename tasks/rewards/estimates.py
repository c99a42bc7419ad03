"""From a score table to intervals and back to estimates, for figures that are not plain means."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from evalsuite.api import Estimate, ScoreTable
from evalsuite.stats.intervals import Interval, mean_interval


def labels(clusters: NDArray[np.object_]) -> NDArray[np.str_] | None:
    """Cluster labels, or None when every sample is its own cluster and the intervals for independent ones apply."""
    names = clusters.astype(str)
    return None if len(set(names)) == len(names) else names


def clusters_of(scores: ScoreTable, ids: Sequence[str], metric: str = "margin") -> NDArray[np.object_]:
    """Cluster of each sample; every model that scored a sample has it in the same cluster."""
    found: dict[str, str] = {}
    for model in scores.models:
        _, names, clusters = scores.values(metric, model)
        found.update(zip(names.tolist(), clusters.tolist(), strict=True))
    return np.array([found[name] for name in ids], dtype=object)


def slice_intervals(scores: ScoreTable, metric: str, model: str) -> dict[str, Interval]:
    """Mean of a metric with its interval for every slice in which the model has a score."""
    found = {}
    for part in scores.slices(metric):
        if part is None:
            continue
        values, _, clusters = scores.values(metric, model, part)
        if len(values):
            found[part] = mean_interval(values, labels(clusters))
    return found


def estimate_of(
    task: str, metric: str, model: str, interval: Interval, part: str | None = None, *,
    higher_is_better: bool | None = True, scale: str = "0-1",
) -> Estimate:  # fmt: skip
    """An interval as a row of the results."""
    return Estimate(
        task=task,
        metric=metric,
        model=model,
        value=interval.estimate,
        slice=part,
        low=interval.low,
        high=interval.high,
        level=interval.level,
        n=interval.n,
        n_clusters=interval.n_clusters,
        method=interval.method,
        higher_is_better=higher_is_better,
        scale=scale,
    )


def difference_of_means(first: Interval, second: Interval, method: str) -> Interval:
    """`first − second` of two independent estimates: variances add, Welch-Satterthwaite degrees of freedom.

    Without limits when either has no standard error.
    """
    estimate, n = first.estimate - second.estimate, first.n + second.n
    clusters = None
    if first.n_clusters is not None or second.n_clusters is not None:
        clusters = (first.n_clusters or first.n) + (second.n_clusters or second.n)
    if first.se is None or second.se is None or first.se + second.se == 0:
        return Interval(estimate, None, None, first.level, n, clusters, method, None, None)
    variance = first.se**2 + second.se**2
    df = variance**2 / sum(part.se**4 / (part.df or max(part.n - 1, 1)) for part in (first, second) if part.se)
    reach = float(stdtrit(df, 0.5 + first.level / 2)) * variance**0.5
    return Interval(estimate, estimate - reach, estimate + reach, first.level, n, clusters, method, variance**0.5, df)
