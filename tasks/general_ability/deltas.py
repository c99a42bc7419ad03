"""What a set of probe tasks says about a sequence of checkpoints: level of every model, delta of every stage.

The general ability delta of TRACE (section 4.2) is the mean over the probe tasks of the score after a stage minus the score
before training; slices are the probe tasks, weigh equally and are fixed, samples are paired.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from evalsuite.api import Estimate, ScoreTable, Section
from evalsuite.sequences import Stage
from evalsuite.tasks.stages import against_before, change_bars, sequence_figure

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
    yield from deltas(task, f"{task}_delta", scores, metric, stages)


def deltas(task: str, name: str, scores: ScoreTable, metric: str, stages: Sequence[Stage]) -> Iterator[Estimate]:
    """`name` for every stage: the mean over the slices of the metric's change since before training."""
    for before, after in against_before(stages):
        if (delta := change(scores, metric, before, after)) is not None:
            yield sequence_figure(task, name, after, *delta, higher_is_better=True)


def macro_average(scores: ScoreTable, metric: str, model: str) -> tuple[SequenceEstimate, int] | None:
    """Mean over the slices of their means, slices fixed, and the number of samples; None without scores."""
    import numpy as np

    from evalsuite.stats.forgetting_intervals import ability_delta

    columns = [scores.values(metric, model, name)[0] for name in scores.slices(metric) if name is not None]
    if not columns or any(not len(column) for column in columns):
        return None
    level = ability_delta([np.zeros(len(column)) for column in columns], columns)
    return level, sum(map(len, columns))


def sections(scores: ScoreTable, metric: str, stages: Sequence[Stage]) -> Iterator[Section]:
    """The change of every slice and of their mean since before training, at every stage; none without a sequence."""
    slices = [name for name in scores.slices(metric) if name is not None]
    rows = [
        {"checkpoint": after, "part": name or "mean", **row}
        for before, after in against_before(stages)
        for name in (*slices, None)
        if (row := _changed(scores, metric, before, after, name)) is not None
    ]
    if not rows:
        return
    means = [row for row in rows if row["part"] == "mean"]
    yield Section(
        title="Change since before training",
        text="Score of each checkpoint minus that of the one before training, paired over the samples, with its 95 % interval.",
        rows=tuple(rows),
        figure=change_bars(
            "part",
            [row["part"] for row in rows],
            "change since before training",
            panels=[row["checkpoint"] for row in rows],
        ),
        alternative="; ".join(f"{row['checkpoint']}: {row['change']:+.3f} on the mean" for row in means) + ".",
    )


def _changed(scores: ScoreTable, metric: str, before: str, after: str, name: str | None) -> dict[str, Any] | None:
    """The change on one slice, or (None) on the mean of all, as a row of a figure."""
    found = change(scores, metric, before, after, None if name is None else [name])
    if found is None or found[0].value is None:
        return None
    delta, n = found
    return {"change": delta.value, "low": delta.low, "high": delta.high, "n": n}


def change(
    scores: ScoreTable, metric: str, before: str, after: str, slices: Sequence[str] | None = None
) -> tuple[SequenceEstimate, int] | None:
    """Mean over the slices (all unless some are named) of score after − score before; None without scores.

    A slice counts the samples that both models have.
    """
    from evalsuite.stats.forgetting_intervals import ability_delta

    names = [name for name in scores.slices(metric) if name is not None] if slices is None else slices
    pairs = [shared_values(scores, metric, before, after, name) for name in names]
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
