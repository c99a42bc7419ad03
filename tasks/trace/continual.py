"""What a sequence of checkpoints adds to TRACE: the matrix of stages by data sets, and what was learned and forgotten.

R[t, i] is the mean score on data set i after stage t (paper section 4.2). The figures are those of `stats.forgetting`, with
paired intervals over the samples; `op` belongs to the stage it is named with, all others to the last stage.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from evalsuite.api import Estimate, ScoreTable
from evalsuite.errors import UsageError
from evalsuite.sequences import Cells, Stage
from evalsuite.tasks.general_ability import deltas
from evalsuite.tasks.stages import sequence_figure

if TYPE_CHECKING:
    import numpy as np

    from evalsuite.stats.forgetting_intervals import SequenceEstimates

METRIC = "score"
HIGHER_IS_BETTER = {
    "bwt": True,
    "forgetting": False,
    "forgetting_naive": False,
    "learning_accuracy": True,
    "average_incremental_accuracy": True,
    "fwt_vs_base": True,
    "intransigence": False,
}
"""Figures of the whole sequence, in the order of the report; `op` is given for every stage."""

LEVELS = ("learning_accuracy", "average_incremental_accuracy")
"""Those that are scores; the others are differences of scores."""

_SEED = 20_231_006  # of the random halves that forgetting is cross-fitted on


class Matrix(NamedTuple):
    """Scores of every sample at every stage: `scores[i]` has shape (T, n_i), `base[i]` shape (n_i,), NaN where missing."""

    stages: tuple[Stage, ...]
    datasets: tuple[str, ...]
    scores: list[np.ndarray]
    base: list[np.ndarray] | None
    clusters: list[np.ndarray]


def check_sequence(stages: Sequence[Stage], datasets: Sequence[str]) -> None:
    """Refuse a sequence of which only a part is tested: its figures would be those of another sequence.

    Raises:
        UsageError: some, but not all, of the data sets trained on are among those tested.
    """
    trained = [stage.trained_on for stage in stages if stage.trained_on is not None]
    absent = [name for name in trained if name not in datasets]
    if absent and len(absent) < len(trained):
        raise UsageError(
            f"the sequence was trained on {', '.join(absent)}, which {'is' if len(absent) == 1 else 'are'} not among the "
            f"tested data sets ({', '.join(datasets)}); backward transfer needs all of them"
        )


def left_out(stages: Sequence[Stage], cells: Cells, label: str, dataset: str) -> bool:
    """Whether this cell is above the diagonal and only the lower triangle is wanted."""
    if cells == "full":
        return False
    learned_at = {stage.trained_on: number for number, stage in enumerate(stages)}
    number_of = {stage.label: number for number, stage in enumerate(stages)}
    return dataset in learned_at and label in number_of and number_of[label] < learned_at[dataset]


def matrix(scores: ScoreTable, stages: Sequence[Stage]) -> Matrix | None:
    """The scores of a sequence; None when the run is no sequence, or tests none of what it was trained on."""
    import numpy as np

    trained = tuple(stage for stage in stages if stage.trained_on is not None)
    slices = scores.slices(METRIC)
    datasets = tuple(str(stage.trained_on) for stage in trained)
    if not trained or not all(name in slices for name in datasets):
        return None
    before = next((stage for stage in stages if stage.trained_on is None), None)
    rows = ((before,) if before else ()) + trained
    columns, clusters = [], []
    for name in datasets:
        cells = {stage.label: scores.values(METRIC, stage.label, name) for stage in rows}
        cluster_of = {
            sample: cluster for _, ids, groups in cells.values() for sample, cluster in zip(ids, groups, strict=True)
        }
        position = {sample: number for number, sample in enumerate(cluster_of)}
        column = np.full((len(rows), len(position)), np.nan)
        for number, stage in enumerate(rows):
            values, ids, _ = cells[stage.label]
            column[number, [position[sample] for sample in ids]] = values
        columns.append(column)
        clusters.append(np.array(list(cluster_of.values()), dtype=str))
    if any(column.shape[1] == 0 for column in columns):
        return None
    if before is None:
        return Matrix(trained, datasets, columns, None, clusters)
    return Matrix(trained, datasets, [column[1:] for column in columns], [column[0] for column in columns], clusters)


def estimates(
    task: str,
    scores: ScoreTable,
    stages: Sequence[Stage],
    bwt_divisor: Literal["T-1", "T"],
    reference: Mapping[str, float],
) -> Iterator[Estimate]:
    """OP of every stage, and backward transfer, forgetting, learning and average incremental accuracy, forward transfer.

    Intransigence too when `reference` has a jointly trained model's score on every data set of the sequence. Without a
    sequence OP is the mean over the data sets that were asked.
    """
    if not stages:
        for model in scores.models:
            if (level := deltas.macro_average(scores, METRIC, model)) is not None:
                yield sequence_figure(
                    task, "op", model, *level, higher_is_better=True, scale="0-1", method=deltas.LEVEL
                )
        return
    found = matrix(scores, stages)
    if found is None:
        return
    result = _estimated(found, bwt_divisor, reference)
    last = found.stages[-1].label
    n = sum(result.n_samples)
    for number, stage in reversed(list(enumerate(found.stages, 1))):
        op, asked = result.estimates[f"op_{number}"], sum(result.n_samples[:number])
        yield sequence_figure(task, "op", stage.label, op, asked, higher_is_better=True, scale="0-1")
    for metric, higher_is_better in HIGHER_IS_BETTER.items():
        if metric == "intransigence" and not reference:
            continue
        scale = "0-1" if metric in LEVELS else "difference"
        figure = result.estimates[metric]
        yield sequence_figure(task, metric, last, figure, n, higher_is_better=higher_is_better, scale=scale)


def _estimated(found: Matrix, bwt_divisor: Literal["T-1", "T"], reference: Mapping[str, float]) -> SequenceEstimates:
    import numpy as np

    from evalsuite.stats.forgetting_intervals import estimate_sequence

    return estimate_sequence(
        found.scores,
        base=found.base,
        clusters=found.clusters,
        rng=np.random.default_rng(_SEED),
        bwt_divisor=bwt_divisor,
        reference=[reference.get(name, np.nan) for name in found.datasets] if reference else None,
    )
