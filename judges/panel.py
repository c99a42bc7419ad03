"""A panel of judges: several models asked the same, their verdicts put together by vote or mean, with a quorum.

Source: Verga et al. 2024 (arXiv 2404.18796), "Replacing judges with juries".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from statistics import fmean
from typing import Any

import msgspec

from evalsuite.api import Context
from evalsuite.judges.folds import Outcome
from evalsuite.records import Verdict


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


async def ask_panel(ctx: Context, ask: Callable[[int], Awaitable[Verdict]], role: str = "judge") -> Sequence[Verdict]:
    """The verdict of every model that plays `role` on one answer; `ask` is given its index."""
    return await ctx.gather(*(ask(index) for index in range(len(ctx.labels(role)))))


def panel_verdict(verdicts: Sequence[Verdict]) -> Verdict:
    """One verdict of all judges on one answer: mean rating, mean of each aspect, or the class with most votes.

    Below the quorum it has the status of the first judge without a verdict; judges that are split over a class give none
    (`unparsed`). One judge's verdict is itself.
    """
    if len(verdicts) == 1:
        return verdicts[0]
    given = [verdict for verdict in verdicts if verdict.status == "ok"]
    whole = Verdict(
        status="unparsed",
        judge="+".join(verdict.judge for verdict in verdicts),
        criterion=verdicts[0].criterion,
        fingerprint=verdicts[0].fingerprint,
    )
    if len(given) < quorum_of(len(verdicts)):
        failed = next(verdict.status for verdict in verdicts if verdict.status != "ok")
        return msgspec.structs.replace(whole, status=failed)
    if given[0].rating is None:
        (label, most), *others = Counter(verdict.label for verdict in given).most_common()
        split = any(count == most for _, count in others)
        return whole if split else msgspec.structs.replace(whole, status="ok", label=label)
    names = dict.fromkeys(name for verdict in given for name in verdict.aspects or ())
    aspects = {name: panel_mean([(verdict.aspects or {}).get(name) for verdict in verdicts]) for name in names}
    return msgspec.structs.replace(
        whole,
        status="ok",
        rating=fmean(verdict.rating for verdict in given if verdict.rating is not None),
        aspects={name: mean for name, mean in aspects.items() if mean is not None} or None,
    )


def panel_detail(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """The panel's verdict for a score's `detail`, and under `panel` those of its judges when there are several."""
    detail = {"verdict": msgspec.to_builtins(panel_verdict(verdicts))}
    if len(verdicts) > 1:
        detail["panel"] = [msgspec.to_builtins(verdict) for verdict in verdicts]
    return detail


def panel_links(verdicts: Sequence[Verdict]) -> dict[str, str]:
    """`judge`, `judge2` and so on → fingerprint."""
    return {f"judge{number if number > 1 else ''}": verdict.fingerprint for number, verdict in enumerate(verdicts, 1)}
