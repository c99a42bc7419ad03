"""Figures of the reward tasks as report sections: data and Vega-Lite specifications."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from evalsuite.api import ScoreTable, Section
from evalsuite.stats.calibration import reliability_curve

HISTOGRAM_BINS = 40


def model_colour(models: Sequence[str], title: str = "reward model") -> dict[str, Any]:
    """The colour channel of every figure of a task, so that a model has one colour in all of them."""
    return {"field": "model", "type": "nominal", "title": title, "scale": {"domain": list(models)}}


def calibration_section(scores: ScoreTable) -> Section:
    """Confidence against accuracy of every reward model, in ten bins of equal mass."""
    rows = []
    for model in scores.models:
        margins, _, _ = scores.values("margin", model)
        if len(margins):
            rows += [
                {"model": model, "confidence": part.predicted, "accuracy": part.observed, "n": part.n}
                for part in reliability_curve(margins, binning="equal_mass")
            ]
    diagonal = {
        "mark": {"type": "line", "strokeDash": [4, 4], "color": "gray"},
        "encoding": {
            "x": {"field": "confidence", "type": "quantitative"},
            "y": {"field": "confidence", "type": "quantitative"},
        },
    }
    curve = {
        "mark": {"type": "line", "point": True},
        "encoding": {
            "x": {
                "field": "confidence", "type": "quantitative", "scale": {"domain": [0.5, 1]},
                "title": "confidence: sigmoid(|margin|)",
            },
            "y": {"field": "accuracy", "type": "quantitative", "scale": {"domain": [0, 1]}},
            "color": model_colour(scores.models),
            "tooltip": [{"field": name} for name in ("model", "confidence", "accuracy", "n")],
        },
    }  # fmt: skip
    return Section(
        title="Calibration",
        text="How often the preferred reply scores higher, by how sure the model was. On the dashed line a model means what "
        "it says; below it, it is over-confident. Ten bins of equal mass.",
        rows=tuple(rows),
        figure={"layer": [curve, diagonal]},
        alternative="Line chart of accuracy against confidence, one line per reward model, with the diagonal",
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
    return Section(
        title="Margins",
        text="Distribution of r(preferred) − r(other), in units of each model's root mean square; what lies left of zero is wrong. "
        "Values beyond four are in the outermost bars.",
        rows=tuple(rows),
        figure={
            "height": 70,
            "mark": "bar",
            "encoding": {
                "row": {"field": "model", "type": "nominal", "sort": None, "title": None},
                "x": {
                    "field": "low",
                    "type": "quantitative",
                    "bin": {"binned": True},
                    "title": "margin / root mean square",
                },
                "x2": {"field": "high"},
                "y": {"field": "share", "type": "quantitative", "title": "share of pairs"},
                "color": {"condition": {"test": "datum.low < 0", "value": "#c4573a"}, "value": "#3a7ac4"},
                "tooltip": [{"field": name} for name in ("model", "low", "high", "share")],
            },
        },
        alternative="Histogram of margins per reward model",
    )
