"""Bootstrap of the strengths against refits and against the sandwich covariance."""

from __future__ import annotations

import numpy as np
import pytest

from evalsuite.errors import StatisticsError
from evalsuite.stats.rating_bootstrap import bootstrap_bradley_terry
from evalsuite.stats.ratings import fit_bradley_terry


@pytest.mark.parametrize("prompt_sd", [0.0, 1.0])
def test_prompt_clustered_standard_errors_agree_with_a_prompt_bootstrap(simulated_battles, prompt_sd):
    first, second, outcome, prompt = simulated_battles(10, 12_000, 600, seed=11, prompt_sd=prompt_sd)
    fit = fit_bradley_terry(first, second, outcome, clusters=prompt)
    replicates = bootstrap_bradley_terry(
        first, second, outcome, clusters=prompt, rounds=500, rng=np.random.default_rng(12)
    )
    ratio = fit.standard_errors / replicates.strengths.std(axis=0, ddof=1)
    assert np.mean(ratio) == pytest.approx(1, abs=0.05)


def test_each_replicate_is_a_refit_of_its_resample(simulated_battles):
    first, second, outcome, prompt = simulated_battles(5, 400, 40, seed=13)
    replicates = bootstrap_bradley_terry(
        first, second, outcome, clusters=prompt, rounds=3, rng=np.random.default_rng(14)
    )
    rng = np.random.default_rng(14)
    for row in replicates.strengths:
        times = np.bincount(rng.integers(40, size=40), minlength=40)
        refit = fit_bradley_terry(first, second, outcome, weights=times[prompt].astype(float))
        np.testing.assert_allclose(row, refit.strengths, atol=1e-7)


def test_resampling_battles_agrees_with_the_unclustered_sandwich(simulated_battles):
    first, second, outcome, _ = simulated_battles(6, 5000, 100, seed=15)
    replicates = bootstrap_bradley_terry(first, second, outcome, rounds=1000, rng=np.random.default_rng(16))
    expected = fit_bradley_terry(first, second, outcome).standard_errors
    np.testing.assert_allclose(replicates.strengths.std(axis=0, ddof=1), expected, rtol=0.1)


def test_resamples_without_a_finite_estimate_are_counted_not_invented():
    first, second, outcome = [0, 0, 0, 0, 0, 1], [1] * 5 + [0], [1.0] * 6
    replicates = bootstrap_bradley_terry(first, second, outcome, rounds=200, rng=np.random.default_rng(17))
    failed = np.isnan(replicates.strengths).any(axis=1)
    assert 0 < replicates.n_failed == failed.sum() < 200
    assert np.abs(replicates.strengths[~failed]).max() < 2


def test_a_disconnected_win_graph_has_no_bootstrap():
    with pytest.raises(StatisticsError, match="not strongly connected"):
        bootstrap_bradley_terry([0, 0], [1, 1], [1, 1], rng=np.random.default_rng(0))
