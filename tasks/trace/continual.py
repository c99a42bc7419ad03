"""What a sequence of checkpoints adds to TRACE: the matrix of stages by data sets, and what was learned and forgotten.

R[t, i] is the mean score on data set i after stage t (paper section 4.2). The figures are those of `stats.forgetting`, with
paired intervals over the samples; `op` belongs to the stage it is named with, all others to the last stage.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from evalsuite.api import Estimate, ScoreTable, Section
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


def sections(scores: ScoreTable, stages: Sequence[Stage]) -> Iterator[Section]:
    """The matrix as a heat map, every data set's curve over the stages, and samples that were right and are now wrong."""
    found = matrix(scores, stages)
    if found is None:
        return
    cells = list(_cells(scores, found, stages))
    yield Section(
        title="The matrix: checkpoints by data sets",
        text=(
            "Rows are checkpoints in training order, columns the data sets in the order they were trained on. A column that "
            "gets paler downwards was forgotten. Each data set has its own metric: compare along columns."
        ),
        rows=tuple(cells),
        figure=_heat_map([stage.label for stage in _rows(found, stages)], found.datasets),
        alternative=_in_words(cells, found),
    )
    yield Section(
        title="Each data set over time",
        text=(
            "Mean score with its 95 % interval after each stage, stage 0 being before training where it was asked; the dot "
            "marks the stage that trained on the data set."
        ),
        rows=tuple(cells),
        figure=_curves(found.datasets),
        alternative=_in_words(cells, found),
    )
    lost = list(_lost(scores, found))
    if lost:
        yield Section(
            title="What was forgotten",
            text="Samples answered better right after training on their data set than at the end, largest loss first.",
            rows=tuple(lost),
            alternative=f"{len(lost)} samples with the largest loss.",
        )


def _rows(found: Matrix, stages: Sequence[Stage]) -> tuple[Stage, ...]:
    return tuple(stage for stage in stages if stage.trained_on is None)[:1] + found.stages


def _cells(scores: ScoreTable, found: Matrix, stages: Sequence[Stage]) -> Iterator[Mapping[str, Any]]:
    from evalsuite.stats.intervals import mean_interval

    first = 0 if _rows(found, stages)[0].trained_on is None else 1
    for number, stage in enumerate(_rows(found, stages), first):
        for dataset in found.datasets:
            values, _, _ = scores.values(METRIC, stage.label, dataset)
            interval = (
                mean_interval(values, None, level=0.95, kind="bounded", bounds=(0.0, 1.0)) if len(values) else None
            )
            yield {
                "stage": number,
                "checkpoint": stage.label,
                "trained_on": stage.trained_on,
                "dataset": dataset,
                "score": interval.estimate if interval else None,
                "low": interval.low if interval else None,
                "high": interval.high if interval else None,
                "n": len(values),
                "just_trained": stage.trained_on == dataset,
            }


def _in_words(cells: Iterable[Mapping[str, Any]], found: Matrix) -> str:
    by_place = {(cell["checkpoint"], cell["dataset"]): cell["score"] for cell in cells}
    parts = []
    for stage, dataset in zip(found.stages, found.datasets, strict=True):
        learned, final = by_place[stage.label, dataset], by_place[found.stages[-1].label, dataset]
        shown = ("n/a" if value is None else f"{value:.3f}" for value in (learned, final))
        parts.append(f"{dataset}: {' when learned, '.join(shown)} at the end")
    return "; ".join(parts) + "."


def _heat_map(checkpoints: Sequence[str], datasets: Sequence[str]) -> dict[str, Any]:
    x = {"field": "dataset", "type": "nominal", "sort": list(datasets), "title": "data set, in training order"}
    y = {"field": "checkpoint", "type": "nominal", "sort": list(checkpoints), "title": "checkpoint"}
    color = {"field": "score", "type": "quantitative", "scale": {"scheme": "blues", "domain": [0, 1]}, "title": "score"}
    light = {"condition": {"test": "datum.score > 0.55", "value": "white"}, "value": "black"}
    text = {"field": "score", "type": "quantitative", "format": ".3f"}
    outline = {"condition": {"test": "datum.just_trained", "value": "#d95f02"}, "value": None}
    return {
        "transform": [{"filter": "datum.score !== null"}],
        "encoding": {"x": x, "y": y},
        "layer": [
            {"mark": {"type": "rect", "strokeWidth": 2}, "encoding": {"color": color, "stroke": outline}},
            {"mark": {"type": "text"}, "encoding": {"text": text, "color": light}},
        ],
    }


def _curves(datasets: Sequence[str]) -> dict[str, Any]:
    x = {"field": "stage", "type": "ordinal", "title": "stage", "axis": {"labelAngle": 0}}
    y = {"field": "score", "type": "quantitative", "scale": {"domain": [0, 1]}, "title": "score"}
    limits = {"field": "low", "type": "quantitative", "title": "score"}
    learned = {
        "transform": [{"filter": "datum.just_trained"}],
        "mark": {"type": "point", "filled": True, "size": 60},
        "encoding": {"y": y},
    }
    return {
        "transform": [{"filter": "datum.score !== null"}],
        "columns": 4,
        "facet": {"field": "dataset", "type": "nominal", "sort": list(datasets), "title": None},
        "spec": {
            "width": 140,
            "height": 110,
            "encoding": {"x": x},
            "layer": [
                {"mark": {"type": "area", "opacity": 0.2}, "encoding": {"y": limits, "y2": {"field": "high"}}},
                {"mark": {"type": "line"}, "encoding": {"y": y}},
                learned,
            ],
        },
    }


def _lost(scores: ScoreTable, found: Matrix, limit: int = 30) -> Iterator[Mapping[str, Any]]:
    """The samples that lost most between the stage that learned them and the end."""
    last = found.stages[-1].label
    final = {sample: score for sample, score in scores.scores(METRIC, last) if score.status == "ok"}
    losses = []
    for stage in found.stages[:-1]:
        for sample, score in scores.scores(METRIC, stage.label):
            now = final.get(sample)
            if (
                score.slice == stage.trained_on
                and score.value is not None
                and now is not None
                and now.value is not None
            ):
                losses.append((score.value - now.value, sample, stage, score, now))
    losses.sort(key=lambda loss: (-loss[0], loss[1]))
    for loss, sample, stage, score, now in losses[:limit]:
        if loss <= 0:
            return
        yield {
            "sample": sample,
            "dataset": stage.trained_on,
            "learned_at": stage.label,
            "score_when_learned": score.value,
            "score_at_the_end": now.value,
            "answer_when_learned": score.detail.get("answer"),
            "answer_at_the_end": now.detail.get("answer"),
        }
