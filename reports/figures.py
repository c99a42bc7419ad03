"""Figures as Vega-Lite specifications with their data: forest plot, intervals, win/tie/lose bars, distributions.

A figure is plain data until `draw`; `chart` turns it into an altair chart for notebooks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evalsuite.records import Estimate, PairEstimate
from evalsuite.reports.evidence import Evidence
from evalsuite.reports.formatting import direction, is_percent, number, spoken
from evalsuite.reports.palette import INK, LOSE, MUTED, ON_BAR, ON_TIE, SERIES, SHAPES, TIE, WIN
from evalsuite.reports.svg import NARROW, full_spec, render

if TYPE_CHECKING:
    import altair

MOST_ROWS = 40
"""A forest plot with more rows than this cannot be read; the table has them all."""

MOST_ARMS = len(SERIES)
"""As many arms as colours and shapes; with more, arms become rows and only the task's first metric is drawn."""


@dataclass(frozen=True)
class Figure:
    """A drawing to be: `rows` is all the data there is, `alternative` says in words what it shows."""

    key: str
    title: str
    caption: str
    alternative: str
    spec: Mapping[str, Any]
    rows: tuple[Mapping[str, Any], ...]
    narrow: Mapping[str, Any] | None = None
    """Another specification for a phone, where labels do not fit beside the marks."""

    def draw(self, width: int) -> str:
        """The figure as SVG, `width` pixels wide."""
        spec = self.narrow if self.narrow is not None and width == NARROW else self.spec
        return render(spec, self.rows, key=self.key, width=width, alternative=self.alternative)

    def chart(self) -> altair.Chart:
        """The figure as an altair chart, to be shown or changed in a notebook."""
        import altair

        return altair.Chart.from_dict({"width": 640, **full_spec(self.spec, self.rows)})


def reading(low: float | None, high: float | None, higher_is_better: bool | None) -> str:
    """What an interval of a difference says: `better`, `worse`, `not separable`, or `n/a`."""
    if low is None or high is None or higher_is_better is None:
        return "n/a"
    if low > 0:
        return "better" if higher_is_better else "worse"
    if high < 0:
        return "worse" if higher_is_better else "better"
    return "not separable"


def _where(task: str, metric: str, slice_name: str | None) -> str:
    return f"{task}: {spoken(metric)}{f' ({slice_name})' if slice_name else ''}"


def _scaled(value: float | None, scale: str) -> float | None:
    return None if value is None else (100 * value if is_percent(scale) else value)


def _forest_row(pair: PairEstimate, evidence: Evidence, several: bool) -> dict[str, Any]:
    """One difference, turned so that right is better for metrics that should be low."""
    sign = -1 if pair.higher_is_better is False else 1
    ends = [None if end is None else sign * (_scaled(end, pair.scale) or 0.0) for end in (pair.low, pair.high)]
    low, high = ends if sign > 0 else ends[::-1]
    margin = evidence.task(pair.task).metric(pair.metric).margin
    value = _scaled(pair.difference, pair.scale)
    flipped = " (fewer is better)" if sign < 0 else ""
    return {
        "row": f"{pair.model}{f' against {pair.baseline}' if several else ''}",
        "metric": f"{_where(pair.task, pair.metric, pair.slice)}{flipped}",
        "improvement": None if value is None else sign * value,
        "low": low,
        "high": high,
        "margin": None if margin is None else -(_scaled(margin, pair.scale) or 0.0),
        "reading": reading(pair.low, pair.high, pair.higher_is_better),
        "n": pair.n,
    }


def forests(evidence: Evidence) -> list[Figure]:
    """Paired differences, largest improvement first: one figure for shares, one for each other scale."""
    groups: dict[str, list[PairEstimate]] = {}
    for pair in evidence.pairs:
        if pair.difference is not None and pair.higher_is_better is not None:
            groups.setdefault("percentage points" if is_percent(pair.scale) else pair.scale, []).append(pair)
    return [_forest(unit, pairs, evidence) for unit, pairs in groups.items()]


