"""What two rewards say about one preference: right or wrong, by how much, and how surprised a Bradley-Terry reader is.

P(chosen preferred) = sigmoid(d) with d = r(chosen) − r(rejected). The negative log-likelihood is softplus(−d), never
−log(p + ε), which has another floor. A tie is wrong in `accuracy` and half right in `accuracy_half`, and is counted itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from evalsuite.api import Metric
from evalsuite.records import Score
from evalsuite.tasks.rewards.sources import Reading, RewardTask, finite

ACCURACY = Metric(
    name="accuracy", higher_is_better=True, kind="binary", margin=0.02,
    summary="share of pairs whose preferred reply scores strictly higher (a tie is wrong)",
)  # fmt: skip
ACCURACY_HALF = Metric(name="accuracy_half", higher_is_better=True, summary="accuracy with a tie as half right")
TIE = Metric(name="tie", higher_is_better=False, kind="binary", summary="share of pairs with equal scores")
MARGIN = Metric(
    name="margin", higher_is_better=None, kind="real", scale="reward",
    summary="mean of r(chosen) − r(rejected) on the model's own scale",
)  # fmt: skip
NLL = Metric(
    name="nll", higher_is_better=False, kind="real", scale="nats",
    summary="mean of log(1 + exp(−margin)); ln 2 for a model that knows nothing",
)  # fmt: skip
BRIER = Metric(
    name="brier", higher_is_better=False, summary="mean of (1 − sigmoid(margin))²; 0.25 when it knows nothing"
)

PAIR_METRICS: tuple[Metric, ...] = (ACCURACY, ACCURACY_HALF, TIE, MARGIN, NLL, BRIER)


def negative_log_likelihood(margin: float) -> float:
    """softplus(−margin), without overflow."""
    return max(-margin, 0.0) + math.log1p(math.exp(-abs(margin)))


def preference(margin: float) -> float:
    """sigmoid(margin) = P(chosen preferred), without overflow."""
    if margin >= 0:
        return 1.0 / (1.0 + math.exp(-margin))
    return math.exp(margin) / (1.0 + math.exp(margin))


def pair_values(margin: float) -> dict[str, float]:
    """Every pair metric as a function of the margin."""
    tie = margin == 0
    return {
        "accuracy": float(margin > 0),
        "accuracy_half": 0.5 if tie else float(margin > 0),
        "tie": float(tie),
        "margin": margin,
        "nll": negative_log_likelihood(margin),
        "brier": (1.0 - preference(margin)) ** 2,
    }


def pair_scores(chosen: Reading, rejected: Reading, detail: Mapping[str, Any]) -> list[Score]:
    """Scores of one pair; when a reward is missing, every metric is missing with the reason of the first that failed.

    Rewards so far apart that their difference overflows count as `unparsed`, like an infinite reward.
    """
    evidence = {**detail, "chosen_reward": chosen.value, "rejected_reward": rejected.value}
    if chosen.cut or rejected.cut:
        evidence["cut"] = True
    if chosen.value is None or rejected.value is None:
        status = chosen.status if chosen.value is None else rejected.status
        return [Score.missing(metric.name, status, detail=evidence) for metric in PAIR_METRICS]
    margin = chosen.value - rejected.value
    if not math.isfinite(margin):
        return [Score.missing(metric.name, "unparsed", detail=evidence) for metric in PAIR_METRICS]
    values = pair_values(margin)
    return [
        Score(metric=name, value=value, detail=evidence if name == "margin" else {}) for name, value in values.items()
    ]


class PairTask(RewardTask):
    """Base of the tasks whose samples are one pair each."""

    def of_rewards(self, chosen: float | None, rejected: float | None) -> list[Score]:
        """Scores of a pair from stored rewards; None for a reward that is not there."""
        return pair_scores(finite(chosen), finite(rejected), {})

    def of_result(self, result: float) -> list[Score]:
        """Scores of a pair of which only the outcome is stored: 1 right, 0 wrong, anything between a tie or its share."""
        return [
            Score(metric="accuracy", value=float(result == 1)),
            Score(metric="accuracy_half", value=result),
        ]
