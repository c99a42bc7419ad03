"""The live gate: evaluate and judge only as far as the verdict needs.

Free metrics (tasks without a judge) come first, and a failure there ends the run before any judge call. Judged tasks are
then visited look by look in plan order, side by side; a decided task costs nothing more. Only complete prompts in plan order
enter a look, so quick answers have no head start. Levels do not depend on this order: PASS and FAIL of every metric are
separate tests.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np

from evalsuite.engine.directory import Run
from evalsuite.engine.passes import Item
from evalsuite.engine.plan import Plan
from evalsuite.engine.run import RunRequest, execute
from evalsuite.engine.scores import ScoreBook
from evalsuite.errors import EvalsuiteError, UsageError
from evalsuite.gate.decide import as_verdict, decide, gate_rule, validity_problem
from evalsuite.gate.evidence import Contender, Evidence
from evalsuite.gate.gate import instrument_problems
from evalsuite.gate.guardrails import check_guardrail
from evalsuite.gate.ledger import Ledger, question_key
from evalsuite.gate.policy import Policy, Rule, default_rules
from evalsuite.gate.result import GateResult, MetricVerdict, overall
from evalsuite.progress import Progress
from evalsuite.serving.spec import parse_spec
from evalsuite.stats.covariates import gate_covariates
from evalsuite.stats.decisions import GateResult as TestResult
from evalsuite.stats.decisions import GateRule
from evalsuite.stats.families import fail_levels
from evalsuite.stats.sequential import FEWEST_UNITS, group_sequential_gate
from evalsuite.stats.strict import strict_gate


class AnsweredBefore(EvalsuiteError):
    """The ledger holds the verdict on this question; raised before anything is asked."""

    def __init__(self, result: GateResult) -> None:
        super().__init__(f"answered on {result.answered}")
        self.result = result


async def gate_live(
    request: RunRequest, candidate: str, baseline: str, policy: Policy, ledger: Ledger | None, progress: Progress
) -> GateResult:
    """Evaluate the candidate against the baseline until every rule is decided, and give the verdict.

    Args:
        request: tasks, judges, data, limit, output folder; its models are replaced by the two contenders.
        candidate: model SPEC.
        baseline: model SPEC, or a run directory that holds it.
        policy: rules and error rates; without rules those of the tasks are taken.
        ledger: verdicts given so far; None keeps none.
        progress: where long steps are reported.

    Raises:
        UsageError: no task declares a margin and the policy names no rule.
        EvalsuiteError: see `engine.run.execute`; the same call resumes.
    """
    label = parse_spec(candidate).label
    monitors: list[LiveMonitor] = []

    def watch(plan: Plan, book: ScoreBook, run: Run) -> LiveMonitor:
        monitor = LiveMonitor(plan, book, run, label, policy, ledger)
        monitors.append(monitor)
        return monitor

    changed = msgspec.structs.replace(request, models=(candidate,), baseline=baseline)
    try:
        outcome = await execute(changed, progress, watch)
    except AnsweredBefore as known:
        return known.result
    return monitors[0].conclude(Run.open(outcome.directory))


class LiveMonitor:
    """Feeds the tests of all rules while the engine works; implements `engine.passes.Monitor`."""

    def __init__(
        self, plan: Plan, book: ScoreBook, run: Run, label: str, policy: Policy, ledger: Ledger | None
    ) -> None:
        self._plan = plan
        self._book = book
        self._policy = policy
        self._ledger = ledger
        self._label = label
        rules = policy.metrics or default_rules(run.manifest.tasks)
        if not rules:
            raise UsageError("nothing to gate on: no task declares a margin; write a policy with `metrics`")
        self._key = question_key(Contender(run, label), _baseline(run), None, rules, policy)
        if ledger is not None and (known := ledger.find(self._key)) is not None:
            raise AnsweredBefore(known)
        levels = fail_levels(policy.alpha_fail, len(rules), [rule.weight for rule in rules])
        indices = {planned.name: index for index, planned in enumerate(plan.tasks)}
        unknown = sorted({rule.task for rule in rules} - set(indices))
        if unknown:
            raise UsageError(f"the policy gates on {', '.join(unknown)}, which is not among --tasks")
        self._rules = [
            _RuleState(plan, book, indices[rule.task], rule, policy, alpha, label)
            for rule, alpha in zip(rules, levels, strict=True)
        ]

    def batches(self, items: Sequence[Item], served: Collection[str]) -> Iterator[Sequence[Item]]:
        """Free tasks at once; then the judged ones look by look, as long as a judge is there to decide them."""
        free = [item for item in items if not self._judges(item[0])]
        judged = [item for item in items if self._judges(item[0])]
        if free:
            yield free
        if not any(self._judges(task) & set(served) for task in {item[0] for item in judged}):
            if judged and not self._failed_for_free():
                yield judged
            return
        for start, end in self._looks(judged):
            batch = [item for item in self.needed(judged) if start <= item[1] < end]
            if batch:
                yield batch

    def needed(self, items: Sequence[Item]) -> list[Item]:
        """Items of tasks that are not decided; none after a free metric has failed."""
        open_tasks = {state.task for state in self._rules if not state.decided()}
        ungated = {item[0] for item in items} - {state.task for state in self._rules}
        if self._failed_for_free():
            return [item for item in items if item[0] in ungated and not self._judges(item[0])]
        return [item for item in items if item[0] in open_tasks or item[0] in ungated]

    def conclude(self, run: Run) -> GateResult:
        """The verdict on what was evaluated, written to the ledger."""
        candidate = Contender(run, self._label)
        verdicts: list[MetricVerdict] = [state.verdict() for state in self._rules]
        guardrails = [check_guardrail(guardrail, self._policy, candidate) for guardrail in self._policy.guardrails]
        rules = [state.rule for state in self._rules]
        problems = instrument_problems(candidate, rules)
        result = GateResult(
            outcome=overall(verdicts, guardrails, problems),
            candidate=self._label,
            baseline=_baseline(run).label,
            metrics=verdicts,
            guardrails=guardrails,
            problems=problems,
            policy=msgspec.to_builtins(msgspec.structs.replace(self._policy, metrics=tuple(rules))),
            key=self._key,
            answered=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        if self._ledger is not None:
            self._ledger.add(result)
        return result

    def _judges(self, task: int) -> set[str]:
        planned = self._plan.tasks[task]
        return {
            self._plan.models[label].server_key(role.needs)
            for role in planned.task.info.roles
            if role.name == "judge"
            for arm in planned.arms
            for label in arm.roles.get("judge", ())
        }

    def _failed_for_free(self) -> bool:
        return any(state.failed() for state in self._rules if not self._judges(state.task))

    def _looks(self, items: Sequence[Item]) -> Iterator[tuple[int, int]]:
        sizes = [len(self._plan.tasks[task].samples) for task in {item[0] for item in items}]
        start = 0
        for end in GateRule(margin=0.5).looks(max(sizes, default=0)):
            yield start, end
            start = end


def _baseline(run: Run) -> Contender:
    label = next(str(model["label"]) for model in run.manifest.models if "baseline" in model["roles"])
    return Contender(run, label)


class _RuleState:
    """One rule's test over the complete prefix of its prompts."""

    def __init__(
        self, plan: Plan, book: ScoreBook, task: int, rule: Rule, policy: Policy, alpha_fail: float, label: str
    ) -> None:
        self.task = task
        self.rule = rule
        self._planned = plan.tasks[task]
        self._book = book
        self._policy = policy
        self._alpha_fail = alpha_fail
        arms = [arm.model for arm in self._planned.arms]
        self._candidate = arms.index(label)
        self._baseline = arms.index(plan.cast.baseline) if plan.cast.baseline in arms else None
        metric = self._planned.metrics.get(rule.metric)
        if metric is None:
            raise UsageError(f"task {rule.task} has no metric {rule.metric!r}")
        better = rule.higher_is_better if rule.higher_is_better is not None else metric.higher_is_better
        if better is None:
            raise UsageError(f"task {rule.task}, metric {rule.metric}: say in the policy whether higher_is_better")
        if self._baseline is None and not metric.head_to_head:
            raise UsageError(
                f"task {rule.task}, metric {rule.metric} does not score the baseline; gate two finished runs"
            )
        self._metric = metric
        self._sign = 1.0 if better else -1.0
        samples = list(self._planned.samples)
        self._positions = [i for i, sample in enumerate(samples) if rule.slice is None or sample.slice == rule.slice]
        self._names = {i: (samples[i].id, samples[i].cluster or samples[i].id) for i in self._positions}
        self._seen = -1
        self._found: TestResult[Any] | None = None
        self._known_baseline: np.ndarray | None = None

    def failed(self) -> bool:
        """Whether FAIL is proven."""
        found = self._test()
        return found is not None and found.decision == "FAIL"

    def decided(self) -> bool:
        """Whether PASS or FAIL is proven."""
        found = self._test()
        return found is not None and found.decision != "INCONCLUSIVE"

    def verdict(self) -> MetricVerdict:
        """The verdict on what is there now."""
        evidence = self._evidence(self._complete())
        if self._test() is None:
            verdict = decide(self.rule, self._policy, evidence, self._alpha_fail)
            return msgspec.structs.replace(verdict, n_planned=len(self._positions))
        statistical = gate_rule(self.rule, self._policy, evidence, self._alpha_fail)
        problem = validity_problem(evidence, self._policy) if evidence.n else None
        verdict = as_verdict(self.rule, statistical, evidence, self._test(), problem, "baseline")
        return msgspec.structs.replace(verdict, n_planned=len(self._positions))

    def _test(self) -> TestResult[Any] | None:
        if self._seen < 0:
            self._known_baseline = self._covariates()
        complete = self._complete()
        if len(complete) == self._seen or (self._found and self._found.decision != "INCONCLUSIVE"):
            return self._found
        self._seen = len(complete)
        evidence = self._evidence(complete)
        rule = gate_rule(self.rule, self._policy, evidence, self._alpha_fail)
        values, total = self._by_cluster(evidence), self._clusters()
        if np.isfinite(values).sum() < 2 or np.ptp(values[np.isfinite(values)]) == 0:
            return None
        if self._policy.test == "strict" or total < FEWEST_UNITS:
            self._found = strict_gate(values, rule, prompts=total, benchmark=self._policy.target == "benchmark")
        else:
            self._found = group_sequential_gate(values, rule, prompts=total, covariates=self._known_baseline)
        return self._found

    def _complete(self) -> list[int]:
        """Positions of the longest prefix, in plan order, whose items are all finished."""
        found = []
        for position in self._positions:
            arms = [self._candidate] if self._baseline is None else [self._candidate, self._baseline]
            if any((self.task, position, arm) not in self._book for arm in arms):
                break
            found.append(position)
        return found

    def _score(self, position: int, arm: int) -> float:
        scores = self._book.of((self.task, position, arm))
        value = next((score.value for score in scores if score.metric == self.rule.metric), None)
        return float("nan") if value is None else value

    def _evidence(self, positions: list[int]) -> Evidence:
        ours = np.array([self._score(position, self._candidate) for position in positions], dtype=float)
        if self._baseline is None:
            theirs = 1.0 - ours
        else:
            ours = self._sign * ours
            theirs = self._sign * np.array([self._score(p, self._baseline) for p in positions], dtype=float)
        low, high = self._metric.bounds
        bounds = (low, high) if self._sign > 0 else (-high, -low)
        return Evidence(
            form="head-to-head" if self._baseline is None else "paired-difference",
            ids=np.array([self._names[position][0] for position in positions], dtype=object),
            candidate=ours,
            baseline=theirs,
            clusters=np.array([self._names[position][1] for position in positions], dtype=object),
            bounds=None if self._metric.kind == "real" else bounds,
            kind=self._metric.kind,
            scale=2.0 if self._baseline is None else 1.0,
            missing_candidate=int(np.isnan(ours).sum()),
            missing_baseline=int(np.isnan(theirs).sum()),
        )

    def _clusters(self) -> int:
        return len({cluster for _, cluster in self._names.values()})

    def _by_cluster(self, evidence: Evidence) -> np.ndarray:
        """Mean difference of every cluster, in the order in which the clusters begin."""
        groups: dict[str, list[float]] = defaultdict(list)
        for cluster, value in zip(evidence.clusters, evidence.candidate - evidence.baseline, strict=True):
            groups[cluster].append(value)
        known = [[value for value in values if not np.isnan(value)] for values in groups.values()]
        return np.array([np.mean(values) if values else np.nan for values in known], dtype=float)

    def _covariates(self) -> np.ndarray | None:
        """The baseline's scores, when they are all there before judging (cached) and items stand alone.

        Looked at once, before the first look: a covariate that appears later would reopen looks that are over.
        """
        if self._baseline is None or self._clusters() != len(self._positions):
            return None
        if any((self.task, position, self._baseline) not in self._book for position in self._positions):
            return None
        scores = np.array([self._score(position, self._baseline) for position in self._positions], dtype=float)
        if np.isnan(scores).any():
            return None
        return gate_covariates(self._sign * scores)
