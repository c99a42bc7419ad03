"""What a sequence of training stages learned and what it forgot.

A model is trained on tasks 1..T in order; R[t, i] is its score on task i after stage t, on a common scale where higher
is better, and stage 0 is the model before training. Matrices have shape (T, T), rows being stages 1..T; a cell that was
not evaluated is NaN, and every figure that needs it is None.

Intervals from per-sample scores are in `forgetting_intervals`.

Sources: Wang et al. 2023, arXiv 2310.06762 (OP, BWT); Lopez-Paz & Ranzato 2017 (BWT, FWT); Chaudhry et al. 2018
(forgetting, intransigence); Jang et al. 2021, arXiv 2110.03215 (FUAR).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalsuite.errors import StatisticsError

FloatArray = NDArray[np.float64]

BwtDivisor = Literal["T-1", "T"]
PeakOver = Literal["since_learned", "all_stages"]


@dataclass(frozen=True)
class SequenceSummary:
    """Figures of one checkpoint-by-task matrix; None where a needed cell is missing or the figure is undefined.

    Attributes:
        op_by_stage: OP_t, mean score over the tasks seen so far, for t = 1..T.
        op: OP_T.
        bwt: backward transfer, mean_{i<T}(R[T,i] - R[i,i]).
        forgetting: mean_{i<T}(max_{t<T} R[t,i] - R[T,i]); biased upwards by the maximum of noisy scores.
        forgetting_by_task: its terms, for tasks 1..T-1.
        worst_forgetting: the largest term.
        learning_accuracy: mean_i R[i,i].
        average_incremental_accuracy: mean_t OP_t.
        fwt_vs_base: mean_{i>1}(R[i-1,i] - R[0,i]): what earlier stages gave to tasks not yet trained on.
        intransigence: mean_i(reference_i - R[i,i]).
        retention: mean over tasks of R[T,i] / max_{t>=i} R[t,i], tasks with maximum 0 left out.
        retention_tasks: number of tasks in that mean.
        missing_cells: (stage, task), 1-based, of the cells with task <= stage that were not evaluated.
    """

    op_by_stage: tuple[float | None, ...]
    op: float | None
    bwt: float | None
    forgetting: float | None
    forgetting_by_task: tuple[float | None, ...]
    worst_forgetting: float | None
    learning_accuracy: float | None
    average_incremental_accuracy: float | None
    fwt_vs_base: float | None
    intransigence: float | None
    retention: float | None
    retention_tasks: int
    missing_cells: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Fuar:
    """FUAR: forgotten per gained; lower is better, 1 is one forgotten for one gained.

    ``value`` is None, with the reason, when nothing was gained.
    """

    value: float | None
    forgotten: float
    gained: float
    reason: str | None


def summarise_matrix(
    scores: ArrayLike,
    *,
    base: ArrayLike | None = None,
    reference: ArrayLike | None = None,
    bwt_divisor: BwtDivisor = "T-1",
    peak_over: PeakOver = "since_learned",
) -> SequenceSummary:
    """Figures of a checkpoint-by-task matrix.

    Args:
        scores: R, shape (T, T), row t - 1 being stage t; NaN where not evaluated.
        base: R[0], shape (T,), scores before training.
        reference: score of a jointly (or singly) trained reference on each task, shape (T,), for the intransigence.
        bwt_divisor: TRACE prints T in its formula; its published tables, and other authors, divide by T - 1.
        peak_over: whether the peak of a task counts stages before it was trained on (Chaudhry et al.) or not.

    Raises:
        StatisticsError: arrays of other shapes, or infinite scores.
    """
    cells = _extended(scores, base)
    n_tasks = cells.shape[1]
    values = sequence_figures(cells[None], bwt_divisor, peak_over)
    op_by_stage = tuple(none_if_nan(values[f"op_{t}"][0]) for t in range(1, n_tasks + 1))
    by_task = _forgetting_by_task(cells[None], peak_over)[0]
    return SequenceSummary(
        op_by_stage=op_by_stage,
        op=op_by_stage[-1],
        bwt=none_if_nan(values["bwt"][0]),
        forgetting=none_if_nan(values["forgetting"][0]),
        forgetting_by_task=tuple(none_if_nan(f) for f in by_task),
        worst_forgetting=none_if_nan(values["worst_forgetting"][0]),
        learning_accuracy=none_if_nan(values["learning_accuracy"][0]),
        average_incremental_accuracy=none_if_nan(values["average_incremental_accuracy"][0]),
        fwt_vs_base=none_if_nan(values["fwt_vs_base"][0]),
        intransigence=none_if_nan(reference_mean(reference, n_tasks) - values["learning_accuracy"][0]),
        retention=none_if_nan(values["retention"][0]),
        retention_tasks=_retention_tasks(cells),
        missing_cells=missing_cells(cells),
    )


def fuar(
    invariant_before: ArrayLike,
    invariant_after: ArrayLike,
    updated_before: ArrayLike,
    updated_after: ArrayLike,
    new_before: ArrayLike,
    new_after: ArrayLike,
) -> Fuar:
    """Forgotten / (updated + acquired) ratio of continual knowledge learning (arXiv 2110.03215, section 3).

    Args:
        invariant_before, invariant_after: score on the invariant knowledge of each earlier corpus D_i, by the model
            trained up to D_i and by the final one; scalars or shape (n,).
        updated_before, updated_after: score on the knowledge to update, by the model trained up to D_i and the final one.
        new_before, new_after: the same for the knowledge to acquire. NaN stands for a task that is not defined.
    """
    lost, updated, acquired = (
        float(np.nansum(np.maximum(np.asarray(above, dtype=np.float64) - np.asarray(below, dtype=np.float64), 0.0)))
        for above, below in (
            (invariant_before, invariant_after),
            (updated_after, updated_before),
            (new_after, new_before),
        )
    )
    gained = updated + acquired
    if gained == 0:
        return Fuar(None, lost, gained, "no gain: nothing was updated or acquired")
    return Fuar(lost / gained, lost, gained, None)


# --- figures of matrices ----------------------------------------------------------------------------------------------


def _extended(scores: ArrayLike, base: ArrayLike | None) -> FloatArray:
    """Matrix of stages 0..T by tasks 1..T."""
    matrix = np.asarray(scores, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not matrix.size:
        raise StatisticsError(f"a checkpoint-by-task matrix must be square (stages x tasks); got shape {matrix.shape}")
    first = np.full(len(matrix), np.nan) if base is None else np.asarray(base, dtype=np.float64)
    if first.shape != (len(matrix),):
        raise StatisticsError(f"base scores need one entry per task: {len(matrix)}, got shape {first.shape}")
    cells = np.vstack([first, matrix])
    if np.isinf(cells).any():
        raise StatisticsError("the matrix holds infinite scores; a cell that was not evaluated is NaN")
    return cells


def linear_figures(n_tasks: int, bwt_divisor: BwtDivisor) -> dict[str, FloatArray]:
    """Weights over the cells (stages 0..T, tasks) of every figure that is linear in them; empty weights: undefined."""

    def empty() -> FloatArray:
        return np.zeros((n_tasks + 1, n_tasks))

    figures = {}
    learned, incremental, backward, forward = empty(), empty(), empty(), empty()
    for t in range(1, n_tasks + 1):
        figures[f"op_{t}"] = empty()
        figures[f"op_{t}"][t, :t] = 1 / t
        incremental[t, :t] = 1 / (t * n_tasks)
        learned[t, t - 1] = 1 / n_tasks
    divisor = n_tasks - 1 if bwt_divisor == "T-1" else n_tasks
    for i in range(n_tasks - 1):
        backward[n_tasks, i] += 1 / divisor
        backward[i + 1, i] -= 1 / divisor
        forward[i + 1, i + 1] += 1 / (n_tasks - 1)
        forward[0, i + 1] -= 1 / (n_tasks - 1)
    figures |= {"learning_accuracy": learned, "average_incremental_accuracy": incremental}
    return figures | {"bwt": backward, "fwt_vs_base": forward}


def sequence_figures(cells: FloatArray, bwt_divisor: BwtDivisor, peak_over: PeakOver) -> dict[str, FloatArray]:
    """Every figure of a stack of matrices, shape (B, T + 1, T); NaN where undefined."""
    n_tasks = cells.shape[2]
    undefined = np.full(len(cells), np.nan)
    values = {}
    for name, weights in linear_figures(n_tasks, bwt_divisor).items():
        stage, task = np.nonzero(weights)
        values[name] = cells[:, stage, task] @ weights[stage, task] if len(stage) else undefined
    loss = _forgetting_by_task(cells, peak_over)
    values["forgetting"] = loss.mean(axis=1) if n_tasks > 1 else undefined
    values["worst_forgetting"] = loss.max(axis=1) if n_tasks > 1 else undefined
    peaks = np.stack([cells[:, i + 1 :, i].max(axis=1) for i in range(n_tasks)], axis=1)
    # A missing cell has a NaN peak, which is not 0, and so makes the mean NaN.
    counted = peaks != 0
    ratio = np.divide(cells[:, -1, :], peaks, out=np.zeros_like(peaks), where=counted)
    values["retention"] = np.where(counted.any(axis=1), ratio.sum(axis=1) / np.maximum(counted.sum(axis=1), 1), np.nan)
    return values


def _forgetting_by_task(cells: FloatArray, peak_over: PeakOver) -> FloatArray:
    """Peak before the last stage minus the last score, for tasks 1..T-1, shape (B, T - 1)."""
    n_tasks = cells.shape[2]
    loss = np.empty((len(cells), n_tasks - 1))
    for i in range(n_tasks - 1):
        first = i + 1 if peak_over == "since_learned" else 1
        loss[:, i] = cells[:, first:n_tasks, i].max(axis=1) - cells[:, n_tasks, i]
    return loss


def _retention_tasks(cells: FloatArray) -> int:
    peaks = np.array([cells[i + 1 :, i].max() for i in range(cells.shape[1])])
    return int(((peaks != 0) & ~np.isnan(peaks)).sum())


def missing_cells(cells: FloatArray) -> tuple[tuple[int, int], ...]:
    stage, task = np.nonzero(np.isnan(cells))
    return tuple((int(t), int(i) + 1) for t, i in zip(stage, task, strict=True) if 1 <= i + 1 <= t)


def reference_mean(reference: ArrayLike | None, n_tasks: int) -> float:
    if reference is None:
        return math.nan
    values = np.asarray(reference, dtype=np.float64)
    if values.shape != (n_tasks,):
        raise StatisticsError(f"reference scores need one entry per task: {n_tasks}, got shape {values.shape}")
    return float(values.mean())


def none_if_nan(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
