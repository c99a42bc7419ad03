"""Figures of `ood_reward`: the matrix, the gap, accuracy by margin, the strength curve, sensitivity under shift, probes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evalsuite.api import ScoreTable, Section
from evalsuite.stats.calibration import summarise_margins
from evalsuite.stats.intervals import macro_average, mean_interval
from evalsuite.tasks.rewards.estimates import labels, slice_intervals
from evalsuite.tasks.rewards.figures import model_colour
from evalsuite.tasks.rewards.generalisation import aligned_margins, ensemble_members, shift_sensitivity
from evalsuite.tasks.rewards.perturbations import Probe
from evalsuite.tasks.rewards.strength import preference_strength, strength_groups

IN, OUT = "in distribution", "out of distribution"
DARK_CELL = "datum.accuracy > 0.815 || datum.accuracy < 0.352"
"""Where the colours of the heat map are too dark for black figures."""

Inside = Mapping[str, frozenset[str]]


def mark(inside: Inside, model: str, domain: str) -> str:
    """Whether a domain is one that the model was trained on."""
    return IN if domain in inside[model] else OUT


def matrix_section(scores: ScoreTable, inside: Inside) -> Section:
    """Accuracy of every reward model in every domain, with the mark of each cell."""
    rows = [
        {
            "model": model, "domain": domain, "mark": mark(inside, model, domain), "accuracy": interval.estimate,
            "low": interval.low, "high": interval.high, "n": interval.n,
        }
        for model in scores.models
        for domain, interval in slice_intervals(scores, "accuracy", model).items()
    ]  # fmt: skip
    # Domains are the rows: there are more of them than models, their names are longer, and a phone is narrow.
    position = {
        "x": {"field": "model", "type": "nominal", "sort": None, "title": None, "axis": {"labelAngle": -40}},
        "y": {"field": "domain", "type": "nominal", "sort": None, "title": None},
    }
    cell = {
        "mark": {"type": "rect", "strokeWidth": 2},
        "encoding": {
            "color": {
                "field": "accuracy", "type": "quantitative",
                "scale": {"domain": [0.3, 0.5, 0.9], "scheme": "redblue", "clamp": True},
            },
            "stroke": {
                "field": "mark", "type": "nominal", "scale": {"domain": [IN, OUT], "range": ["black", "transparent"]},
                "legend": None,
            },
            "tooltip": [{"field": name} for name in ("model", "domain", "mark", "accuracy", "low", "high", "n")],
        },
    }  # fmt: skip
    number = {
        "mark": {"type": "text", "fontSize": 11},
        "encoding": {
            "text": {"field": "accuracy", "type": "quantitative", "format": ".2f"},
            "color": {"condition": {"test": DARK_CELL, "value": "white"}, "value": "black"},
        },
    }
    return Section(
        title="Reward models by domain",
        text="Share of pairs whose preferred reply scores higher; one half is chance. Framed cells are domains the model was "
        "trained on.",
        rows=tuple(rows),
        figure={"encoding": position, "layer": [cell, number]},
        alternative="Heat map of accuracy, domains by reward models, training domains framed",
    )


def gap_section(scores: ScoreTable, inside: Inside) -> Section:
    """Mean accuracy in and out of distribution of every reward model, with intervals."""
    rows: list[dict[str, Any]] = []
    for model in scores.models:
        domains = slice_intervals(scores, "accuracy", model)
        for name in (IN, OUT):
            parts = [interval for domain, interval in domains.items() if mark(inside, model, domain) == name]
            if parts:
                mean = macro_average(parts)
                rows.append(
                    {
                        "model": model, "where": name, "accuracy": mean.estimate, "low": mean.low, "high": mean.high,
                        "domains": len(parts), "n": mean.n,
                    }
                )  # fmt: skip
    y = {"field": "model", "type": "nominal", "sort": None, "title": None}
    return Section(
        title="In and out of distribution",
        text="Mean accuracy over domains, each domain counting the same, with 95% intervals. The distance between the two "
        "points of a model is its generalisation gap.",
        rows=tuple(rows),
        figure={
            "encoding": {
                "y": y,
                "yOffset": {"field": "where", "sort": [IN, OUT]},
                "color": {"field": "where", "type": "nominal", "title": None, "scale": {"domain": [IN, OUT]}},
            },
            "layer": [
                {
                    "mark": "rule",
                    "encoding": {
                        "x": {"field": "low", "type": "quantitative", "title": "accuracy", "scale": {"zero": False}},
                        "x2": {"field": "high"},
                    },
                },
                {
                    "mark": {"type": "point", "filled": True, "size": 70},
                    "encoding": {
                        "x": {"field": "accuracy", "type": "quantitative"},
                        "tooltip": [
                            {"field": name} for name in ("model", "where", "accuracy", "low", "high", "domains", "n")
                        ],
                    },
                },
            ],
        },
        alternative="Two points with intervals per reward model: accuracy in and out of distribution",
    )


def margin_size_section(scores: ScoreTable) -> Section:
    """Accuracy in ten equally large bins of |margin|."""
    rows = []
    for model in scores.models:
        margins, _, _ = scores.values("margin", model)
        if len(margins):
            bins = summarise_margins(margins).accuracy_by_size
            rows += [
                {"model": model, "bin": number, "margin": part.predicted, "accuracy": part.observed, "n": part.n}
                for number, part in enumerate(bins, 1)
            ]
    return Section(
        title="Accuracy by size of the margin",
        text="Pairs in ten equally large bins from the smallest to the largest difference in reward. A useful reward model is "
        "near one half on the left and rises.",
        rows=tuple(rows),
        figure={
            "mark": {"type": "line", "point": True},
            "encoding": {
                "x": {"field": "bin", "type": "ordinal", "title": "bin of |margin|", "axis": {"labelAngle": 0}},
                "y": {"field": "accuracy", "type": "quantitative", "scale": {"domain": [0, 1]}},
                "color": model_colour(scores.models),
                "tooltip": [{"field": name} for name in ("model", "bin", "margin", "accuracy", "n")],
            },
        },
        alternative="Line chart of accuracy over ten bins of margin size, one line per reward model",
    )


def strength_section(scores: ScoreTable) -> Section:
    """Deviation of the ensemble against mean strength, in twenty groups: the U of Secrets of RLHF II, Fig. 2."""
    ids, margins = aligned_margins(scores, ensemble_members(scores))
    rows: list[dict[str, Any]] = []
    if ids:
        groups = strength_groups(preference_strength(margins))
        rows = [
            {"group": number, "strength": group.strength, "deviation": group.deviation, "n": group.n}
            for number, group in enumerate(groups, 1)
        ]
    return Section(
        title="Preference strength",
        text="Pairs in groups by the mean scaled margin of all reward models. Left of zero the models agree against the label: "
        "likely label errors. The deviation among the models is usually largest at both ends.",
        rows=tuple(rows),
        figure={
            "mark": {"type": "line", "point": True},
            "encoding": {
                "x": {"field": "strength", "type": "quantitative", "title": "mean of scaled margins"},
                "y": {"field": "deviation", "type": "quantitative", "title": "deviation among reward models"},
                "tooltip": [{"field": name} for name in ("group", "strength", "deviation", "n")],
            },
        },
        alternative="Curve of the deviation among reward models over preference strength",
    )


def shift_section(scores: ScoreTable, inside: Inside) -> Section:
    """How far apart each model scores the two replies of a pair, by domain, on the model's own range."""
    rows: list[dict[str, Any]] = []
    for model in scores.models:
        margins, _, _ = scores.values("margin", model)
        where = [score.slice for _, score in scores.scores("margin", model) if score.status == "ok"]
        sensitivity = shift_sensitivity(margins)
        for domain in dict.fromkeys(where):
            if domain is not None:
                mine = sensitivity[[name == domain for name in where]]
                rows.append(
                    {
                        "model": model, "domain": domain, "mark": mark(inside, model, domain),
                        "difference": float(mine.mean()), "n": int(mine.size),
                    }
                )  # fmt: skip
    return Section(
        title="Telling replies apart under shift",
        text="Mean |r(a) − r(b)| of the two replies, scaled to the range of the model over all domains. A model that lumps "
        "replies together where it was not trained cannot guide a policy there, whatever its accuracy.",
        rows=tuple(rows),
        figure={
            "mark": {"type": "point", "filled": True, "size": 60},
            "encoding": {
                "x": {"field": "difference", "type": "quantitative", "title": "normalised difference in reward"},
                "y": {"field": "domain", "type": "nominal", "sort": None, "title": None},
                "color": model_colour(scores.models),
                "shape": {
                    "field": "mark",
                    "type": "nominal",
                    "title": None,
                    "scale": {"domain": [IN, OUT]},
                    "legend": {"orient": "bottom"},
                },
                "tooltip": [{"field": name} for name in ("model", "domain", "mark", "difference", "n")],
            },
        },
        alternative="Mean normalised reward difference by domain, one point per reward model",
    )


