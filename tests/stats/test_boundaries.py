from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalsuite.errors import StatisticsError
from evalsuite.stats.boundaries import SpendingFunction, crossing_probability, efficacy_bounds
from evalsuite.stats.decisions import GateRule

SIZES = GateRule(0.05).looks(805)
TIMES = [size / 805 for size in SIZES]


def test_nineteen_geometric_looks_cover_805_prompts() -> None:
    assert len(SIZES) == 19
    assert SIZES[:4] == (30, 36, 44, 53)
    assert SIZES[-3:] == (586, 704, 805)


def test_a_set_smaller_than_the_first_look_has_one_look() -> None:
    assert GateRule(0.05).looks(20) == (20,)


def test_linear_spending_boundaries_at_805_prompts() -> None:
    bounds = efficacy_bounds(TIMES, 0.05)
    assert bounds[0] == pytest.approx(2.900, abs=1e-3)
    assert bounds[SIZES.index(195)] == pytest.approx(2.600, abs=1e-3)
    assert bounds[-1] == pytest.approx(2.014, abs=1e-3)


def test_simulated_brownian_motion_crosses_as_often_as_was_spent() -> None:
    rng = np.random.default_rng(11)
    steps = np.sqrt(np.diff([0.0, *TIMES]))
    z = np.cumsum(rng.standard_normal((200_000, len(TIMES))) * steps, axis=1) / np.sqrt(TIMES)
    crossed = float(np.mean(np.any(z >= np.array(efficacy_bounds(TIMES, 0.05)), axis=1)))
    assert crossed == pytest.approx(0.05, abs=0.002)


def test_crossing_probability_with_drift_is_the_simulated_power() -> None:
    rng = np.random.default_rng(12)
    times, drift = [0.2, 0.5, 1.0], 2.5
    bounds = efficacy_bounds(times, 0.05)
    steps = np.diff([0.0, *times])
    moves = rng.standard_normal((200_000, 3)) * np.sqrt(steps) + drift * steps
    z = np.cumsum(moves, axis=1) / np.sqrt(times)
    assert crossing_probability(times, bounds, drift)[-1] == pytest.approx(
        float(np.mean(np.any(z >= np.array(bounds), axis=1))), abs=0.004
    )


def test_one_look_is_the_fixed_sample_test() -> None:
    assert efficacy_bounds([1.0], 0.05) == pytest.approx((1.6448536,), abs=1e-6)


def test_a_later_look_leaves_earlier_boundaries_alone() -> None:
    assert efficacy_bounds(TIMES[:7], 0.05) == efficacy_bounds(TIMES, 0.05)[:7]


def test_a_look_that_may_spend_nothing_cannot_stop() -> None:
    bounds = efficacy_bounds([0.01, 1.0], 0.05, SpendingFunction("obrien-fleming"))
    assert bounds[0] == math.inf
    assert bounds[1] == pytest.approx(1.645, abs=1e-3)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.integers(1, 2000), min_size=1, max_size=12, unique=True),
    st.floats(0.001, 0.2),
    st.sampled_from(["linear", "rho=2", "rho=3", "pocock", "obrien-fleming"]),
)
def test_error_spent_is_alpha_whatever_the_looks(grid: list[int], alpha: float, spending: str) -> None:
    times = [value / 2000 for value in sorted({*grid, 2000})]
    chosen = SpendingFunction.parse(spending)
    crossed = crossing_probability(times, efficacy_bounds(times, alpha, chosen))
    assert crossed[-1] == pytest.approx(alpha, rel=1e-6)
    assert all(spent <= chosen.spent(time, alpha) + 1e-12 for spent, time in zip(crossed, times, strict=True))


@pytest.mark.parametrize("times", [[0.5, 0.5], [0.5, 0.4], [0.0, 1.0], [0.5, 1.1], [math.nan]])
def test_information_times_must_grow_within_the_unit_interval(times: list[float]) -> None:
    with pytest.raises(StatisticsError, match="information times"):
        efficacy_bounds(times, 0.05)


@pytest.mark.parametrize("alpha", [0.0, 0.5, -1.0, math.nan])
def test_alpha_must_be_an_error_rate(alpha: float) -> None:
    with pytest.raises(StatisticsError, match="alpha"):
        efficacy_bounds([1.0], alpha)


@pytest.mark.parametrize("text", ["bayes", "rho=", "rho=x", "rho=-1", "rho=nan", ""])
def test_unknown_spending_functions_are_named(text: str) -> None:
    with pytest.raises(StatisticsError):
        SpendingFunction.parse(text)
