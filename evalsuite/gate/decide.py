"""From evidence to a verdict on one rule: validity first, then the test that the policy names.

`auto` takes the strict e-process for fewer than 30 clusters; one look at the end when all evidence is already there, since
stopping early would save nothing; and the group-sequential test while judging goes on (`gate.live`).
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Literal

import numpy as np

from evalsuite.gate.evidence import Evidence
from evalsuite.gate.policy import Policy, Rule
from evalsuite.gate.result import MetricVerdict, Outcome
from evalsuite.stats.decisions import Decision, GateResult, GateRule, fixed_sample_gate
from evalsuite.stats.intervals import Kind
from evalsuite.stats.paired import PairedResult, paired_difference, preference_difference
from evalsuite.stats.sequential import FEWEST_UNITS, group_sequential_gate
from evalsuite.stats.standard_errors import cluster_codes, cluster_means
from evalsuite.stats.strict import strict_gate

Against = Literal["baseline", "anchor"]

_OUTCOMES: dict[Decision, Outcome] = {
    Decision.PASS: "pass",
    Decision.FAIL: "fail",
    Decision.INCONCLUSIVE: "inconclusive",
}


def gate_rule(
    rule: Rule, policy: Policy, evidence: Evidence, alpha_fail: float, margin_factor: float = 1.0
) -> GateRule:
    """The statistical rule on the tested scale: the margin times the evidence's scale (2 for net win)."""
    margin = rule.margin * evidence.scale * margin_factor
    bound = largest_difference(evidence, margin)
    return GateRule(
        margin=min(margin, bound * (1 - 1e-9)),
        fail_null=-policy.fail_null * margin,
        alpha_pass=rule.alpha_pass or policy.alpha_pass,
        alpha_fail=alpha_fail,
        guard=policy.guard,
        bound=bound,
    )


def largest_difference(evidence: Evidence, margin: float) -> float:
    """Largest possible |D|: 1 for net win, the width of the scale for bounded scores, the largest seen for others."""
    if evidence.form == "head-to-head":
        return 1.0
    if evidence.bounds is not None and math.isfinite(evidence.bounds[1] - evidence.bounds[0]):
        return evidence.bounds[1] - evidence.bounds[0]
    seen = np.nanmax(np.abs(differences(evidence)), initial=0.0)
    return float(max(seen, 2 * margin))


def differences(evidence: Evidence) -> np.ndarray:
    """D in plan order, NaN where either side is missing: candidate − baseline, or 2·preference − 1."""
    return np.asarray(evidence.candidate - evidence.baseline, dtype=float)


def unit_labels(evidence: Evidence) -> np.ndarray | None:
    """Cluster numbers in plan order (each cluster's items stand together), None when every item stands alone."""
    names = evidence.clusters.astype(str)
    starts = np.concatenate([[True], names[1:] != names[:-1]]) if len(names) else np.array([], dtype=bool)
    return None if starts.all() else np.cumsum(starts) - 1


def validity_problem(evidence: Evidence, policy: Policy) -> str | None:
    """Why the evidence cannot carry a verdict: too many missing scores, or many more in one arm than in the other."""
    shares = evidence.missing_candidate / evidence.n, evidence.missing_baseline / evidence.n
    if max(shares) > policy.max_missing:
        arm = "candidate" if shares[0] >= shares[1] else "baseline"
        return f"{max(shares):.1%} of the {arm}'s {evidence.n} items have no score (at most {policy.max_missing:.1%})"
    if abs(shares[0] - shares[1]) > policy.max_missing_gap:
        return (
            f"missing scores differ between the arms: {shares[0]:.1%} of the candidate's, {shares[1]:.1%} of the "
            f"baseline's (at most {policy.max_missing_gap:.1%} apart)"
        )
    return None


def decide(
    rule: Rule,
    policy: Policy,
    evidence: Evidence,
    alpha_fail: float,
    against: Against = "baseline",
    covariates: np.ndarray | None = None,
) -> MetricVerdict:
    """Verdict on complete evidence."""
    factor = policy.anchor_margin_factor if against == "anchor" else 1.0
    statistical = gate_rule(rule, policy, evidence, alpha_fail, factor)
    problem = validity_problem(evidence, policy)
    found: GateResult[Any] | None = None
    known = differences(evidence)[np.isfinite(differences(evidence))]
    if len(known) >= 2:
        found = run_test(evidence, statistical, policy, covariates)
        if not problem and np.ptp(known) == 0:
            found = dataclasses.replace(found, decision=Decision.INCONCLUSIVE, low=None, high=None)
            reason = "every difference is the same: the scores do not vary, so nothing can be tested"
            return as_verdict(rule, statistical, evidence, found, None, against, reason)
    return as_verdict(rule, statistical, evidence, found, problem, against)


