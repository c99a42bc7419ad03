"""From scores to numbers that may be printed: one estimate per metric, slice and arm, and paired differences between arms."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec
import numpy as np

from evalsuite.api import Metric
from evalsuite.engine.scores import TaskScores
from evalsuite.records import Estimate, PairEstimate
from evalsuite.stats.intervals import mean_interval
from evalsuite.stats.paired import paired_difference


def estimates(task: str, metrics: Iterable[Metric], scores: TaskScores, level: float = 0.95) -> Iterator[Estimate]:
    """Mean of every per-sample metric with its interval, for the whole and for each slice.

    An arm without a single usable score has an estimate without a value, so that its absence is seen.
    """
    for metric in metrics:
        for slice_name in scores.slices(metric.name):
            for model in scores.models:
                if scores.has(metric.name, model):
                    yield estimate(task, metric, scores, model, slice_name, level)


def estimate(
    task: str, metric: Metric, scores: TaskScores, model: str, slice_name: str | None, level: float
) -> Estimate:
    """Mean of one metric of one arm."""
    values, _, clusters = scores.values(metric.name, model, slice_name)
    empty = Estimate(
        task=task,
        metric=metric.name,
        model=model,
        value=None,
        slice=slice_name,
        level=level,
        higher_is_better=metric.higher_is_better,
        scale=metric.scale,
    )
    if not len(values):
        return empty
    interval = mean_interval(values, grouping(clusters), level=level, kind=metric.kind, bounds=metric.bounds)
    return msgspec.structs.replace(
        empty,
        value=interval.estimate,
        low=interval.low,
        high=interval.high,
        n=interval.n,
        n_clusters=interval.n_clusters,
        method=interval.method,
    )


def pairs(
    task: str, metrics: Iterable[Metric], scores: TaskScores, baseline: str | None, level: float = 0.95
) -> Iterator[PairEstimate]:
    """Paired difference of every arm to the baseline (the first arm when there is none) on the samples both have."""
    reference = baseline if baseline in scores.models else next(iter(scores.models), None)
    for metric in metrics:
        for slice_name in scores.slices(metric.name):
            for model in scores.models:
                if reference is not None and model != reference and scores.has(metric.name, model):
                    yield pair(task, metric, scores, model, reference, slice_name, level)


def pair(
    task: str, metric: Metric, scores: TaskScores, model: str, baseline: str, slice_name: str | None, level: float
) -> PairEstimate:
    """One paired difference `model − baseline` on the samples that both have."""
    ours, our_ids, clusters = scores.values(metric.name, model, slice_name)
    theirs, their_ids, _ = scores.values(metric.name, baseline, slice_name)
    position = {sample_id: index for index, sample_id in enumerate(their_ids)}
    shared = [index for index, sample_id in enumerate(our_ids) if sample_id in position]
    empty = PairEstimate(
        task=task,
        metric=metric.name,
        model=model,
        baseline=baseline,
        difference=None,
        slice=slice_name,
        level=level,
        higher_is_better=metric.higher_is_better,
        scale=metric.scale,
    )
    if not shared:
        return empty
    result = paired_difference(
        ours[shared],
        theirs[[position[our_ids[index]] for index in shared]],
        grouping(clusters[shared]),
        level=level,
        kind=metric.kind,
        bounds=metric.bounds,
    )
    return msgspec.structs.replace(
        empty,
        difference=result.difference,
        low=result.low,
        high=result.high,
        n=result.n,
        n_clusters=result.n_clusters,
        method=result.method,
        p_value=result.p_value,
    )


def grouping(clusters: np.ndarray) -> np.ndarray | None:
    """Cluster numbers, or None when every sample is its own cluster."""
    names, numbers = np.unique(clusters.astype(str), return_inverse=True)
    return None if len(names) == len(clusters) else numbers
