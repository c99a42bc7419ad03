"""PPI++ and Rogan-Gladen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalsuite.errors import StatisticsError
from evalsuite.stats.corrections import prediction_powered_mean, rogan_gladen


def judged(rng, n: int, sensitivity: float = 0.9, specificity: float = 0.7, rate: float = 0.4):
    truth = rng.random(n) < rate
    verdict = np.where(truth, rng.random(n) < sensitivity, rng.random(n) >= specificity)
    return truth.astype(float), verdict.astype(float)


def test_weight_zero_is_the_plain_mean_of_the_gold_labels():
    truth, verdict = judged(np.random.default_rng(1), 100)
    for design in ("disjoint", "same_sample"):
        result = prediction_powered_mean(truth, verdict, verdict, design=design, weight=0.0)
        assert result.mean.estimate == pytest.approx(truth.mean())
        assert result.mean.se == pytest.approx(truth.std(ddof=1) / 10)
        assert result.gold_only.low == pytest.approx(result.mean.low)


def test_weight_and_variance_are_those_of_the_formula():
    rng = np.random.default_rng(2)
    truth, verdict = judged(rng, 200)
    _, elsewhere = judged(rng, 800)
    result = prediction_powered_mean(truth, verdict, elsewhere)
    spread = np.concatenate([verdict, elsewhere]).var(ddof=1)
    weight = np.cov(truth, verdict)[0, 1] / ((1 + 200 / 800) * spread)
    assert result.weight == pytest.approx(weight)
    assert result.mean.estimate == pytest.approx(weight * elsewhere.mean() + (truth - weight * verdict).mean())
    variance = weight**2 * elsewhere.var(ddof=1) / 800 + (truth - weight * verdict).var(ddof=1) / 200
    assert result.mean.se == pytest.approx(variance**0.5)


@pytest.mark.parametrize("design", ["disjoint", "same_sample"])
def test_intervals_cover_a_biased_judge_and_are_shorter_than_those_of_gold_alone(design):
    rng = np.random.default_rng(3)
    covered, ratios = 0, []
    for _ in range(600):
        truth, verdict = judged(rng, 1000)
        gold = slice(0, 150)
        everywhere = verdict[150:] if design == "disjoint" else verdict
        result = prediction_powered_mean(truth[gold], verdict[gold], everywhere, design=design)
        covered += result.mean.low <= 0.4 <= result.mean.high
        ratios.append(result.variance_ratio)
    assert 0.93 <= covered / 600 <= 0.97
    assert np.mean(ratios) < 0.8


def test_gold_on_every_prompt_leaves_nothing_to_correct():
    truth, verdict = judged(np.random.default_rng(4), 300)
    result = prediction_powered_mean(truth, verdict, verdict, design="same_sample")
    assert result.mean.estimate == pytest.approx(truth.mean())
    assert result.mean.se == pytest.approx(truth.std(ddof=1) / 300**0.5)


def test_a_judge_that_guesses_is_given_hardly_any_weight():
    rng = np.random.default_rng(5)
    truth, verdict = judged(rng, 2000, sensitivity=0.5, specificity=0.5)
    result = prediction_powered_mean(truth[:1000], verdict[:1000], verdict[1000:])
    assert result.weight < 0.05
    assert result.variance_ratio == pytest.approx(1, abs=0.02)


def test_a_constant_judge_gets_no_weight():
    truth, _ = judged(np.random.default_rng(6), 50)
    assert prediction_powered_mean(truth, np.ones(50), np.ones(100)).weight == 0.0


@given(st.lists(st.floats(0, 1), min_size=2, max_size=30), st.floats(0, 1))
def test_a_perfect_judge_adds_its_prompts_to_the_gold_ones(labels, weight):
    result = prediction_powered_mean(labels, labels, labels, weight=weight)
    assert result.mean.estimate == pytest.approx(np.mean(labels), abs=1e-9)


def test_rogan_gladen_worked_by_hand():
    result = rogan_gladen(
        60, 100, true_positives=89, gold_positives=98, true_negatives=79, gold_negatives=98, level=0.95
    )
    assert (result.sensitivity, result.specificity) == (0.9, 0.8)
    assert result.youden == pytest.approx(0.7)
    assert result.rate.estimate == pytest.approx(0.4 / 0.7)
    assert result.rate.low < result.rate.estimate < result.rate.high


def test_rogan_gladen_intervals_cover_with_estimated_error_rates():
    rng = np.random.default_rng(7)
    covered = 0
    for _ in range(1000):
        positive = rng.binomial(500, 0.3 * 0.85 + 0.7 * 0.2)
        result = rogan_gladen(
            positive,
            500,
            true_positives=rng.binomial(150, 0.85),
            gold_positives=150,
            true_negatives=rng.binomial(150, 0.8),
            gold_negatives=150,
        )
        covered += result.rate.low <= 0.3 <= result.rate.high
    assert 0.93 <= covered / 1000 <= 0.975


def test_a_judge_near_guessing_is_not_corrected():
    result = rogan_gladen(50, 100, true_positives=12, gold_positives=20, true_negatives=14, gold_negatives=20)
    assert result.rate is None
    assert "too near to guessing" in result.reason
    assert result.raw_rate == 0.5


@given(st.integers(0, 50), st.integers(0, 40), st.integers(0, 40))
def test_a_corrected_rate_stays_a_rate(positive, true_positives, true_negatives):
    result = rogan_gladen(
        positive, 50, true_positives=true_positives, gold_positives=40, true_negatives=true_negatives, gold_negatives=40
    )
    if result.rate is None:
        assert result.youden_low < 0.2
    else:
        assert 0 <= result.rate.low <= result.rate.estimate <= result.rate.high <= 1
        assert result.rate.se > 0


@pytest.mark.parametrize(
    "call",
    [
        lambda: prediction_powered_mean([1.0], [1.0], [1.0, 0.0]),
        lambda: prediction_powered_mean([1.0, 0.0], [1.0], [1.0, 0.0]),
        lambda: prediction_powered_mean([1.0, 0.0], [1.0, 1.0], [1.0], design="same_sample"),
        lambda: rogan_gladen(5, 4, true_positives=1, gold_positives=1, true_negatives=1, gold_negatives=1),
        lambda: rogan_gladen(1, 4, true_positives=1, gold_positives=0, true_negatives=1, gold_negatives=1),
    ],
)
def test_counts_and_labels_that_cannot_be_are_refused(call):
    with pytest.raises(StatisticsError):
        call()
