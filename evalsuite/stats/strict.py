"""The strict release gate: a pair of betting e-processes, exact for any sample size and any stopping rule.

For fewer than 30 clusters, for a prompt count that may grow, and wherever a finite-sample guarantee is due. It costs
about a quarter more judge calls than the group-sequential gate and some power. PASS when the e-process against
theta <= -margin reaches 1/alpha_pass, FAIL when the one against theta >= fail_null reaches 1/alpha_fail, whichever comes
first. Scores are bet on one by one in plan order, so batches of any size give the same verdict.

Source: Waudby-Smith and Ramdas (arXiv 2010.09686); Ville 1939 for the level.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evalsuite.errors import StatisticsError
from evalsuite.stats.betting import BET_WEIGHTS, BettingState, BettingTest, advance, e_process_bounds
from evalsuite.stats.decisions import Decision, GateResult, GateRule
from evalsuite.stats.standard_errors import FloatArray

LARGEST_LOG_E = 700.0  # a refuted null has infinite evidence; results stay finite so that JSON can hold them
POWER_QUANTILE = 1.2816


@dataclass(frozen=True)
class StrictLook:
    """Evidence after `prompts` prompts of the plan (`n` usable): log E of both tests and what they have to reach.

    `low` and `high` hold every mean that neither e-process rejects now: valid whenever one looks.
    """

    prompts: int
    n: int
    estimate: float
    log_e_pass: float
    threshold_pass: float
    log_e_fail: float
    threshold_fail: float
    low: float
    high: float
    decision: Decision


class StrictGate:
    """The strict gate of one metric, fed batch by batch in plan order.

    Differences are candidate - baseline, higher is better, one per independent unit: give cluster means
    (`standard_errors.cluster_means`) when prompts are clustered. NaN marks a prompt without a usable pair. More prompts
    may be added at any time in the super-population reading.
    """

    def __init__(
        self,
        rule: GateRule,
        prior_variance: float = 0.25,
        prompts: int | None = None,
        benchmark: bool = False,
    ) -> None:
        """Plan the test.

        Args:
            rule: margin, error rates and bound (spending, looks and guard play no part).
            prior_variance: guess of the variance of a difference, e.g. the variance of the cached baseline scores; any
                value keeps the level.
            prompts: number of prompts planned, if there is a plan; it only serves the count of calls saved.
            benchmark: the claim is about the mean over exactly these `prompts` prompts, visited in random order.
        """
        if not (prior_variance > 0 and math.isfinite(prior_variance)):
            raise StatisticsError(f"prior variance must be a positive number, got {prior_variance}")
        if benchmark and prompts is None:
            raise StatisticsError("the benchmark reading needs the number of prompts of the benchmark")
        self.rule = rule
        self._prompts = prompts
        self._population = prompts if benchmark else None
        self._prior = prior_variance / rule.bound**2
        margin, threshold = rule.margin / rule.bound, rule.fail_threshold / rule.bound
        self._effect = margin
        # The alternative that FAIL is meant to find is a loss of the margin, this far from the null it rejects.
        fail_effect = max(margin + threshold, margin / 2)
        self._tests = (
            BettingTest(-margin, margin, self._prior, self._population),
            BettingTest(-threshold, fail_effect, self._prior, self._population),
        )
        self._states = (BettingState(), BettingState())
        self._seen: list[float] = []
        self._visited = 0
        self._looks: list[StrictLook] = []

    @property
    def decision(self) -> Decision:
        """The verdict so far."""
        return self._looks[-1].decision if self._looks else Decision.INCONCLUSIVE

    def extend(self, differences: ArrayLike) -> StrictLook | None:
        """Bet on the next prompts in plan order; stops inside the batch at the prompt that decides.

        Returns:
            The look at the end of the batch or at the deciding prompt; None if no prompt had a usable pair yet.

        Raises:
            StatisticsError: the gate is decided, a difference is out of range, or the benchmark has fewer prompts.
        """
        if self.decision is not Decision.INCONCLUSIVE:
            raise StatisticsError(f"the gate is already decided: {self.decision}")
        d = np.asarray(differences, dtype=np.float64)
        if d.ndim != 1:
            raise StatisticsError(f"differences: expected one number per prompt, got shape {d.shape}")
        if d.size and np.nanmax(np.abs(d), initial=0.0) > self.rule.bound * (1 + 1e-9):
            raise StatisticsError(f"a difference exceeds the largest possible one, {self.rule.bound:g}")
        if self._population is not None and self._visited + d.size > self._population:
            raise StatisticsError(f"more differences than the {self._population} prompts of the benchmark")
        places = np.flatnonzero(~np.isnan(d))
        if self._population is not None and places.size < d.size:
            raise StatisticsError(
                "the benchmark reading needs every prompt: score missing ones by rule (worst case) first"
            )
        x = np.clip(d[places] / self.rule.bound, -1.0, 1.0)
        (state_pass, log_pass), (state_fail, log_fail) = (
            advance(test, state, values) for test, state, values in zip(self._tests, self._states, (x, -x), strict=True)
        )
        crossed = (log_pass >= -math.log(self.rule.alpha_pass)) | (log_fail >= -math.log(self.rule.alpha_fail))
        if not crossed.any():
            self._states = (state_pass, state_fail)
            self._visited += d.size
            self._seen.extend(x.tolist())
            return self._record(log_pass[-1:], log_fail[-1:])
        at = int(np.argmax(crossed))
        self._visited += int(places[at]) + 1
        self._seen.extend(x[: at + 1].tolist())
        return self._record(log_pass[at : at + 1], log_fail[at : at + 1])

    def _record(self, log_pass: FloatArray, log_fail: FloatArray) -> StrictLook | None:
        if not log_pass.size:
            return None
        rule = self.rule
        to_pass, to_fail = -math.log(rule.alpha_pass), -math.log(rule.alpha_fail)
        passing, failing = float(log_pass[0]), float(log_fail[0])
        decision = Decision.INCONCLUSIVE
        if passing >= to_pass:
            decision = Decision.PASS
        elif failing >= to_fail:
            decision = Decision.FAIL
        x = np.array(self._seen)
        low, high = e_process_bounds(x, self._effect, rule.alpha_pass, rule.alpha_fail, self._prior, self._population)
        look = StrictLook(
            prompts=self._visited,
            n=x.size,
            estimate=float(x.mean()) * rule.bound,
            log_e_pass=min(passing, LARGEST_LOG_E),
            threshold_pass=to_pass,
            log_e_fail=min(failing, LARGEST_LOG_E),
            threshold_fail=to_fail,
            low=low * rule.bound,
            high=high * rule.bound,
            decision=decision,
        )
        self._looks.append(look)
        return look

    def result(self) -> GateResult[StrictLook]:
        """The verdict, or INCONCLUSIVE with the evidence so far."""
        last = self._looks[-1] if self._looks else None
        planned = self._visited if self._prompts is None else max(self._prompts, self._visited)
        return GateResult(
            decision=self.decision,
            method="betting e-process" + (", benchmark" if self._population is not None else ""),
            rule=self.rule,
            estimate=None if last is None else last.estimate,
            low=None if last is None else last.low,
            high=None if last is None else last.high,
            level=self.rule.level,
            n=len(self._seen),
            units=len(self._seen),
            missing=self._visited - len(self._seen),
            prompts_planned=planned,
            calls_spent=self._visited,
            calls_saved=planned - self._visited,
            n_needed=self._n_needed(),
            looks=tuple(self._looks),
        )

    def _n_needed(self) -> int | None:
        """Prompts after which the best bet would have won in 90% of repetitions, at its growth so far.

        A bet of the right size grows by g per prompt with variance 2g: solve n g - z sqrt(2 g n) = log(1/(alpha w)).
        """
        n = self._states[0].n
        if self.decision is not Decision.INCONCLUSIVE or n < 2 or self._population is not None:
            return None
        candidates = []
        for wealth, weight in zip(self._states[0].log_wealth, BET_WEIGHTS, strict=True):
            growth = wealth / n
            if growth > 0:
                target = -math.log(self.rule.alpha_pass * weight)
                root = (POWER_QUANTILE + math.sqrt(POWER_QUANTILE**2 + 2 * target)) / math.sqrt(2 * growth)
                candidates.append(math.ceil(root**2))
        return max(n + 1, min(candidates)) if candidates else None


def strict_gate(
    differences: ArrayLike,
    rule: GateRule,
    prior_variance: float = 0.25,
    prompts: int | None = None,
    benchmark: bool = False,
) -> GateResult[StrictLook]:
    """Run the strict gate over differences already at hand, in plan order, with a look after each growth step.

    The verdict does not depend on the looks; they only shape the trajectory. `prompts` defaults to all given.
    """
    d = np.asarray(differences, dtype=np.float64)
    if d.ndim != 1 or d.size == 0:
        raise StatisticsError(f"differences: expected one number per prompt, got shape {d.shape}")
    gate = StrictGate(rule, prior_variance, d.size if prompts is None else prompts, benchmark)
    start = 0
    for end in rule.looks(d.size):
        gate.extend(d[start:end])
        start = end
        if gate.decision is not Decision.INCONCLUSIVE:
            break
    return gate.result()
