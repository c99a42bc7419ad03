"""Heat maps: one colour scale from pale to dark, and numbers that can be read on every cell, in light and dark pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

STOPS = ("#f1f6fb", "#c3dbee", "#86b8dc", "#3f87bf", "#0d4f8b")
"""Pale to dark; the same in light and dark pages, because the numbers on them are."""

DARK_INK, LIGHT_INK = "#000000", "#ffffff"


def heat_map(
    *,
    value: str,
    x: str,
    y: str,
    columns: Sequence[str],
    rows: Sequence[str],
    domain: tuple[float, float],
    title: str,
    form: str = ".1f",
    numbers: bool = True,
    outlined: str | None = None,
    x_title: str | None = None,
    y_title: str | None = None,
    names_below: bool = False,
) -> dict[str, Any]:
    """Vega-Lite specification of a heat map.

    Args:
        value, x, y: names of the fields with the number, the column and the row of a cell.
        columns, rows: names of columns and rows in the order in which they are drawn.
        domain: values of the palest and the darkest colour.
        title: what the colour means.
        form: how a number is written (d3-format).
        numbers: whether they are written on the cells.
        outlined: a field that is true for cells to be framed.
        x_title, y_title: what columns and rows are, where their names do not say it.
        names_below: names of columns below the cells, where a panel has its own name above them.
    """
    low, high = domain
    colour = {"field": value, "type": "quantitative", "title": title,
              "scale": {"domain": list(domain), "range": list(STOPS), "interpolate": "rgb", "clamp": True}}  # fmt: skip
    turn = low + ink_turns_at() * (high - low)
    ink = {"condition": {"test": f"datum['{value}'] > {turn:.6f}", "value": LIGHT_INK}, "value": DARK_INK}
    frame = {"condition": {"test": f"datum['{outlined}']", "value": "#d95f02"}, "value": None}
    cell: dict[str, Any] = {
        "mark": {"type": "rect", "strokeWidth": 2.5},
        "encoding": {"color": colour, **({"stroke": frame} if outlined else {})},
    }
    text = {"field": value, "type": "quantitative", "format": form}
    label = {"mark": {"type": "text", "fontSize": 12}, "encoding": {"text": text, "color": ink}}
    angle = 0 if max(map(len, columns), default=0) * len(columns) < 70 else -40
    return {
        "height": {"step": 26 if numbers else 18},
        "transform": [{"filter": f"datum['{value}'] !== null"}],
        "encoding": {
            "x": {"field": x, "type": "nominal", "sort": list(columns), "title": x_title,
                  "axis": {"orient": "bottom" if names_below else "top", "labelAngle": angle, "labelLimit": 180}},
            "y": {"field": y, "type": "nominal", "sort": list(rows), "title": y_title},
        },
        "layer": [cell, label] if numbers else [cell],
    }  # fmt: skip


def ink_turns_at() -> float:
    """Where between the palest (0) and the darkest (1) colour white text becomes easier to read than black.

    Contrast as in WCAG 2.2, "relative luminance".
    """
    steps = 1000
    return next(step / steps for step in range(steps + 1) if _luminance(step / steps) < 0.179)


def _luminance(place: float) -> float:
    at = place * (len(STOPS) - 1)
    left = min(int(at), len(STOPS) - 2)
    parts = []
    for channel in (1, 3, 5):
        start, end = (int(STOPS[stop][channel : channel + 2], 16) for stop in (left, left + 1))
        part = (start + (at - left) * (end - start)) / 255
        parts.append(part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4)
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]
