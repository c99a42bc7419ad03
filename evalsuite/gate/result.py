"""What a gate answers: one verdict per metric and guardrail, and one for the release."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

Outcome = Literal["pass", "fail", "inconclusive", "invalid"]

EXIT_CODES: dict[Outcome, int] = {"pass": 0, "fail": 1, "inconclusive": 3, "invalid": 4}


class MetricVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict on one rule with the evidence it rests on.

    `difference` with `low`, `high` is on the tested scale (candidate − baseline, larger is better; net win for head-to-head
    evidence); `margin` and `fail_null` too: PASS rejects `difference <= -margin`, FAIL rejects `difference >= fail_null`.
    `looks` is the trajectory of the sequential test; `spent` and `saved` count judged prompts.
    """

    task: str
    metric: str
    slice: str | None
    outcome: Outcome
    against: Literal["baseline", "anchor"]
    form: str
    rule: str
    difference: float | None
    low: float | None
    high: float | None
    level: float
    margin: float
    fail_null: float
    alpha_pass: float
    alpha_fail: float
    n: int
    n_planned: int
    n_clusters: int | None
    spent: int
    saved: int
    n_needed: int | None
    looks: Sequence[dict[str, Any]]
    missing_candidate: int
    missing_baseline: int
    log_e_pass: float | None = None
    log_e_fail: float | None = None
    explanation: str


class GuardrailVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """Whether an absolute bound holds: `bound` is the one-sided confidence bound that must not cross `limit`."""

    task: str
    metric: str
    slice: str | None
    outcome: Outcome
    value: float | None
    bound: float | None
    limit: float
    direction: Literal["max", "min"]
    alpha: float
    n: int
    method: str
    explanation: str


class GateResult(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict on a release. `key` names the question in the ledger; `answered` is when it was first answered."""

    outcome: Outcome
    candidate: str
    baseline: str
    metrics: Sequence[MetricVerdict]
    guardrails: Sequence[GuardrailVerdict]
    problems: Sequence[str]
    policy: dict[str, Any]
    key: str
    answered: str
    from_ledger: bool = False
    anchor: str | None = None

    @property
    def exit_code(self) -> int:
        """Exit code of the command; `on_inconclusive` of the policy may turn 3 into 0 or 1."""
        if self.outcome == "inconclusive":
            return {"pass": 0, "fail": 1}.get(self.policy.get("on_inconclusive", ""), EXIT_CODES["inconclusive"])
        return EXIT_CODES[self.outcome]


def overall(
    metrics: Sequence[MetricVerdict], guardrails: Sequence[GuardrailVerdict], problems: Sequence[str]
) -> Outcome:
    """Fold the verdicts: invalid evidence never passes; one failure fails; a pass needs every part to pass.

    A pass needs no correction over the metrics (intersection-union); the failures share `alpha_fail` (statistics: families).
    """
    outcomes = [verdict.outcome for verdict in metrics] + [verdict.outcome for verdict in guardrails]
    if problems or "invalid" in outcomes:
        return "invalid"
    if "fail" in outcomes:
        return "fail"
    if not outcomes or "inconclusive" in outcomes:
        return "inconclusive"
    return "pass"
