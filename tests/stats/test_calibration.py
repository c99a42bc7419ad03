"""Accuracy and calibration of reward margins."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from evalsuite.errors import StatisticsError
from evalsuite.stats.calibration import (
    brier_score,
    expected_calibration_error,
    fit_temperature,
    negative_log_likelihood,
    pairwise_accuracy,
    reliability_curve,
    summarise_margins,
)

margin_lists = st.lists(st.floats(-50, 50), min_size=1, max_size=60)


def calibrated_margins(n: int, seed: int, temperature: float = 1.0) -> np.ndarray:
    """Margins whose claimed probabilities are right once divided by `temperature`."""
    rng = np.random.default_rng(seed)
    size = np.abs(rng.normal(0, 2, n))
    return temperature * np.where(rng.random(n) < expit(size), size, -size)


def test_ties_are_worth_what_the_convention_says():
    margins = [1.0, 0.0, -0.5, 2.0, 1e-4]
    assert pairwise_accuracy(margins).accuracy.estimate == pytest.approx(3.5 / 5)
    assert pairwise_accuracy(margins, tie_score=0.0).accuracy.estimate == pytest.approx(3 / 5)
    near = pairwise_accuracy(margins, tie_tolerance=1e-3)
    assert (near.n_right, near.n_wrong, near.n_ties) == (2, 1, 2)
    assert near.accuracy.estimate == pytest.approx(3 / 5)


def test_a_constant_reward_knows_nothing_and_claims_nothing():
    margins = np.zeros(20)
    assert pairwise_accuracy(margins).accuracy.estimate == 0.5
    assert negative_log_likelihood(margins) == pytest.approx(math.log(2))
    assert brier_score(margins) == pytest.approx(0.25)
    assert expected_calibration_error(margins) == pytest.approx(0)


def test_several_rejected_answers_to_one_prompt_are_one_observation():
    margins = np.tile(calibrated_margins(100, seed=1), 3)
    alone = pairwise_accuracy(margins).accuracy
    grouped = pairwise_accuracy(margins, clusters=np.tile(np.arange(100), 3)).accuracy
    assert grouped.high - grouped.low > 1.5 * (alone.high - alone.low)


def test_large_margins_do_not_overflow():
    assert negative_log_likelihood([-1000.0]) == pytest.approx(1000.0)
    assert negative_log_likelihood([1000.0]) == 0.0
    assert brier_score([-1000.0]) == 1.0


def test_calibration_error_of_two_bins_worked_by_hand():
    # Confidence 0.6, one of two right; confidence 0.9, both right.
    margins = np.log([0.6 / 0.4, 0.4 / 0.6, 0.9 / 0.1, 0.9 / 0.1])
    assert expected_calibration_error(margins) == pytest.approx(0.5 * 0.1 + 0.5 * 0.1)
    assert expected_calibration_error(margins, bins=1) == pytest.approx(0.0)


@pytest.mark.parametrize("binning", ["equal_width", "equal_mass"])
def test_calibration_error_tells_calibrated_from_over_confident(binning):
    assert expected_calibration_error(calibrated_margins(50_000, seed=2), binning=binning) < 0.01
    assert expected_calibration_error(calibrated_margins(50_000, seed=2, temperature=3.0), binning=binning) > 0.08


def test_equal_mass_bins_hold_equal_numbers():
    table = reliability_curve(calibrated_margins(1000, seed=3), bins=10, binning="equal_mass")
    assert [row.n for row in table] == [100] * 10


def test_the_signed_curve_follows_the_diagonal_of_calibrated_scores():
    table = reliability_curve(calibrated_margins(50_000, seed=4), rng=np.random.default_rng(5))
    assert table[0].low == 0.0
    assert table[-1].high == 1.0
    for row in table:
        assert row.observed == pytest.approx(row.predicted, abs=0.03)
        assert row.observed_low < row.observed < row.observed_high


@given(margin_lists, st.sampled_from(["equal_width", "equal_mass"]), st.integers(1, 12))
def test_every_pair_lies_in_one_bin_and_the_error_in_the_unit_interval(margins, binning, bins):
    table = reliability_curve(margins, bins=bins, binning=binning)
    assert sum(row.n for row in table) == len(margins)
    assert 0 <= expected_calibration_error(margins, bins=bins, binning=binning) <= 1
    for row in table:
        assert row.low - 1e-12 <= row.predicted <= row.high + 1e-12


@given(margin_lists)
def test_turning_every_pair_round_mirrors_the_accuracy(margins):
    there, back = pairwise_accuracy(margins), pairwise_accuracy([-m for m in margins])
    assert there.accuracy.estimate + back.accuracy.estimate == pytest.approx(1)
    assert there.n_ties == back.n_ties


def test_a_planted_temperature_is_found_and_repairs_the_calibration():
    fit = fit_temperature(calibrated_margins(20_000, seed=6, temperature=2.5), rng=np.random.default_rng(7))
    assert fit.temperature == pytest.approx(2.5, rel=0.05)
    assert fit.ece_after < 0.02 < fit.ece_before
    assert fit.nll_after < fit.nll_before
    assert fit.n_fitted == fit.n_held_out == 10_000


def test_the_halves_of_the_temperature_fit_do_not_share_a_prompt():
    margins = np.concatenate([calibrated_margins(30, seed=8), [5.0]])
    fit = fit_temperature(margins, clusters=[0] * 30 + [1], rng=np.random.default_rng(9))
    assert sorted([fit.n_fitted, fit.n_held_out]) == [1, 30]


@pytest.mark.parametrize(
    ("margins", "reason"),
    [([1.0, 2.0, 3.0, 1.0], "T = 0"), ([-1.0, -2.0, -3.0, -1.0], "infinite T"), ([0.0] * 4, "infinite T")],
)
def test_scores_without_a_best_temperature_get_none(margins, reason):
    fit = fit_temperature(margins, rng=np.random.default_rng(0))
    assert (fit.temperature, fit.nll_after, fit.ece_after) == (None, None, None)
    assert reason in fit.reason


def test_margins_are_summarised_with_accuracy_by_size():
    margins = calibrated_margins(5000, seed=10)
    summary = summarise_margins(margins, bins=5)
    assert summary.mean.estimate == pytest.approx(margins.mean())
    assert summary.mean.low < summary.mean.estimate < summary.mean.high
    assert sum(summary.histogram_counts) == 5000
    assert len(summary.histogram_edges) == 6
    assert summary.accuracy_by_size[0].observed < summary.accuracy_by_size[-1].observed


@pytest.mark.parametrize("margins", [[], [float("nan")], [[1.0]]])
def test_what_is_not_a_list_of_margins_is_refused(margins):
    with pytest.raises(StatisticsError):
        negative_log_likelihood(margins)


def test_one_pair_has_no_temperature():
    with pytest.raises(StatisticsError, match="at least two pairs"):
        fit_temperature([1.0], rng=np.random.default_rng(0))
