from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from evalsuite.errors import StatisticsError
from evalsuite.stats.boundaries import SpendingFunction
from evalsuite.stats.decisions import Decision, GateRule
from evalsuite.stats.planning import (
    DEFAULT_INFLATION,
    best_samples_per_prompt,
    guess_difference_sd,
    minimum_detectable_margin,
    n_needed_to_pass,
    plan_gate,
    prompts_for_power,
    sequential_inflation,
)
from evalsuite.stats.sequential import group_sequential_gate


def test_805_prompts_resolve_four_points_and_one_point_needs_thirteen_thousand() -> None:
    assert minimum_detectable_margin(0.36, 805) == pytest.approx(0.040, abs=5e-4)
    assert prompts_for_power(0.36, 0.01) == pytest.approx(13_000, rel=0.02)


def test_margin_and_prompt_count_are_inverse() -> None:
    margin = minimum_detectable_margin(0.4, 500)
    assert prompts_for_power(0.4, margin) in (500, 501)


def test_a_fixed_sample_has_no_inflation() -> None:
    z = stats.norm.ppf(0.95) + stats.norm.ppf(0.9)
    assert prompts_for_power(0.5, 0.1, inflation=1.0) == math.ceil((z * 0.5 / 0.1) ** 2)


@pytest.mark.parametrize(("spending", "inflation"), [("linear", DEFAULT_INFLATION), ("rho=3", 1.04), ("pocock", 1.23)])
def test_looking_costs_what_the_design_says(spending: str, inflation: float) -> None:
    assert sequential_inflation(SpendingFunction.parse(spending)) == pytest.approx(inflation, abs=0.006)


def test_planned_power_is_reached() -> None:
    rng = np.random.default_rng(1)
    n = prompts_for_power(0.4**0.5, 0.1)
    passed = sum(
        group_sequential_gate(
            rng.choice([-1.0, 0.0, 1.0], p=[0.2, 0.6, 0.2], size=n), GateRule(0.1, guard="off")
        ).decision
        is Decision.PASS
        for _ in range(600)
    )
    assert passed / 600 == pytest.approx(0.9, abs=0.04)


def test_needed_prompts_count_a_gain_as_no_change_and_nothing_beyond_the_margin() -> None:
    assert n_needed_to_pass(0.36, 0.05, 0.10) == n_needed_to_pass(0.36, 0.05, 0.0) == prompts_for_power(0.36, 0.05)
    assert n_needed_to_pass(0.36, 0.05, -0.025) == prompts_for_power(0.36, 0.025)
    assert n_needed_to_pass(0.36, 0.05, -0.05) is None


def test_spread_is_guessed_from_the_baseline() -> None:
    y = np.random.default_rng(2).random(300)
    assert guess_difference_sd(y) == pytest.approx(y.std(ddof=1))
    assert guess_difference_sd(y, correlation=0.0) == pytest.approx(y.std(ddof=1) * 2**0.5)


def test_a_margin_too_small_for_the_prompts_is_warned_about() -> None:
    y = np.random.default_rng(3).random(200)
    plan = plan_gate(GateRule(0.01), y)
    assert plan.likely_inconclusive
    assert plan.warning is not None
    assert str(plan.prompts_needed) in plan.warning
    generous = plan_gate(GateRule(0.2), y)
    assert not generous.likely_inconclusive
    assert generous.warning is None


def test_equal_baseline_scores_still_give_a_plan() -> None:
    assert plan_gate(GateRule(0.05), np.ones(100)).minimum_margin > 0


def test_best_samples_per_prompt() -> None:
    assert best_samples_per_prompt(4.0, 1.0) == 2.0
    assert best_samples_per_prompt(4.0, 1.0, cost_prompt=0.0) == 1.0
    assert best_samples_per_prompt(1.0, 0.0) == math.inf
    assert best_samples_per_prompt(0.0, 0.0) == 1.0


def test_impossible_plans_are_refused() -> None:
    for call in (
        lambda: minimum_detectable_margin(0.0, 100),
        lambda: minimum_detectable_margin(0.3, 0),
        lambda: minimum_detectable_margin(0.3, 100, alpha=0.6),
        lambda: prompts_for_power(0.3, 0.0),
        lambda: guess_difference_sd([0.5]),
        lambda: guess_difference_sd([0.5, 0.6], correlation=1.0),
        lambda: best_samples_per_prompt(-1.0, 1.0),
    ):
        with pytest.raises(StatisticsError):
            call()
