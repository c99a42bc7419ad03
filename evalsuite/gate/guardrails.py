"""Absolute bounds on the candidate: the one-sided confidence bound must not cross the limit.

Rates of a rare event get an exact (Clopper-Pearson) bound; bounded scores the interval of `mean_interval` at twice the
error, whose one side is then the bound. Missing scores count as the worst possible value, since a harm that could not be
judged may be one.
"""

from __future__ import annotations

import numpy as np

from evalsuite.engine.estimates import grouping
from evalsuite.errors import EvidenceError
from evalsuite.gate.evidence import Contender
from evalsuite.gate.policy import Guardrail, Policy
from evalsuite.gate.result import GuardrailVerdict, Outcome
from evalsuite.stats.intervals import Interval, clopper_pearson, mean_interval


def check_guardrail(guardrail: Guardrail, policy: Policy, candidate: Contender) -> GuardrailVerdict:
    """Whether the bound holds (pass), is broken (fail), or is not shown either way (inconclusive).

    Raises:
        EvidenceError: the candidate's run has no such metric, or no item of it.
    """
    where = f"guardrail {guardrail.task}/{guardrail.metric}"
    declared = candidate.metric(guardrail.task, guardrail.metric)
    if declared is None:
        raise EvidenceError(f"{where}: {candidate.run.path} has no such metric")
    rows = candidate.scores(guardrail.task, guardrail.metric, guardrail.slice)
    if not len(rows):
        raise EvidenceError(f"{where}: no item in {candidate.run.path}")
    limit, upper = (guardrail.max, True) if guardrail.max is not None else (guardrail.min, False)
    assert limit is not None
    bounds = tuple(float(end) for end in declared["bounds"]) if declared.get("bounds") else None
    scores = rows["score"].to_numpy(dtype=float)
    missing = int(np.isnan(scores).sum())
    if missing and bounds is None:
        raise EvidenceError(f"{where}: {missing} items have no score, and the scale has no worst value to put in")
    low_end, high_end = bounds or (0.0, 1.0)
    scores = np.where(np.isnan(scores), high_end if upper else low_end, scores)
    clusters = grouping(rows["cluster"].to_numpy(dtype=object))
    alpha = guardrail.alpha or policy.alpha_pass
    kind = declared.get("kind", "bounded")
    safe, broken = (_bound(scores, clusters, kind, (low_end, high_end), alpha, side) for side in (upper, not upper))
    return GuardrailVerdict(
        task=guardrail.task,
        metric=guardrail.metric,
        slice=guardrail.slice,
        outcome=_outcome(safe[0], broken[0], limit, upper),
        value=safe[1].estimate,
        bound=safe[0],
        limit=limit,
        direction="max" if upper else "min",
        alpha=alpha,
        n=len(scores),
        method=safe[1].method,
        explanation=_explain(safe, limit, upper, alpha, len(scores), missing),
    )


def _bound(
    scores: np.ndarray, clusters: np.ndarray | None, kind: str, ends: tuple[float, float], alpha: float, upper: bool
) -> tuple[float | None, Interval]:
    if kind == "binary" and clusters is None:
        exact = clopper_pearson(int(scores.sum()), len(scores), 1 - alpha, "upper" if upper else "lower")
        return (exact.high if upper else exact.low), exact
    interval = mean_interval(scores, clusters, level=1 - 2 * alpha, kind=kind, bounds=ends)  # type: ignore[arg-type]
    return (interval.high if upper else interval.low), interval


def _outcome(safe: float | None, broken: float | None, limit: float, upper: bool) -> Outcome:
    sign = 1 if upper else -1
    if safe is not None and sign * safe <= sign * limit:
        return "pass"
    if broken is not None and sign * broken > sign * limit:
        return "fail"
    return "inconclusive"


def _explain(safe: tuple[float | None, Interval], limit: float, upper: bool, alpha: float, n: int, missing: int) -> str:
    bound, interval = safe
    side = "upper" if upper else "lower"
    shown = "n/a" if bound is None else f"{bound:.4f}"
    counted = f", {missing} missing counted as the worst" if missing else ""
    relation = "at most" if upper else "at least"
    return (
        f"{interval.estimate:.4f}, {side} {1 - alpha:.0%} bound {shown}, must be {relation} {limit:g} "
        f"(n = {n}{counted}, {interval.method})"
    )