def _forest(unit: str, pairs: Sequence[PairEstimate], evidence: Evidence) -> Figure:
    several = len({pair.baseline for pair in pairs}) > 1
    whole = [pair for pair in pairs if pair.slice is None]
    rows = [_forest_row(pair, evidence, several) for pair in (whole if len(pairs) > MOST_ROWS and whole else pairs)]
    rows.sort(key=lambda row: -(row["improvement"] or 0.0))
    shown = sorted(rows, key=lambda row: -abs(row["improvement"] or 0.0))[:MOST_ROWS] if len(rows) > MOST_ROWS else rows
    shown = [row for row in rows if row in shown]
    for row in shown:
        row["label"] = f"{row['metric']} — {row['row']}"
    order = list(dict.fromkeys(row["label"] for row in shown))
    left_out = (
        f" The {len(shown)} largest on the whole are drawn; the table has all {len(pairs)}."
        if len(shown) < len(pairs)
        else ""
    )
    baseline = "" if several else f" against {pairs[0].baseline}"
    return Figure(
        key=f"forest-{slug(unit)}",
        title=f"Improvement{baseline}, in {unit}",
        caption="Right of zero is better. The line is the interval of the paired difference; the small tick is the "
        f"margin a release gate would allow. Triangles are separable from zero, circles are not.{left_out}",
        alternative="; ".join(_forest_words(row) for row in shown[:12]) + ".",
        spec=_forest_spec(order, unit),
        narrow=_forest_spec(order, unit, labels_above=True),
        rows=tuple({name: value for name, value in row.items() if name not in ("row", "metric")} for row in shown),
    )


def _forest_words(row: Mapping[str, Any]) -> str:
    return f"{row['label']}: {row['improvement']:+.3g} [{row['low']:.3g}, {row['high']:.3g}], {row['reading']}" if (
        row["low"] is not None and row["high"] is not None
    ) else f"{row['label']}: {row['improvement']:+.3g}, no interval"  # fmt: skip


def _forest_spec(order: Sequence[str], unit: str, *, labels_above: bool = False) -> dict[str, Any]:
    states = ["better", "not separable", "worse"]
    colour = {
        "field": "reading",
        "type": "nominal",
        "scale": {"domain": states, "range": [WIN, MUTED, LOSE]},
        "title": None,
    }
    shape = {**colour, "scale": {"domain": states, "range": ["triangle-right", "circle", "triangle-left"]}}
    axis = {"labels": False} if labels_above else {"labelLimit": 430}
    y = {"field": "label", "type": "nominal", "sort": list(order), "title": None, "axis": axis}
    x = {"type": "quantitative", "title": f"improvement ({unit})", "axis": {"tickCount": 5 if labels_above else 9}}
    whole = {"y": {"value": 0}, "y2": {"value": "height"}}
    layers = [
        ({"type": "rule", "color": INK, "strokeWidth": 1}, {"x": {"datum": 0, **x}, **whole}),
        ({"type": "tick", "color": MUTED, "thickness": 2, "height": 12}, {"x": {"field": "margin", **x}}),
        ({"type": "rule", "strokeWidth": 2.5}, {"x": {"field": "low", **x}, "x2": {"field": "high"}, "color": colour}),
        (
            {"type": "point", "filled": True, "size": 110, "opacity": 1},
            {"x": {"field": "improvement", **x}, "color": colour, "shape": shape},
        ),
    ]
    if labels_above:
        label = {"type": "text", "align": "left", "dy": -16, "fontSize": 11, "limit": 325}
        layers.append((label, {"x": {"value": 0}, "text": {"field": "label"}}))
    return {
        "height": {"step": 46 if labels_above else 28},
        "encoding": {"y": y},
        "layer": [{"mark": mark, "encoding": encoding} for mark, encoding in layers],
    }


