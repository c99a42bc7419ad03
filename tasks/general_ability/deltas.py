"""What a set of probe tasks says about a sequence of checkpoints: level of every model, delta of every stage.

The general ability delta of TRACE (section 4.2) is the mean over the probe tasks of the score after a stage minus the score
before training; slices are the probe tasks, weigh equally and are fixed, samples are paired.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from evalsuite.api import Estimate, ScoreTable
from evalsuite.sequences import Stage
from evalsuite.tasks.stages import against_before, sequence_figure

if TYPE_CHECKING:
    import numpy as np

    from evalsuite.stats.forgetting_intervals import SequenceEstimate

LEVEL = "t over samples, slices weigh equally"
"""How the interval of a mean over slices is made."""


def estimates(task: str, scores: ScoreTable, metric: str, stages: Sequence[Stage]) -> Iterator[Estimate]:
    """`<task>` for every model: the mean over the slices; `<task>_delta` for every stage against the one before training."""
    for model in scores.models:
        if (level := macro_average(scores, metric, model)) is not None:
            yield sequence_figure(task, task, model, *level, higher_is_better=True, scale="0-1", method=LEVEL)
    for before, after in against_before(stages):
        if (delta := change(scores, metric, before, after)) is not None:
            yield sequence_figure(task, f"{task}_delta", after, *delta, higher_is_better=True)


def macro_average(scores: ScoreTable, metric: str, model: str) -> tuple[SequenceEstimate, int] | None:
    """Mean over the slices of their means, slices fixed, and the number of samples; None without scores."""
    import numpy as np

    from evalsuite.stats.forgetting_intervals import ability_delta

    columns = [scores.values(metric, model, name)[0] for name in scores.slices(metric) if name is not None]
    if not columns or any(not len(column) for column in columns):
        return None
    level = ability_delta([np.zeros(len(column)) for column in columns], columns)
    return level, sum(map(len, columns))


def change(scores: ScoreTable, metric: str, before: str, after: str) -> tuple[SequenceEstimate, int] | None:
    """Mean over the slices of (score after − score before) on the samples both models have; None without scores."""
    from evalsuite.stats.forgetting_intervals import ability_delta

    pairs = [shared_values(scores, metric, before, after, name) for name in scores.slices(metric) if name is not None]
    if not pairs or any(not len(first) for first, _ in pairs):
        return None
    delta = ability_delta([first for first, _ in pairs], [second for _, second in pairs])
    return delta, sum(len(first) for first, _ in pairs)


def shared_values(scores: ScoreTable, metric: str, first: str, second: str, name: str) -> tuple[np.ndarray, np.ndarray]:
    import numpy as np

    columns = [
        {sample: value for value, sample in zip(values, ids, strict=True)}
        for values, ids, _ in (scores.values(metric, first, name), scores.values(metric, second, name))
    ]
    shared = [sample for sample in columns[0] if sample in columns[1]]
    return np.array([columns[0][s] for s in shared]), np.array([columns[1][s] for s in shared])
