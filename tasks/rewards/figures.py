"""Figures of the reward tasks as report sections: data and Vega-Lite specifications."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from evalsuite.api import ScoreTable, Section
from evalsuite.stats.calibration import reliability_curve

HISTOGRAM_BINS = 40
WRONG, RIGHT = "#c4573a", "#3a7ac4"


def model_colour(models: Sequence[str], title: str = "reward model") -> dict[str, Any]:
    """The colour channel of every figure of a task; without a scale, so that a model has the colour it has in the whole report."""
    return {"field": "model", "type": "nominal", "title": title, "sort": list(models), "legend": {"columns": 2}}


def one_view_per_model(models: Sequence[str], view: Mapping[str, Any]) -> dict[str, Any]:
    """Small multiples: the same view for every model, three in a row, or one where the page is narrow."""
    facet = {"field": "model", "type": "nominal", "sort": list(models), "title": None}
    return {"facet": facet, "columns": 3, "spec": {"width": 245, **view}}


def calibration_section(scores: ScoreTable) -> Section:
    """Confidence against accuracy of every reward model, in ten bins of equal mass, with intervals."""
    rows = []
    for model in scores.models:
        margins, _, _ = scores.values("margin", model)
        if len(margins):
            rows += [
                {
                    "model": model, "confidence": part.predicted, "accuracy": part.observed, "low": part.observed_low,
                    "high": part.observed_high, "n": part.n,
                }
                for part in reliability_curve(margins, binning="equal_mass")
            ]  # fmt: skip
    x = {
        "field": "confidence", "type": "quantitative", "scale": {"domain": [0.5, 1]}, "title": "confidence",
        "axis": {"tickCount": 5},
    }  # fmt: skip
    scale = {"domain": [0, 1]}
    y = {"field": "accuracy", "type": "quantitative", "scale": scale, "title": "accuracy", "axis": {"tickCount": 5}}
    diagonal = {
        "mark": {"type": "line", "strokeDash": [4, 4], "color": "gray"},
        "encoding": {"x": x, "y": {**y, "field": "confidence"}},
    }
    interval = {"mark": "rule", "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}}}
    curve = {
        "mark": {"type": "line", "point": True},
        "encoding": {
            "x": x,
            "y": y,
            "color": {**model_colour(scores.models), "legend": None},
            "tooltip": [{"field": name} for name in ("model", "confidence", "accuracy", "low", "high", "n")],
        },
    }
    return Section(
        title="Calibration",
        text="How often the preferred reply scores higher, by how sure the model was: sigmoid(|margin|), in ten bins of equal "
        "mass with 95% intervals. On the dashed line a model means what it says; below it, it is over-confident.",
        rows=tuple(rows),
        figure=one_view_per_model(scores.models, {"height": 170, "layer": [diagonal, interval, curve]}),
        alternative="Accuracy against confidence with intervals, one panel per reward model, with the diagonal",
    )


def margin_section(scores: ScoreTable) -> Section:
    """Histogram of r(preferred) − r(other) of every reward model, in units of its own root mean square."""
    rows: list[dict[str, Any]] = []
    for model in scores.models:
        margins, _, _ = scores.values("margin", model)
        spread = float(np.sqrt(np.mean(margins**2))) if len(margins) else 0.0
        if spread > 0:
            counts, edges = np.histogram(np.clip(margins / spread, -4, 4), bins=HISTOGRAM_BINS, range=(-4.0, 4.0))
            rows += [
                {"model": model, "low": float(low), "high": float(high), "share": int(count) / len(margins)}
                for low, high, count in zip(edges, edges[1:], counts, strict=False)
            ]
    bars = {
        "height": 90,
        "mark": "bar",
        "encoding": {
            "x": {
                "field": "low", "type": "quantitative", "bin": {"binned": True}, "title": "margin / root mean square",
                "axis": {"values": [-4, -2, 0, 2, 4]},
            },
            "x2": {"field": "high"},
            "y": {"field": "share", "type": "quantitative", "title": "share of pairs", "axis": {"tickCount": 3}},
            "color": {"condition": {"test": "datum.low < 0", "value": WRONG}, "value": RIGHT},
            "tooltip": [{"field": name} for name in ("model", "low", "high", "share")],
        },
    }  # fmt: skip
    return Section(
        title="Margins",
        text="Distribution of r(preferred) − r(other), in units of each model's root mean square; what lies left of zero is wrong. "
        "Values beyond four are in the outermost bars.",
        rows=tuple(rows),
        figure=one_view_per_model(scores.models, bars),
        alternative="Histogram of margins, one panel per reward model",
    )