def intervals(evidence: Evidence) -> list[Figure]:
    """Estimates with intervals, a figure per task for its shares; arms have a colour and a shape."""
    return [figure for task in evidence.tasks for figure in _task_intervals(task, evidence)]


def _task_intervals(task: str, evidence: Evidence) -> list[Figure]:
    rows = [row for row in evidence.estimates if row.task == task and row.value is not None and is_percent(row.scale)]
    metrics = list(dict.fromkeys(row.metric for row in rows))
    rows.sort(key=lambda row: (metrics.index(row.metric), row.slice is not None))
    arms = list(dict.fromkeys(row.model for row in rows))
    if not rows:
        return []
    if len(arms) > MOST_ARMS:
        return [_board(task, [row for row in rows if row.metric == rows[0].metric and row.slice is None])]
    data = tuple(
        {
            "label": f"{spoken(row.metric)}{f' ({row.slice})' if row.slice else ''} {direction(row.higher_is_better)}",
            "model": row.model, "value": _scaled(row.value, row.scale), "low": _scaled(row.low, row.scale),
            "high": _scaled(row.high, row.scale), "n": row.n,
        }
        for row in rows
    )  # fmt: skip
    data = data[: MOST_ROWS * len(arms)]
    order = list(dict.fromkeys(row["label"] for row in data))
    model = {"field": "model", "type": "nominal", "scale": {"domain": arms}, "title": None}
    colour = {**model, "scale": {"domain": arms, "range": list(SERIES[: len(arms)])}}
    shape = {**model, "scale": {"domain": arms, "range": list(SHAPES[: len(arms)])}}
    y = {"field": "label", "type": "nominal", "sort": order, "title": None}
    offset = {"field": "model", "type": "nominal", "scale": {"domain": arms}}
    spec = {
        "height": {"step": max(20, 13 * len(arms)), "for": "position"},
        "encoding": {"y": y, "yOffset": offset, "color": colour},
        "layer": _points("per cent", shape),
    }
    return [_interval_figure(task, data, spec)]