def run_test(evidence: Evidence, rule: GateRule, policy: Policy, covariates: np.ndarray | None) -> GateResult[Any]:
    """The test the policy names, on all of the evidence."""
    d, labels = differences(evidence), unit_labels(evidence)
    units = len(d) if labels is None else int(labels[-1]) + 1
    test = policy.test
    if test == "auto":
        test = "strict" if units < FEWEST_UNITS else "fixed"
    if test == "group-sequential":
        return group_sequential_gate(d, rule, covariates=covariates, clusters=labels)
    if test == "strict":
        values = d
        if labels is not None:
            known = ~np.isnan(d)
            codes = cluster_codes(labels[known], int(known.sum()))
            values = d if codes is None else cluster_means(d[known], codes)
        benchmark = policy.target == "benchmark"
        return strict_gate(values, rule, prompts=len(values), benchmark=benchmark)
    paired = _paired(evidence)
    df = paired.df if paired.df is not None else float(units - 1)
    return dataclasses.replace(
        fixed_sample_gate(paired.difference, _standard_error(d, paired), df, rule, paired.n, paired.n_clusters),
        missing=paired.n_dropped,
        prompts_planned=len(d),
        calls_spent=len(d),
    )


def _standard_error(d: np.ndarray, paired: PairedResult) -> float | None:
    if paired.n_clusters is not None:
        return paired.se
    known = d[~np.isnan(d)]
    return float(known.std(ddof=1) / math.sqrt(len(known))) if len(known) > 1 else None


def _paired(evidence: Evidence) -> PairedResult:
    labels = unit_labels(evidence)
    if evidence.form == "head-to-head":
        return preference_difference(evidence.candidate, labels)
    bounds = evidence.bounds or (0.0, 1.0)
    kind: Kind = "real" if evidence.bounds is None else "bounded"
    return paired_difference(evidence.candidate, evidence.baseline, labels, kind=kind, bounds=bounds)


def as_verdict(
    rule: Rule,
    statistical: GateRule,
    evidence: Evidence,
    found: GateResult[Any] | None,
    problem: str | None,
    against: Against,
    explanation: str | None = None,
) -> MetricVerdict:
    """The verdict with what it rests on; invalid evidence never passes and never fails."""
    outcome: Outcome = "invalid" if problem else "inconclusive"
    if found is not None and not problem:
        outcome = _OUTCOMES[found.decision]
    labels = unit_labels(evidence)
    last = found.looks[-1] if found is not None and found.looks else None
    return MetricVerdict(
        task=rule.task,
        metric=rule.metric,
        slice=rule.slice,
        outcome=outcome,
        against=against,
        form=evidence.form,
        rule=found.method if found else "none: fewer than two complete pairs",
        difference=found.estimate if found else None,
        low=found.low if found else None,
        high=found.high if found else None,
        level=statistical.level,
        margin=statistical.margin,
        fail_null=statistical.fail_threshold,
        alpha_pass=statistical.alpha_pass,
        alpha_fail=statistical.alpha_fail,
        n=found.n if found else 0,
        n_planned=evidence.n,
        n_clusters=None if labels is None else int(labels[-1]) + 1,
        spent=found.calls_spent if found else evidence.n,
        saved=found.calls_saved if found else 0,
        n_needed=found.n_needed if found else None,
        looks=[_look(look) for look in found.looks] if found else [],
        missing_candidate=evidence.missing_candidate,
        missing_baseline=evidence.missing_baseline,
        log_e_pass=getattr(last, "log_e_pass", None),
        log_e_fail=getattr(last, "log_e_fail", None),
        explanation=problem or explanation or _explain(found),
    )


def _look(look: Any) -> dict[str, Any]:
    values = {field.name: getattr(look, field.name) for field in dataclasses.fields(look)}
    return {**values, "decision": look.decision.value}


def _explain(found: GateResult[Any] | None) -> str:
    if found is None:
        return "fewer than two items have a score on both sides"
    if found.decision == "PASS":
        return "worse, but within the margin" if found.worse_within_margin else "not worse by the margin"
    share = -found.rule.fail_threshold / found.rule.margin
    if found.decision == "FAIL":
        return f"a loss beyond {share:.0%} of the margin is proven" if share else "a loss is proven"
    needed = f"; about {found.n_needed} prompts would probably decide for a pass" if found.n_needed else ""
    proven = f"one beyond {share:.0%} of it" if share else "any loss"
    return f"a loss beyond the margin is possible, {proven} is not proven{needed}"
