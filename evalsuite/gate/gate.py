"""The gate on two runs: one question, one verdict."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from evalsuite.errors import EvidenceError, UsageError
from evalsuite.gate.decide import Against, decide
from evalsuite.gate.evidence import Contender, gather
from evalsuite.gate.guardrails import check_guardrail
from evalsuite.gate.ledger import Ledger, question_key
from evalsuite.gate.policy import Policy, Rule, default_rules
from evalsuite.gate.result import GateResult, MetricVerdict, overall
from evalsuite.stats.families import fail_levels


def gate_runs(
    candidate: Contender,
    baseline: Contender,
    policy: Policy,
    ledger: Ledger | None = None,
    anchor: Contender | None = None,
) -> GateResult:
    """Decide whether the candidate may be released.

    Args:
        candidate, baseline: the models compared.
        policy: rules, guardrails and error rates; without rules those of the candidate's tasks are taken.
        ledger: where verdicts are kept; the stored one is returned when this question was answered before.
        anchor: a pinned earlier release that the candidate must not fall behind by `anchor_margin_factor` margins.

    Raises:
        EvidenceError: the runs cannot be compared; names what differs.
        UsageError: there is nothing to gate on.
    """
    rules = policy.metrics or _default_rules(candidate, baseline)
    if not rules and not policy.guardrails:
        raise UsageError(
            "nothing to gate on: no shared task has scores of single items on a metric with a margin; write a policy with "
            "`metrics` (docs)"
        )
    key = question_key(candidate, baseline, anchor, rules, policy)
    if ledger is not None and (known := ledger.find(key)) is not None:
        return known
    verdicts = verdicts_on(rules, policy, candidate, baseline, "baseline")
    if anchor is not None:
        verdicts += verdicts_on(rules, policy, candidate, anchor, "anchor")
    guardrails = [check_guardrail(guardrail, policy, candidate) for guardrail in policy.guardrails]
    problems = instrument_problems(candidate, rules)
    result = GateResult(
        outcome=overall(verdicts, guardrails, problems),
        candidate=candidate.label,
        baseline=baseline.label,
        metrics=verdicts,
        guardrails=guardrails,
        problems=problems,
        policy=msgspec.to_builtins(msgspec.structs.replace(policy, metrics=tuple(rules))),
        key=key,
        answered=datetime.now(UTC).isoformat(timespec="seconds"),
        anchor=anchor.label if anchor else None,
    )
    if ledger is not None:
        ledger.add(result)
    return result


def verdicts_on(
    rules: Sequence[Rule], policy: Policy, candidate: Contender, baseline: Contender, against: Against
) -> list[MetricVerdict]:
    """One verdict per rule; the rules share the false-alarm level by weight."""
    levels = fail_levels(policy.alpha_fail, len(rules), [rule.weight for rule in rules]) if rules else ()
    verdicts = []
    for rule, alpha_fail in zip(rules, levels, strict=True):
        evidence = gather(candidate, baseline, rule.task, rule.metric, rule.slice, rule.higher_is_better)
        verdicts.append(decide(rule, policy, evidence, alpha_fail, against))
    return verdicts


def instrument_problems(candidate: Contender, rules: Sequence[Rule]) -> list[str]:
    """Failed audits of the tasks that are gated on: a judge that cannot be believed, a model that games it."""
    tasks = {rule.task for rule in rules}
    return [
        f"audit {audit.name} of {audit.subject} failed in {audit.task}: {audit.explanation}"
        for audit in candidate.run.results.audits
        if audit.verdict == "fail" and audit.task in tasks
    ]


def _shared_tasks(candidate: Contender, baseline: Contender) -> list[dict[str, object]]:
    theirs = {task["name"] for task in baseline.run.manifest.tasks}
    shared = [dict(task) for task in candidate.run.manifest.tasks if task["name"] in theirs]
    head_to_head = [
        dict(task)
        for task in candidate.run.manifest.tasks
        if task["name"] not in theirs and baseline.identity in candidate.players("baseline")
    ]
    if not shared and not head_to_head:
        raise EvidenceError(f"{candidate.run.path} and {baseline.run.path} share no task")
    return shared + head_to_head


def _default_rules(candidate: Contender, baseline: Contender) -> tuple[Rule, ...]:
    """The rules of the shared tasks, as far as their metrics have items."""
    found = (
        part
        for rule in default_rules(_shared_tasks(candidate, baseline))
        for part in _by_trained_data_set(rule, candidate, baseline)
    )
    return tuple(rule for rule in found if _has_items(rule, candidate, baseline))


def _by_trained_data_set(rule: Rule, candidate: Contender, baseline: Contender) -> list[Rule]:
    """The rule as it is, or one per data set where checkpoints of a sequence are asked what they were trained on.

    Over all of them at once, what a checkpoint has just learned would hide what it forgot. The baseline's data sets are
    taken: what it was never asked (the upper triangle) cannot have been forgotten, and what it was asked, the candidate
    must have been asked too.
    """
    task = candidate.task(rule.task)
    trained = {stage.get("trained_on") for stage in task["options"].get("stages", ())} if task else set()
    slices = list(dict.fromkeys(baseline.scores(rule.task, rule.metric, None)["slice"]))
    if not trained & set(slices):
        return [rule]
    return [msgspec.structs.replace(rule, slice=str(name)) for name in slices if name is not None]


def _has_items(rule: Rule, candidate: Contender, baseline: Contender) -> bool:
    """Whether either run scored the metric at all: a task may declare metrics that only some of its data sets have."""
    return any(len(contender.scores(rule.task, rule.metric, rule.slice)) for contender in (candidate, baseline))