def probe_section(scores: ScoreTable, probes: Sequence[Probe]) -> Section:
    """Accuracy lost under each probe, on the same pairs, with paired intervals."""
    rows: list[dict[str, Any]] = []
    for model in scores.models:
        for probe in probes:
            values, _, clusters = scores.values(f"drop_{probe}", model)
            if len(values):
                lost = mean_interval(values, labels(clusters), kind="bounded", bounds=(-1.0, 1.0))
                rows.append(
                    {
                        "model": model, "probe": probe, "lost": lost.estimate, "low": lost.low, "high": lost.high,
                        "n": lost.n,
                    }
                )  # fmt: skip
    return Section(
        title="Changes that should change nothing",
        text="Accuracy lost when the pairs are reworded, when the worse reply is padded, formatted or cut in half, and when the "
        "prompt is framed in another language. Zero is robust.",
        rows=tuple(rows),
        figure={
            "encoding": {
                "y": {"field": "probe", "type": "nominal", "sort": None, "title": None},
                "color": model_colour(scores.models),
                "yOffset": {"field": "model", "sort": list(scores.models)},
            },
            "layer": [
                {
                    "mark": "rule",
                    "encoding": {
                        "x": {"field": "low", "type": "quantitative", "title": "accuracy lost"}, "x2": {"field": "high"},
                    },
                },
                {
                    "mark": {"type": "point", "filled": True},
                    "encoding": {
                        "x": {"field": "lost", "type": "quantitative"},
                        "tooltip": [{"field": name} for name in ("model", "probe", "lost", "low", "high", "n")],
                    },
                },
            ],
        },
        alternative="Accuracy lost per probe and reward model, with intervals",
    )  # fmt: skip
