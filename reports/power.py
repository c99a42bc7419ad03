"""Was the run large enough? The smallest loss that samples like these can exclude, and how many a margin needs.

Read off the widths of the intervals that the run has, for a fixed number of samples: this is no verdict and no sequential plan.
"""

from __future__ import annotations

from statistics import NormalDist

from evalsuite.records import PairEstimate
from evalsuite.reports.evidence import Evidence
from evalsuite.reports.formatting import count, difference, spoken
from evalsuite.reports.tables import Cell, Kind, Table, text
from evalsuite.stats.planning import minimum_detectable_margin, prompts_for_power

ALPHA, POWER = 0.05, 0.9


def power_table(evidence: Evidence) -> Table:
    """A row per paired difference on the whole that has an interval and a margin."""
    rows = []
    for pair in evidence.comparisons:
        margin, spread = evidence.margin(pair), _spread(pair)
        if pair.slice is not None or margin is None or spread is None:
            continue
        smallest = minimum_detectable_margin(spread, pair.n, ALPHA, POWER, inflation=1.0)
        needed = prompts_for_power(spread, margin, ALPHA, POWER, inflation=1.0)
        state, tone = ("yes", "good") if smallest <= margin else ("no", "open")
        rows.append((
            text(pair.task), text(spoken(pair.metric)), text(pair.model), Cell(count(pair.n), pair.n), _points(margin, pair),
            _points(smallest, pair), Cell(state, state, tone), Cell(count(needed), needed),
        ))  # fmt: skip
    columns: tuple[tuple[str, Kind], ...] = (
        ("Task", "text"), ("Metric", "text"), ("Model", "text"), ("n", "number"), ("Margin", "number"),
        ("Smallest margin it can show", "number"), ("Large enough", "chip"), ("Samples the margin needs", "number"),
    )  # fmt: skip
    return Table("power", "Was the run large enough?", columns, tuple(rows))


def _spread(pair: PairEstimate) -> float | None:
    """Standard deviation per sample that the half width of the interval stands for; None without a width."""
    if pair.low is None or pair.high is None or pair.high <= pair.low or pair.n < 2:
        return None
    half = (pair.high - pair.low) / 2
    return float(half / NormalDist().inv_cdf((1 + pair.level) / 2) * pair.n**0.5)


def _points(value: float, pair: PairEstimate) -> Cell:
    return Cell(difference(value, pair.scale).removeprefix("+"), value)
