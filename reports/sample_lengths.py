"""Does the longer answer win? Preference against the difference in length, in groups of equally many pairs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from evalsuite.reports.evidence import Evidence
from evalsuite.reports.sample_rows import SampleRow
from evalsuite.reports.sample_sources import Sources

GROUPS = 10
FEWEST = 50
"""With fewer pairs per arm nothing can be read off groups."""


def length_preferences(rows: Sequence[SampleRow], evidence: Evidence, sources: Sources) -> list[dict[str, Any]]:
    """Mean preference for the candidate by difference in length, for every judged task and arm.

    Returns:
        `{task, metric, baseline, groups: ({model, difference, preference, low, high, n}, …)}`; `difference` is the median
        length of the candidate's answers minus the baseline's in the group, in characters.
    """
    pairs: dict[tuple[str, str, str], dict[str, list[tuple[int, float]]]] = {}
    lengths = [source.lengths() for source in sources.responses]
    for row in rows:
        declared = evidence.task(row.task).metric(row.primary.metric)
        if not row.head_to_head or row.primary.value is None or declared.bounds != (0.0, 1.0):
            continue
        known = lengths[row.run]
        ours, theirs = known.get(row.links["candidate"]), known.get(row.links["baseline"])
        if ours is not None and theirs is not None:
            key = (row.task, row.primary.metric, row.baseline or "baseline")
            pairs.setdefault(key, {}).setdefault(row.model, []).append((ours - theirs, row.primary.value))
    found = []
    for (task, metric, baseline), arms in pairs.items():
        groups = tuple(
            group for model, points in arms.items() if len(points) >= FEWEST for group in _groups(model, points)
        )
        if groups:
            found.append({"task": task, "metric": metric, "baseline": baseline, "groups": groups})
    return found


def _groups(model: str, points: Sequence[tuple[int, float]]) -> list[dict[str, Any]]:
    import numpy as np

    from evalsuite.stats.intervals import mean_interval

    ordered = np.array(sorted(points))
    found = []
    for part in np.array_split(ordered, min(GROUPS, len(ordered) // 10)):
        interval = mean_interval(part[:, 1], None, kind="bounded")
        found.append({
            "model": model, "difference": float(np.median(part[:, 0])), "preference": 100 * float(part[:, 1].mean()),
            "low": None if interval.low is None else 100 * interval.low,
            "high": None if interval.high is None else 100 * interval.high, "n": len(part),
        })  # fmt: skip
    return found
