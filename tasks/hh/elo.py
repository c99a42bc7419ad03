"""Elo difference of two models from a win rate: 400·log10(p / (1 − p)), ties counted half (arXiv 2204.05862)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from evalsuite.api import Estimate, ScoreTable
from evalsuite.stats.intervals import mean_interval
from evalsuite.stats.ratings import elo_from_win_rate


def elo_differences(task: str, scores: ScoreTable, metric: str = "win_rate") -> Iterator[Estimate]:
    """One estimate per arm and slice; the ends of the win rate's interval are mapped, since the map is monotone.

    The rate is clipped to [1/(2n), 1 − 1/(2n)] before, so an unbeaten model has a finite difference.
    """
    for model in scores.models:
        for slice_name in scores.slices(metric):
            values, _, clusters = scores.values(metric, model, slice_name)
            if not len(values):
                continue
            names, codes = np.unique(clusters.astype(str), return_inverse=True)
            rate = mean_interval(values, None if len(names) == len(values) else codes, kind="bounded")

            def elo(p: float | None, n: int = rate.n) -> float | None:
                return None if p is None else float(elo_from_win_rate(p, n))

            yield Estimate(
                task=task,
                metric="elo_difference",
                model=model,
                slice=slice_name,
                value=elo(rate.estimate),
                low=elo(rate.low),
                high=elo(rate.high),
                level=rate.level,
                n=rate.n,
                n_clusters=rate.n_clusters,
                method=f"Elo of the win rate ({rate.method})",
                higher_is_better=True,
                scale="Elo",
            )
