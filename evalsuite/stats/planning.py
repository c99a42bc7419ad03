"""Before the run: how small a loss can be excluded, and how many prompts a margin needs.

Formulas are those of a one-sided non-inferiority test on a mean difference with standard deviation `sd` per prompt;
`inflation` is the price of looking early (1 for a fixed sample). Margins are policy: nothing here derives one from n.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import ndtri

from evalsuite.errors import StatisticsError
from evalsuite.stats.boundaries import SpendingFunction, crossing_probability, efficacy_bounds
from evalsuite.stats.decisions import GateRule
from evalsuite.stats.standard_errors import finite_scores

DEFAULT_INFLATION = 1.16  # linear spending, 19 looks, one-sided 0.05, power 0.9
REFERENCE_UNITS = 805  # prompts of the schedule that inflation is computed on


@dataclass(frozen=True)
class GatePlan:
    """What a gate can be expected to do, computed from cached baseline scores before a single judge call.

    `minimum_margin` is the smallest margin that an unchanged candidate would pass with probability `power`;
    `prompts_needed` how many prompts the chosen margin needs for it. `warning` is a sentence, or None if all is well.
    """

    margin: float
    power: float
    sd: float
    n: int
    inflation: float
    minimum_margin: float
    prompts_needed: int
    likely_inconclusive: bool
    warning: str | None


def _quantiles(alpha: float, power: float) -> float:
    if not (0.0 < alpha < 0.5 and 0.0 < power < 1.0):
        raise StatisticsError(f"alpha must lie in (0, 0.5) and power in (0, 1), got {alpha} and {power}")
    return -float(ndtri(alpha)) + float(ndtri(power))


def _check_sd(sd: float) -> None:
    if not (sd > 0 and math.isfinite(sd)):
        raise StatisticsError(f"standard deviation must be a positive number, got {sd}")


def minimum_detectable_margin(
    sd: float, n: int, alpha: float = 0.05, power: float = 0.9, inflation: float = DEFAULT_INFLATION
) -> float:
    """Smallest margin (or effect) that n prompts resolve: (z_alpha + z_power) sd sqrt(inflation / n)."""
    _check_sd(sd)
    if n < 1:
        raise StatisticsError(f"number of prompts must be at least 1, got {n}")
    return _quantiles(alpha, power) * sd * math.sqrt(inflation / n)


def prompts_for_power(
    sd: float, distance: float, alpha: float = 0.05, power: float = 0.9, inflation: float = DEFAULT_INFLATION
) -> int:
    """Prompts to plan so that a true value `distance` away from the null is found with probability `power`."""
    _check_sd(sd)
    if not distance > 0:
        raise StatisticsError(f"distance from the null must be positive, got {distance}")
    return math.ceil(inflation * (_quantiles(alpha, power) * sd / distance) ** 2)


def n_needed_to_pass(
    sd: float,
    margin: float,
    estimate: float,
    alpha: float = 0.05,
    power: float = 0.9,
    inflation: float = DEFAULT_INFLATION,
) -> int | None:
    """Prompts to plan for PASS if the truth is the estimate, counted no better than 0; None beyond the margin."""
    distance = margin + min(estimate, 0.0)
    return prompts_for_power(sd, distance, alpha, power, inflation) if distance > 0 else None


def guess_difference_sd(baseline_scores: ArrayLike, correlation: float = 0.5) -> float:
    """Standard deviation of a paired difference guessed from the baseline alone: var(D) = 2 (1 - r) var(Y_base)."""
    y = finite_scores(baseline_scores, "baseline scores")
    if y.size < 2:
        raise StatisticsError("a spread cannot be guessed from a single baseline score")
    if not -1.0 <= correlation < 1.0:
        raise StatisticsError(f"correlation must lie in [-1, 1), got {correlation}")
    return math.sqrt(2.0 * (1.0 - correlation) * float(np.var(y, ddof=1)))


@lru_cache(maxsize=64)
def sequential_inflation(
    spending: SpendingFunction, alpha: float = 0.05, power: float = 0.9, first_look: int = 30, growth: float = 1.2
) -> float:
    """How much larger a sequential plan must be than a fixed sample of the same power (1.16 linear, 1.04 rho = 3)."""
    sizes = GateRule(margin=0.5, first_look=first_look, growth=growth).looks(REFERENCE_UNITS)
    times = [size / REFERENCE_UNITS for size in sizes]
    bounds = efficacy_bounds(times, alpha, spending)
    fixed = _quantiles(alpha, power)
    drift = brentq(lambda d: crossing_probability(times, bounds, d)[-1] - power, fixed, 2 * fixed, xtol=1e-6)
    return (float(drift) / fixed) ** 2


def plan_gate(rule: GateRule, baseline_scores: ArrayLike, correlation: float = 0.5, power: float = 0.9) -> GatePlan:
    """Judge a rule before the run, from the baseline's cached scores (one per planned prompt).

    Returns:
        A plan whose `warning` says that the margin is below what so many prompts can show, and how many it needs.
    """
    y = finite_scores(baseline_scores, "baseline scores")
    # Equal baseline scores give no guess; one prompt in n changing by the full range is then the floor.
    sd = max(guess_difference_sd(y, correlation), rule.bound / math.sqrt(y.size))
    inflation = sequential_inflation(rule.spending, rule.alpha_pass, power, rule.first_look, rule.growth)
    smallest = minimum_detectable_margin(sd, y.size, rule.alpha_pass, power, inflation)
    needed = prompts_for_power(sd, rule.margin, rule.alpha_pass, power, inflation)
    weak = rule.margin < smallest
    warning = (
        f"likely INCONCLUSIVE: {y.size} prompts resolve a margin of {smallest:.3g}, not {rule.margin:.3g}, "
        f"which needs about {needed} prompts"
        if weak
        else None
    )
    return GatePlan(rule.margin, power, sd, y.size, inflation, smallest, needed, weak, warning)


def best_samples_per_prompt(
    sample_variance: float, between: float, cost_prompt: float = 1.0, cost_sample: float = 1.0
) -> float:
    """K* = sqrt(cost_prompt / cost_sample * sampling variance / prompt variance), at least 1.

    `cost_prompt` is what a new prompt costs before its first sample. Infinite when prompts do not differ.
    """
    if sample_variance < 0 or between < 0 or cost_prompt < 0 or cost_sample <= 0:
        raise StatisticsError("variances and the prompt cost must not be negative, the sample cost must be positive")
    if between == 0:
        return math.inf if sample_variance > 0 and cost_prompt > 0 else 1.0
    return max(1.0, math.sqrt(cost_prompt / cost_sample * sample_variance / between))
