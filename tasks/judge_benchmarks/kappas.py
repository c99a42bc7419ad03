"""Agreement beyond chance: Cohen's kappa of a judge's two orders, and of its verdicts with the labels (LLMBar, table 2)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from zlib import crc32

import numpy as np

from evalsuite.api import Estimate, ScoreTable
from evalsuite.judges.folds import outcome_of
from evalsuite.stats.agreement import agree

_CODES = {"first": 1.0, "second": 2.0, "tie": 0.0, "win": 1.0, "lose": 2.0}
_SHOWN_FIRST = 0
_SHOWN_SECOND = 1


def kappa_estimates(task: str, scores: ScoreTable) -> Iterator[Estimate]:
    """`kappa_orders` and `kappa_label` of every judge, over all pairs with both verdicts."""
    for model in scores.models:
        rows = []
        for _, score in scores.scores("accuracy", model):
            by_order = {verdict.get("order"): verdict.get("preference") for verdict in score.detail.get("verdicts", ())}
            if by_order.get("AB") is not None and by_order.get("BA") is not None:
                rows.append((by_order["AB"], by_order["BA"], str(score.detail["label"])))
        if not rows:
            continue
        orders = [[_CODES[outcome_of(float(row[place]))] for row in rows] for place in (_SHOWN_FIRST, _SHOWN_SECOND)]
        labels = [_CODES[row[2]] for row in rows]
        yield kappa_estimate(task, "kappa_orders", model, orders[0], orders[1])
        yield kappa_estimate(task, "kappa_label", model, orders[0], labels)


def kappa_estimate(
    task: str,
    metric: str,
    model: str,
    first: Sequence[float],
    second: Sequence[float],
    clusters: Sequence[int] | None = None,
) -> Estimate:
    """Cohen's kappa of two raters' numeric labels; `clusters`: which items belong together."""
    rng = np.random.default_rng(crc32(f"{task}/{metric}/{model}".encode()))
    found = agree(first, second, rng=rng, clusters=clusters)
    kappa = found.kappa
    return Estimate(
        task=task,
        metric=metric,
        model=model,
        value=None if kappa is None else kappa.estimate,
        low=None if kappa is None else kappa.low,
        high=None if kappa is None else kappa.high,
        n=found.n,
        method="n/a" if kappa is None else kappa.method,
        higher_is_better=True,
        scale="-1-1",
    )
