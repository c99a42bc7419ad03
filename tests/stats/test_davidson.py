"""Bradley-Terry with a tie parameter."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from evalsuite.errors import StatisticsError
from evalsuite.stats.davidson import fit_davidson


def davidson_battles(n: int, seed: int, nu: float = 0.8) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    pi = np.exp([0.8, 0.2, -0.2, -0.8])
    first = rng.integers(4, size=n)
    second = (first + 1 + rng.integers(3, size=n)) % 4
    masses = np.stack([pi[first], pi[second], nu * np.sqrt(pi[first] * pi[second])], axis=1)
    u = rng.random(n) * masses.sum(axis=1)
    outcome = np.where(u < masses[:, 0], 1.0, np.where(u < masses[:, :2].sum(axis=1), 0.0, 0.5))
    return first, second, outcome


def test_planted_strengths_and_tie_rate_are_recovered():
    fit = fit_davidson(*davidson_battles(40_000, seed=1))
    np.testing.assert_allclose(fit.strengths, [0.8, 0.2, -0.2, -0.8], atol=0.05)
    assert fit.tie_parameter == pytest.approx(0.8, abs=0.03)


def test_the_estimate_maximises_the_likelihood():
    first, second, outcome = davidson_battles(500, seed=2)

    def negative_log_likelihood(params):
        theta, log_nu = np.r_[0, params[:3]], params[3]
        utility = np.stack([theta[first], theta[second], log_nu + (theta[first] + theta[second]) / 2], axis=1)
        chosen = utility[np.arange(500), np.where(outcome == 1, 0, np.where(outcome == 0, 1, 2))]
        return np.logaddexp.reduce(utility, axis=1).sum() - chosen.sum()

    oracle = minimize(negative_log_likelihood, np.zeros(4), tol=1e-12).x
    fit = fit_davidson(first, second, outcome)
    np.testing.assert_allclose(fit.strengths - fit.strengths[0], np.r_[0, oracle[:3]], atol=1e-4)
    assert np.log(fit.tie_parameter) == pytest.approx(oracle[3], abs=1e-4)


def test_standard_errors_match_the_spread_over_repeated_data():
    fits = [fit_davidson(*davidson_battles(1000, seed=s)) for s in range(100, 400)]
    spread = np.std([np.r_[f.strengths, np.log(f.tie_parameter)] for f in fits], axis=0, ddof=1)
    claimed = np.sqrt(np.mean([np.diag(f.covariance) for f in fits], axis=0))
    np.testing.assert_allclose(claimed, spread, rtol=0.15)


def test_each_battle_its_own_prompt_equals_no_clusters():
    battles = davidson_battles(500, seed=3)
    np.testing.assert_allclose(
        fit_davidson(*battles, clusters=np.arange(500)).covariance, fit_davidson(*battles).covariance
    )


@pytest.mark.parametrize(
    ("outcomes", "message"),
    [
        ([1, 0, 1], "both tied and decided"),
        ([0.5] * 3, "both tied and decided"),
        ([1, 0.5, 0.7], "exactly 0, 0.5 or 1"),
    ],
)
def test_outcomes_without_a_tie_rate_are_refused(outcomes, message):
    with pytest.raises(StatisticsError, match=message):
        fit_davidson([0, 1, 0], [1, 0, 1], outcomes)
