"""Arena-Hard's arithmetic of five-label verdicts: strong verdicts weigh three times (arXiv 2406.11939, `show_result.py`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from evalsuite.errors import StatisticsError
from evalsuite.stats.bootstrap import ratio_and_se

STRONG_WEIGHT = 3
_SEEN_BY_A: Mapping[str, tuple[float, ...]] = {
    "A>>B": (1.0,) * STRONG_WEIGHT,
    "A>B": (1.0,),
    "A=B": (0.5,),
    "B>A": (0.0,),
    "B>>A": (0.0,) * STRONG_WEIGHT,
}
_MIRRORED = {"B<<A": "A>>B", "B<A": "A>B", "B=A": "A=B", "A<B": "B>A", "A<<B": "B>>A"}


class WeightedScore(NamedTuple):
    """A score in [0, 1] with its standard error (None when not estimable)."""

    value: float
    standard_error: float | None


def game_scores(label_baseline_first: str | None, label_candidate_first: str | None) -> list[float] | None:
    """The candidate's scores of both games, strong verdicts three times; None when either game has no verdict.

    Args:
        label_baseline_first: verdict of the game that shows the baseline as A (`A>>B`, `A>B`, `A=B`, `B>A`, `B>>A`, or the
            same mirrored).
        label_candidate_first: verdict of the game that shows the candidate as A.
    """
    ours, theirs = (
        _SEEN_BY_A.get(_MIRRORED.get(label or "", label or ""))
        for label in (label_candidate_first, label_baseline_first)
    )
    if ours is None or theirs is None:
        return None
    return [*ours, *(1.0 - score for score in theirs)]


def weighted_score(rows: Sequence[Sequence[float]]) -> WeightedScore:
    """Sum of all scores over their number, prompts being the units; `rows` holds one prompt's scores each.

    Raises:
        StatisticsError: no rows.
    """
    if not rows:
        raise StatisticsError("there is no prompt with two verdicts")
    sums = np.array([[sum(row), len(row)] for row in rows], dtype=np.float64)
    if len(rows) < 2:
        return WeightedScore(float(sums[0, 0] / sums[0, 1]), None)
    value, error = ratio_and_se(sums)
    return WeightedScore(float(value), float(error))
