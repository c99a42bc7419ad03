"""A panel of judges: several models asked the same, their verdicts put together by vote or mean, with a quorum.

Source: Verga et al. 2024 (arXiv 2404.18796), "Replacing judges with juries".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import fmean

from evalsuite.judges.folds import Outcome


def quorum_of(judges: int) -> int:
    """Verdicts needed for a panel's decision: more than half of the judges."""
    return judges // 2 + 1


def panel_mean(values: Sequence[float | None], *, quorum: int | None = None) -> float | None:
    """Mean of the judges' values; None when fewer than `quorum` (default: more than half) are there."""
    present = [value for value in values if value is not None]
    needed = quorum_of(len(values)) if quorum is None else quorum
    return fmean(present) if present and len(present) >= needed else None


def panel_outcome(outcomes: Sequence[Outcome | None], *, quorum: int | None = None) -> Outcome | None:
    """The outcome with most votes; a tie when the most voted are not one, None below the quorum."""
    votes = Counter(outcome for outcome in outcomes if outcome is not None)
    needed = quorum_of(len(outcomes)) if quorum is None else quorum
    if not votes or votes.total() < needed:
        return None
    (first, most), *others = votes.most_common()
    return "tie" if any(count == most for _, count in others) else first
