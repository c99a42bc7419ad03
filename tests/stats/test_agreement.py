"""Agreement coefficients and Dawid-Skene."""

from __future__ import annotations

import evalica
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from evalsuite.errors import StatisticsError
from evalsuite.stats.agreement import agree, dawid_skene, krippendorff_alpha

nan = float("nan")

# The worked example of Krippendorff 2011: four observers, twelve units, missing ratings.
OBSERVERS = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, nan, nan, nan],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, nan, 3],
    [nan, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, nan],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, nan],
]


def noisy_panel(n: int, seed: int, confusions: list[list[list[float]]], prevalence: list[float]):
    """True categories and what each rater, with a known confusion matrix, says about them."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(len(prevalence), size=n, p=prevalence)
    said = [[rng.choice(len(prevalence), p=matrix[t]) for t in truth] for matrix in confusions]
    return truth, np.array(said, dtype=float)


def test_kappa_equals_that_of_scikit_learn():
    rng = np.random.default_rng(1)
    first = rng.integers(3, size=400)
    second = np.where(rng.random(400) < 0.6, first, rng.integers(3, size=400))
    result = agree(first, second, rng=rng)
    assert result.kappa.estimate == pytest.approx(cohen_kappa_score(first, second))
    assert result.kappa.low < result.kappa.estimate < result.kappa.high
    assert result.raw.estimate == pytest.approx((first == second).mean())
    assert result.confusion.sum() == 400
    assert result.confusion[0, 1] == ((first == 0) & (second == 1)).sum()


def test_kappa_misleads_under_skew_and_the_confusion_matrix_shows_it():
    result = agree([1] * 97 + [0, 1, 1], [1] * 97 + [1, 0, 0], rng=np.random.default_rng(0))
    assert result.raw.estimate == pytest.approx(0.97)
    assert result.kappa.estimate < 0
    assert result.confusion.tolist() == [[0, 1], [2, 97]]


def test_one_category_has_no_kappa():
    assert agree([1, 1], [1, 1], rng=np.random.default_rng(0)).kappa is None


def test_items_rated_once_are_counted_as_missing():
    result = agree([1, 0, nan], [1, nan, 0], rng=np.random.default_rng(0))
    assert (result.n, result.n_missing) == (1, 2)
    assert result.raw.estimate == 1.0


@pytest.mark.parametrize(("scale", "published"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_alpha_of_the_published_example(scale, published):
    alpha = krippendorff_alpha(OBSERVERS, scale, rng=np.random.default_rng(2))
    assert alpha.estimate == pytest.approx(published, abs=5e-4)
    assert alpha.n == 11  # the last unit has a single rating


@pytest.mark.parametrize("scale", ["nominal", "ordinal", "interval"])
def test_alpha_equals_that_of_evalica(scale):
    rng = np.random.default_rng(3)
    ratings = np.clip(rng.integers(1, 6, 80) + rng.integers(-1, 2, (4, 80)), 1, 5).astype(float)
    ratings[rng.random(ratings.shape) < 0.2] = nan
    oracle = evalica.alpha(pd.DataFrame(ratings), distance=scale).alpha
    assert krippendorff_alpha(ratings, scale, rng=rng, draws=10).estimate == pytest.approx(oracle)


def test_alpha_intervals_cover_the_population_value_at_their_nominal_rate():
    def sample(rng, n):
        truth = rng.random(n) < 0.4
        return np.where(rng.random((2, n)) < 0.15, ~truth, truth).astype(float)

    rng = np.random.default_rng(4)
    population = krippendorff_alpha(sample(rng, 1_000_000), "nominal", rng=rng, draws=2).estimate
    covered = 0
    for _ in range(200):
        alpha = krippendorff_alpha(sample(rng, 150), "nominal", rng=rng, draws=300)
        covered += alpha.low <= population <= alpha.high
    assert 0.9 <= covered / 200 <= 0.99


def test_ratings_that_share_a_prompt_are_resampled_together():
    rng = np.random.default_rng(5)
    truth = rng.random(60) < 0.5
    panel = np.where(rng.random((2, 60)) < 0.2, ~truth, truth).astype(float)
    many = np.repeat(panel, 5, axis=1)
    alone = krippendorff_alpha(many, "nominal", rng=np.random.default_rng(0))
    grouped = krippendorff_alpha(many, "nominal", clusters=np.repeat(np.arange(60), 5), rng=np.random.default_rng(0))
    assert grouped.se > 1.8 * alone.se
    assert grouped.n_clusters == 60


def test_a_single_value_leaves_alpha_undefined():
    assert krippendorff_alpha([[1, 1], [1, 1]], "nominal", rng=np.random.default_rng(0)) is None


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["nominal", "ordinal", "interval"]))
def test_alpha_does_not_depend_on_the_order_of_raters_or_items(seed, scale):
    rng = np.random.default_rng(seed)
    ratings = rng.integers(1, 4, (3, 15)).astype(float)
    ratings[rng.random(ratings.shape) < 0.2] = nan
    shuffled = ratings[rng.permutation(3)][:, rng.permutation(15)]
    if ((~np.isnan(ratings)).sum(axis=0) < 2).all():
        return
    one = krippendorff_alpha(ratings, scale, rng=rng, draws=2)
    other = krippendorff_alpha(shuffled, scale, rng=rng, draws=2)
    if one is None:
        assert other is None
    else:
        assert one.estimate == pytest.approx(other.estimate)
        assert one.estimate <= 1 + 1e-12


def test_dawid_skene_recovers_planted_confusion_matrices_and_beats_the_majority():
    planted = [
        [[0.95, 0.05], [0.10, 0.90]],
        [[0.80, 0.20], [0.30, 0.70]],
        [[0.60, 0.40], [0.15, 0.85]],
        [[0.55, 0.45], [0.45, 0.55]],
        [[0.70, 0.30], [0.40, 0.60]],
    ]
    truth, said = noisy_panel(4000, 6, planted, [0.65, 0.35])
    result = dawid_skene(said)
    assert result.converged
    assert not result.too_small
    np.testing.assert_allclose(result.confusion, planted, atol=0.04)
    np.testing.assert_allclose(result.prevalence, [0.65, 0.35], atol=0.03)
    majority = (said.mean(axis=0) > 0.5).astype(float)
    assert (result.labels == truth).mean() > (majority == truth).mean() + 0.03


def test_dawid_skene_takes_missing_ratings_and_three_categories():
    matrix = [[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6]]
    truth, said = noisy_panel(1500, 7, [matrix] * 5, [0.3, 0.3, 0.4])
    rng = np.random.default_rng(8)
    holes = rng.random(said.shape) < 0.3
    holes[0] = False
    said[holes] = nan
    result = dawid_skene(said)
    np.testing.assert_allclose(result.posterior.sum(axis=1), 1)
    np.testing.assert_allclose(result.confusion.mean(axis=0), matrix, atol=0.05)
    assert (result.labels == truth).mean() > 0.85


def test_a_panel_too_small_for_dawid_skene_is_flagged():
    assert dawid_skene([[1, 0, 1], [1, 0, 0]]).too_small


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: agree([nan], [1.0], rng=np.random.default_rng(0)), "rated by both"),
        (lambda: krippendorff_alpha([[1, nan], [nan, 1]], "nominal", rng=np.random.default_rng(0)), "two ratings"),
        (lambda: krippendorff_alpha([[1, 2], [1, 1]], "ratio", rng=np.random.default_rng(0)), "scale must be"),
        (lambda: krippendorff_alpha([[1, 2]], "nominal", rng=np.random.default_rng(0)), "raters >= 2"),
        (lambda: dawid_skene([[1, nan], [1, nan]]), "item 1 has no rating"),
        (lambda: dawid_skene([[1, 1], [1, 1]]), "same category"),
        (lambda: agree(["a"], ["b"], rng=np.random.default_rng(0)), "need numbers"),
    ],
)
def test_ratings_without_an_answer_are_refused(call, message):
    with pytest.raises(StatisticsError, match=message):
        call()
