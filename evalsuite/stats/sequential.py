"""The default release gate: a one-sided group-sequential t test of non-inferiority, stopped as soon as it is decided.

Prompts are visited in a randomised plan order. At about 19 looks the mean difference, adjusted for covariates known
for all planned prompts, is compared with boundaries that spend the error rates linearly in information time. PASS and
FAIL are separate one-sided tests, each of which keeps its own level. The rule and the result types are in
`evalsuite.stats.decisions`, the boundaries in `evalsuite.stats.boundaries`.

Sources: Lan and DeMets 1983; Kim and DeMets 1987; Jennison and Turnbull 2000, chapters 7 and 9 (repeated intervals).
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq

from evalsuite.errors import StatisticsError
from evalsuite.stats.boundaries import MINIMUM_INCREMENT, SpendingFunction, efficacy_bounds
from evalsuite.stats.covariates import AdjustedEstimate, adjusted_mean
from evalsuite.stats.decisions import Decision, GateResult, GateRule, Look, judge_look
from evalsuite.stats.planning import n_needed_to_pass, sequential_inflation
from evalsuite.stats.standard_errors import FloatArray, cluster_codes, cluster_means, standard_error

FEWEST_UNITS = 30  # below this the group-sequential approximation is not trusted, and the strict gate is due
DISCORDANT = 0.02  # a difference larger than this, relative to the bound, counts as a win or a loss
THIN_EVIDENCE = 15  # with fewer wins or losses than this the normal approximation errs near a ceiling
LAST_INTERIM = 0.999  # information before the last look, at most


def recommended_gate(units: int, open_ended: bool = False, finite_sample: bool = False) -> str:
    """'strict' for fewer than 30 clusters, a prompt count without a plan, or a finite-sample need; else 'sequential'."""
    return "strict" if units < FEWEST_UNITS or open_ended or finite_sample else "sequential"


class GroupSequentialGate:
    """The gate of one metric, fed look by look in plan order.

    ```
    gate = GroupSequentialGate(rule, prompts=805, covariates=z)
    while (n := gate.next_look) is not None:
        gate.look(differences_of_the_first(n))
    result = gate.result()
    ```

    Differences are candidate - baseline on the metric's scale, higher is better (negate a metric where lower is
    better). A prompt with identical answers has difference 0 and needs no call. NaN marks a prompt that was visited
    but has no usable pair: it is left out and counted.
    """

    def __init__(
        self,
        rule: GateRule,
        prompts: int,
        covariates: ArrayLike | None = None,
        clusters: ArrayLike | None = None,
        calls: ArrayLike | None = None,
    ) -> None:
        """Plan the looks.

        Args:
            rule: margin, error rates, spending, guard.
            prompts: number N of prompts planned.
            covariates: shape (N, p), p <= 4, known for all N prompts in plan order (`covariates.gate_covariates`).
            clusters: shape (N,), labels in plan order; the prompts of a cluster must be next to each other. Looks then
                come after whole clusters, and `first_look` counts clusters.
            calls: shape (N,), judge calls each prompt costs (0 for identical answers); default 1 each.
        """
        if prompts < 2:
            raise StatisticsError(f"a gate needs at least 2 planned prompts, got {prompts}")
        self.rule = rule
        self._prompts = prompts
        self._covariates = _planned(covariates, prompts, "covariates")
        self._codes = cluster_codes(clusters, prompts)
        costs = _planned(calls, prompts, "calls")
        self._calls = np.ones(prompts) if costs is None else costs
        ends = np.arange(1, prompts + 1)
        if self._codes is not None:
            if np.any(np.diff(self._codes) < 0):
                raise StatisticsError("clusters: the prompts of a cluster must be next to each other in plan order")
            ends = np.cumsum(np.bincount(self._codes))
        self._schedule = tuple(int(ends[size - 1]) for size in rule.looks(ends.size))
        self._looks: list[Look] = []
        self._times: list[float] = []
        self._visited = 0
        self._position = 0
        self._missing = 0
        self._sd: float | None = None

    @property
    def schedule(self) -> tuple[int, ...]:
        """Prompts visited at each planned look; the last is N."""
        return self._schedule

    @property
    def next_look(self) -> int | None:
        """How many prompts, in plan order, must be visited for the next look; None when the gate is decided."""
        if self._position == len(self._schedule) or self.decision is not Decision.INCONCLUSIVE:
            return None
        return self._schedule[self._position]

    @property
    def decision(self) -> Decision:
        """The verdict so far."""
        return self._looks[-1].decision if self._looks else Decision.INCONCLUSIVE

    def look(self, differences: ArrayLike) -> Look | None:
        """Look at the differences of the first `next_look` prompts; None if fewer than two of them are usable.

        Raises:
            StatisticsError: the gate is decided, the number of differences is not `next_look`, or one is out of range.
        """
        due = self.next_look
        if due is None:
            raise StatisticsError(f"the gate is already decided: {self.decision}")
        d = np.asarray(differences, dtype=np.float64)
        if d.shape != (due,):
            raise StatisticsError(f"this look needs the differences of the first {due} prompts, got shape {d.shape}")
        usable = np.flatnonzero(~np.isnan(d))
        if usable.size and np.abs(d[usable]).max() > self.rule.bound * (1 + 1e-9):
            raise StatisticsError(f"a difference exceeds the largest possible one, {self.rule.bound:g}")
        self._position += 1
        self._visited = due
        self._missing = due - usable.size
        if usable.size < 2:
            return None
        codes = None if self._codes is None else self._codes[usable]
        found = self._estimate(d[usable], usable)
        if found.se is None or found.df is None or found.df < 1:
            return None
        unit_values = d[usable] if codes is None else cluster_means(d[usable], codes)
        units = unit_values.size
        information = self._information(found, due)
        assert found.plain_se is not None
        self._sd = found.plain_se * math.sqrt(found.n)
        look = judge_look(
            self.rule,
            prompts=due,
            n=found.n,
            units=units,
            estimate=found.estimate,
            se=self.rule.shrunken_se(found.se, units),
            df=found.df,
            information=information,
            bounds=self._bounds(information),
            guard=self._guard(unit_values),
            r_squared=found.r_squared,
        )
        self._looks.append(look)
        return look

    def _estimate(self, d: FloatArray, usable: np.ndarray) -> AdjustedEstimate:
        if self._covariates is not None:
            return adjusted_mean(d, self._covariates, usable, self._codes)
        found = standard_error(d, None if self._codes is None else self._codes[usable])
        return AdjustedEstimate(
            found.mean, found.se, found.df, found.n, self._prompts, found.n_clusters, None, (), (), found.mean, found.se
        )

    def _information(self, found: AdjustedEstimate, visited: int) -> float:
        """Information time: projected variance at N over the variance now, never less than at an earlier look."""
        if visited == self._prompts:
            return 1.0
        share = visited / self._prompts
        if found.r_squared is not None and found.se and found.plain_se:
            share *= (found.plain_se / found.se) ** 2
        before = self._looks[-1].information if self._looks else 0.0
        return max(min(share, LAST_INTERIM), before)

    def _bounds(self, information: float) -> tuple[float | None, float | None]:
        """Boundaries at this look; None when it adds too little information to stop at."""
        if information - (self._times[-1] if self._times else 0.0) < MINIMUM_INCREMENT:
            return None, None
        self._times.append(information)
        passing, failing = (
            efficacy_bounds(self._times, alpha, self.rule.spending)[-1]
            for alpha in (self.rule.alpha_pass, self.rule.alpha_fail)
        )
        return passing, failing

    def _guard(self, unit_values: FloatArray) -> float:
        """One pseudo-loss (on FAIL: pseudo-win) while wins or losses are few: near a ceiling the t test is too sure."""
        threshold = DISCORDANT * self.rule.bound
        fewest = min(int(np.sum(unit_values > threshold)), int(np.sum(unit_values < -threshold)))
        if self.rule.guard == "always" or (self.rule.guard == "thin" and fewest < THIN_EVIDENCE):
            return self.rule.bound / unit_values.size
        return 0.0

    def result(self) -> GateResult[Look]:
        """The verdict, or INCONCLUSIVE with the evidence so far if looks are left."""
        last = self._looks[-1] if self._looks else None
        bounded = [look for look in self._looks if look.bound_pass is not None or look.bound_fail is not None]
        spent = int(self._calls[: self._visited].sum())
        return GateResult(
            decision=self.decision,
            method="group-sequential t" + (", covariate-adjusted" if self._covariates is not None else ""),
            rule=self.rule,
            estimate=None if last is None else last.estimate,
            low=bounded[-1].low if bounded else None,
            high=bounded[-1].high if bounded else None,
            level=self.rule.level,
            n=0 if last is None else last.n,
            units=0 if last is None else last.units,
            missing=self._missing,
            prompts_planned=self._prompts,
            calls_spent=spent,
            calls_saved=int(self._calls.sum()) - spent,
            n_needed=self._n_needed(last),
            looks=tuple(self._looks),
        )

    def _n_needed(self, last: Look | None) -> int | None:
        if last is None or not self._sd or last.decision is not Decision.INCONCLUSIVE:
            return None
        rule = self.rule
        inflation = sequential_inflation(rule.spending, rule.alpha_pass, 0.9, rule.first_look, rule.growth)
        return n_needed_to_pass(self._sd, rule.margin, last.estimate, rule.alpha_pass, 0.9, inflation)


def _planned(values: ArrayLike | None, prompts: int, name: str) -> FloatArray | None:
    if values is None:
        return None
    array = np.asarray(values, dtype=np.float64)
    if array.shape[:1] != (prompts,):
        raise StatisticsError(f"{name}: expected one row for each of the {prompts} planned prompts, got {array.shape}")
    return array


def group_sequential_gate(
    differences: ArrayLike,
    rule: GateRule,
    prompts: int | None = None,
    covariates: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    calls: ArrayLike | None = None,
) -> GateResult[Look]:
    """Run the gate over differences already at hand, in plan order, as if they had been judged look by look.

    `prompts` is the number planned (default: all given); the other arguments are those of `GroupSequentialGate`, with
    one row per planned prompt. Stops at the first decision, or where the differences end.
    """
    d = np.asarray(differences, dtype=np.float64)
    if d.ndim != 1 or d.size == 0:
        raise StatisticsError(f"differences: expected one number per prompt, got shape {d.shape}")
    gate = GroupSequentialGate(rule, d.size if prompts is None else prompts, covariates, clusters, calls)
    while (due := gate.next_look) is not None and due <= d.size:
        gate.look(d[:due])
    return gate.result()


def repeated_p_value(z: Iterable[float], times: Iterable[float], spending: SpendingFunction | None = None) -> float:
    """Smallest one-sided error rate at which a sequence of looks would have crossed its boundary by now.

    Gives the p-value of a sequential PASS or FAIL test for Holm listings (Jennison and Turnbull 2000, section 9.5).
    """
    statistics, moments = list(z), list(times)
    if len(statistics) != len(moments) or not statistics:
        raise StatisticsError(
            f"expected as many statistics as looks, at least one: {len(statistics)} and {len(moments)}"
        )

    def slack(log_alpha: float) -> float:
        bounds = efficacy_bounds(moments, math.exp(log_alpha), spending)
        return max(value - bound for value, bound in zip(statistics, bounds, strict=True))

    smallest, largest = math.log(1e-10), math.log(0.499)
    if slack(smallest) >= 0:
        return 1e-10
    if slack(largest) < 0:
        return 1.0
    return math.exp(float(brentq(slack, smallest, largest, xtol=1e-4)))
