"""Several reward models as one: mean, worst case (WCO) and mean minus variance (UWO).

Coste et al. 2023, "Reward model ensembles help mitigate overoptimization" (arXiv 2310.02743). Members are brought to mean 0
and deviation 1 over all their scores first, because raw scales of different models cannot be averaged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalsuite.api import ScoreTable
from evalsuite.errors import StatisticsError
from evalsuite.stats.intervals import Interval, mean_interval
from evalsuite.tasks.rewards.estimates import clusters_of, labels

FloatArray = NDArray[np.float64]
Rule = Literal["mean", "wco", "uwo"]
RULES: tuple[Rule, ...] = get_args(Rule)
UWO_WEIGHT = 0.5


def normalised(scores: ArrayLike) -> FloatArray:
    """Scores (members × items) with each member at mean 0 and population deviation 1; a constant member becomes 0."""
    values = _matrix(scores)
    varies = np.ptp(values, axis=1, keepdims=True) > 0  # the deviation of equal numbers need not be exactly 0
    centred = values - values.mean(axis=1, keepdims=True)
    spread = values.std(axis=1, keepdims=True)
    scaled: FloatArray = np.divide(centred, spread, out=np.zeros_like(centred), where=varies)
    return scaled


def combined(scores: ArrayLike, rule: Rule, weight: float = UWO_WEIGHT, ddof: int = 0) -> FloatArray:
    """One score per item from members' scores (members × items).

    Args:
        scores: normalised, unless the members share a scale.
        rule: `mean`; `wco` = minimum over members; `uwo` = mean − weight · variance over members.
        weight: λ of `uwo`; the paper uses 0.5 for best-of-n.
        ddof: 0 for the population variance of the paper's best-of-n, 1 for that of its reinforcement learning.

    Raises:
        StatisticsError: not a finite members × items array, or fewer members than `ddof` + 1.
    """
    values = _matrix(scores)
    if rule == "wco":
        lowest: FloatArray = values.min(axis=0)
        return lowest
    mean: FloatArray = values.mean(axis=0)
    if rule == "mean":
        return mean
    if rule != "uwo":
        raise StatisticsError(f"unknown ensemble rule {rule!r}; known: {', '.join(RULES)}")
    if values.shape[0] <= ddof:
        raise StatisticsError(f"a variance with ddof={ddof} needs more than {ddof} members, got {values.shape[0]}")
    penalised: FloatArray = mean - weight * values.var(axis=0, ddof=ddof)
    return penalised


def _matrix(scores: ArrayLike) -> FloatArray:
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 2 or values.size == 0 or not np.all(np.isfinite(values)):
        raise StatisticsError(f"an ensemble needs finite scores, members × items, got an array of shape {values.shape}")
    return values


def ensemble_accuracies(
    scores: ScoreTable, models: Sequence[str], rule: Rule, weight: float = UWO_WEIGHT
) -> dict[str | None, Interval]:
    """Accuracy of the ensemble of `models` on the pairs that all of them scored: None for the whole, then each slice.

    Each member is normalised over all replies of those pairs, chosen and rejected; a tie of the ensemble is wrong.
    """
    rewards: list[dict[str, tuple[float, float]]] = []
    places: dict[str, str | None] = {}
    for model in models:
        found = {}
        for sample_id, score in scores.scores("margin", model):
            if score.status == "ok":
                found[sample_id] = score.detail["chosen_reward"], score.detail["rejected_reward"]
                places[sample_id] = score.slice
        rewards.append(found)
    shared = [name for name in places if all(name in found for found in rewards)]
    if not shared:
        return {}
    members = normalised([[reward for name in shared for reward in found[name]] for found in rewards])
    together = combined(members, rule, weight).reshape(-1, 2)
    right = (together[:, 0] > together[:, 1]).astype(np.float64)
    clusters = clusters_of(scores, shared)
    intervals: dict[str | None, Interval] = {None: mean_interval(right, labels(clusters), kind="binary")}
    for part in dict.fromkeys(places[name] for name in shared if places[name] is not None):
        inside = np.array([places[name] == part for name in shared])
        intervals[part] = mean_interval(right[inside], labels(clusters[inside]), kind="binary")
    return intervals