def _points(unit: str, shape: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    x = {"type": "quantitative", "title": unit, "scale": {"zero": False}, "axis": {"tickCount": 8}}
    drawn = {"x": {"field": "value", **x}, **({"shape": dict(shape)} if shape else {})}
    return [
        {
            "mark": {"type": "rule", "strokeWidth": 2.5},
            "encoding": {"x": {"field": "low", **x}, "x2": {"field": "high"}},
        },
        {"mark": {"type": "point", "filled": True, "size": 80, "opacity": 1}, "encoding": drawn},
    ]


def _board(task: str, rows: Sequence[Estimate]) -> Figure:
    """One metric of many arms, best first."""
    better = rows[0].higher_is_better is not False
    ranked = sorted(rows, key=lambda row: row.value or 0.0, reverse=better)
    data = tuple({"label": row.model, "value": _scaled(row.value, row.scale), "low": _scaled(row.low, row.scale),
                  "high": _scaled(row.high, row.scale), "n": row.n} for row in ranked)  # fmt: skip
    y = {"field": "label", "type": "nominal", "sort": [row.model for row in ranked], "title": None}
    spec = {
        "height": {"step": 22},
        "encoding": {"y": y, "color": {"value": SERIES[0]}},
        "layer": _points(f"{spoken(rows[0].metric)}, per cent", None),
    }
    return _interval_figure(task, data, spec)


def _interval_figure(task: str, data: tuple[Mapping[str, Any], ...], spec: Mapping[str, Any]) -> Figure:
    words = (
        f"{' '.join(filter(None, (row['label'].strip(), row.get('model'))))}: {row['value']:.1f}" for row in data[:20]
    )
    level = "Points are estimates, lines their intervals. Arrows say which way is better."
    return Figure(
        key=f"intervals-{slug(task)}",
        title=f"{task}: estimates",
        caption=f"{level} Overlapping intervals do not mean that a difference is not there: see the paired differences.",
        alternative="Per cent. " + "; ".join(words) + ".",
        spec=spec,
        rows=data,
    )


def outcomes(counts: Sequence[Mapping[str, Any]]) -> list[Figure]:
    """Win, tie and lose shares, one figure per head-to-head metric; best net win first.

    Args:
        counts: rows `{task, metric, slice, model, baseline, win, tie, lose, missing}` (see `sample_statistics`).
    """
    by_metric: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in counts:
        by_metric.setdefault((row["task"], row["metric"]), []).append(row)
    return [_outcome_figure(task, metric, rows) for (task, metric), rows in by_metric.items()]


def _outcome_figure(task: str, metric: str, counts: Sequence[Mapping[str, Any]]) -> Figure:
    ranked = sorted(counts, key=lambda row: -(row["win"] - row["lose"]) / max(1, row["win"] + row["tie"] + row["lose"]))
    ranked = ranked[:MOST_ROWS]
    data: list[dict[str, Any]] = []
    for row in ranked:
        total = row["win"] + row["tie"] + row["lose"]
        start = 0.0
        for rank, outcome in enumerate(("win", "tie", "lose")):
            share = 100 * row[outcome] / total if total else 0.0
            data.append({"label": _outcome_label(row), "outcome": outcome, "rank": rank, "count": row[outcome], "share": share,
                         "middle": start + share / 2, "written": f"{share:.0f}%" if share >= 6 else ""})  # fmt: skip
            start += share
    baselines = list(dict.fromkeys(row["baseline"] for row in counts))
    against = f" against {baselines[0]}" if len(baselines) == 1 else ""
    words = (f"{_outcome_label(row)}: {row['win']} won, {row['tie']} tied, {row['lose']} lost" for row in ranked)
    return Figure(
        key=f"outcomes-{slug(task)}-{slug(metric)}",
        title=f"{task}: win, tie, lose{against}",
        caption=f"Shares of judged pairs by {spoken(metric)}; a tie is an even verdict or two orders that disagree. "
        "Pairs without a usable verdict are left out here and counted in the validity ledger.",
        alternative="; ".join(words) + ".",
        spec=_outcome_spec([_outcome_label(row) for row in ranked]),
        rows=tuple(data),
    )


def _outcome_label(row: Mapping[str, Any]) -> str:
    return f"{row['model']}, {row['slice']}" if row["slice"] else f"{row['model']}, all"


def _outcome_spec(order: Sequence[str]) -> dict[str, Any]:
    kinds = ["win", "tie", "lose"]
    y = {"field": "label", "type": "nominal", "sort": list(order), "title": None}
    colour = {
        "field": "outcome",
        "type": "nominal",
        "scale": {"domain": kinds, "range": [WIN, TIE, LOSE]},
        "title": None,
    }
    share = {"field": "share", "type": "quantitative", "stack": "zero", "scale": {"domain": [0, 100]}}
    x = {**share, "title": "per cent of judged pairs", "axis": {"tickCount": 5}}
    written = {"condition": {"test": "datum.outcome == 'tie'", "value": ON_TIE}, "value": ON_BAR}
    bar = {"x": x, "color": colour, "order": {"field": "rank", "type": "quantitative"}}
    label = {"x": {"field": "middle", "type": "quantitative"}, "text": {"field": "written"}, "color": written}
    return {
        "height": {"step": 30},
        "encoding": {"y": y},
        "layer": [
            {"mark": {"type": "bar", "height": {"band": 0.8}}, "encoding": bar},
            {"mark": {"type": "text", "fontSize": 12}, "encoding": label},
        ],
    }


def distributions(histograms: Sequence[Mapping[str, Any]]) -> list[Figure]:
    """How a real-valued metric is spread over the samples, an outline per arm.

    Args:
        histograms: `{task, metric, scale, bins: ({model, low, high, count, share}, …), means: {model: value}}`.
    """
    return [_distribution(found) for found in histograms]


def _distribution(found: Mapping[str, Any]) -> Figure:
    arms = list(found["means"])[:MOST_ARMS]
    model = {"field": "model", "type": "nominal", "title": None}
    colour = {**model, "scale": {"domain": arms, "range": list(SERIES[: len(arms)])}}
    dash = {**model, "scale": {"domain": arms}}
    x = {
        "field": "low",
        "type": "quantitative",
        "title": f"{spoken(found['metric'])} ({found['scale']})",
        "axis": {"grid": False},
    }
    y = {
        "field": "share",
        "type": "quantitative",
        "stack": None,
        "title": "per cent of samples",
        "axis": {"grid": True},
    }
    outline = {"x": x, "y": y, "color": colour}
    spec = {
        "height": 220,
        "layer": [
            {"mark": {"type": "area", "interpolate": "step-after", "opacity": 0.2}, "encoding": outline},
            {"mark": {"type": "line", "interpolate": "step-after"}, "encoding": {**outline, "strokeDash": dash}},
            {"mark": {"type": "rule", "color": INK}, "encoding": {"x": {"datum": 0}}},
        ],
    }
    words = (f"{model} has mean {number(mean)}" for model, mean in found["means"].items())
    return Figure(
        key=f"distribution-{slug(found['task'])}-{slug(found['metric'])}",
        title=f"{found['task']}: distribution of the {spoken(found['metric'])}",
        caption="One outline per arm. The line at zero separates samples that went for and against.",
        alternative="; ".join(words) + ".",
        spec=spec,
        rows=tuple(row for row in found["bins"] if row["model"] in arms),
    )


def length_effects(found: Sequence[Mapping[str, Any]]) -> list[Figure]:
    """Preference against the difference in length; see `sample_lengths`."""
    figures = []
    for entry in found:
        arms = list(dict.fromkeys(row["model"] for row in entry["groups"]))[:MOST_ARMS]
        rows = tuple(row for row in entry["groups"] if row["model"] in arms)
        model = {"field": "model", "type": "nominal", "title": None}
        colour = {**model, "scale": {"domain": arms, "range": list(SERIES[: len(arms)])}}
        shape = {**model, "scale": {"domain": arms, "range": list(SHAPES[: len(arms)])}}
        x = {
            "field": "difference",
            "type": "quantitative",
            "title": "longer than the baseline's answer by (characters)",
        }
        y = {
            "type": "quantitative",
            "title": "per cent preferred",
            "scale": {"domain": [0, 100]},
            "axis": {"grid": True},
        }
        even = {"mark": {"type": "rule", "color": INK}, "encoding": {"y": {"datum": 50, **y}}}
        ends = {"x": x, "y": {"field": "low", **y}, "y2": {"field": "high"}, "color": colour}
        point = {"x": x, "y": {"field": "preference", **y}, "color": colour, "shape": shape}
        rule = {"mark": {"type": "rule", "strokeWidth": 2}, "encoding": ends}
        dots = {"mark": {"type": "point", "filled": True, "size": 80, "opacity": 1}, "encoding": point}
        words = (
            f"{row['model']}: {row['preference']:.0f} per cent at {row['difference']:+.0f} characters"
            for row in rows[:20]
        )
        figures.append(
            Figure(
                key=f"lengths-{slug(entry['task'])}-{slug(entry['metric'])}",
                title=f"{entry['task']}: does the longer answer win?",
                caption="Each point is a group of equally many pairs, ordered by the difference in length. A rise to the right "
                "means that longer answers win; it does not say why.",
                alternative="; ".join(words) + ".",
                spec={"height": 220, "layer": [even, rule, dots]},
                rows=rows,
            )
        )
    return figures


def slug(text: str) -> str:
    """A name that can be the id of an element."""
    return "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in text.lower())
