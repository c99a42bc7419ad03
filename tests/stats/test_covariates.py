from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm

from evalsuite.errors import StatisticsError
from evalsuite.stats.covariates import adjusted_mean, gate_covariates
from evalsuite.stats.paired import paired_difference
from evalsuite.stats.standard_errors import standard_error

RNG = np.random.default_rng


def scores(seed: int, total: int = 400) -> tuple[np.ndarray, np.ndarray]:
    rng = RNG(seed)
    z = rng.normal(size=(total, 2))
    return z @ [0.3, -0.1] + 0.2 * rng.normal(size=total), z


def test_with_all_prompts_judged_it_is_the_plain_paired_estimate() -> None:
    d, z = scores(1)
    found = adjusted_mean(d, z)
    plain = paired_difference(d, np.zeros(400), kind="real")
    assert (found.estimate, found.se, found.df) == pytest.approx((plain.difference, plain.se, plain.df))
    assert found.used == ()


def test_estimate_is_the_regression_prediction_at_the_population_mean() -> None:
    d, z = scores(2)
    found = adjusted_mean(d[:100], z)
    fit = sm.OLS(d[:100], sm.add_constant(z[:100])).fit(cov_type="HC3")
    point = np.concatenate([[1.0], z.mean(axis=0)])
    assert found.estimate == pytest.approx(float(point @ fit.params))
    assert found.r_squared == pytest.approx(fit.rsquared)
    assert found.coefficients == pytest.approx(tuple(fit.params[1:]))
    hc3 = float(point @ fit.cov_params() @ point)
    assert found.se == pytest.approx((hc3 + np.var(z @ fit.params[1:], ddof=1) / 400) ** 0.5)
    assert found.df == 97


def test_covariates_cut_the_standard_error_and_keep_coverage() -> None:
    covered, ratios = 0, []
    for seed in range(400):
        d, z = scores(1000 + seed)
        found = adjusted_mean(d[:60], z)
        assert found.se is not None
        assert found.plain_se is not None
        ratios.append(found.se / found.plain_se)
        covered += abs(found.estimate) <= 2.0 * found.se
    assert np.mean(ratios) < 0.75
    assert 0.92 < covered / 400 < 0.98


def test_singleton_clusters_are_hc3() -> None:
    d, z = scores(3)
    plain, single = adjusted_mean(d[:80], z), adjusted_mean(d[:80], z, clusters=np.arange(400))
    assert single.estimate == pytest.approx(plain.estimate)
    assert single.se == pytest.approx(plain.se)


def test_clustered_variance_follows_the_leave_one_cluster_out_definition() -> None:
    d, z = scores(4)
    clusters = np.arange(400) // 3
    found = adjusted_mean(d[:120], z, clusters=clusters)
    x = np.column_stack([np.ones(120), z[:120]])
    point = np.concatenate([[1.0], z.mean(axis=0)])
    bread = np.linalg.inv(x.T @ x)
    residuals = d[:120] - x @ bread @ x.T @ d[:120]
    variance = 0.0
    for label in range(40):
        rows = x[clusters[:120] == label]
        own = rows @ bread @ rows.T
        inflated = np.linalg.solve(np.eye(len(rows)) - own, residuals[clusters[:120] == label])
        variance += float(point @ bread @ rows.T @ inflated) ** 2
    population = standard_error(z @ found.coefficients, clusters).se
    assert population is not None
    assert found.se == pytest.approx((variance + population**2) ** 0.5)


def test_duplicating_every_row_within_a_cluster_leaves_the_standard_error_unchanged() -> None:
    d, z = scores(5)
    once = adjusted_mean(d[:90], z)
    twice = adjusted_mean(np.repeat(d[:90], 2), np.repeat(z, 2, axis=0), clusters=np.repeat(np.arange(400), 2))
    assert twice.estimate == pytest.approx(once.estimate)
    assert twice.se == pytest.approx(once.se)


def test_judged_prompts_may_stand_anywhere_in_the_plan() -> None:
    d, z = scores(6)
    order = RNG(7).permutation(400)
    first = adjusted_mean(d[:70], z)
    place = np.empty(400, dtype=int)
    place[order] = np.arange(400)
    assert adjusted_mean(d[:70], z[order], judged=place[:70]).estimate == pytest.approx(first.estimate)


def test_constant_and_repeated_columns_are_left_out() -> None:
    d, z = scores(8)
    padded = np.column_stack([np.full(400, 7.0), z[:, 0], 2 * z[:, 0] + 1, z[:, 1]])
    found = adjusted_mean(d[:100], padded)
    assert found.used == (1, 3)
    assert found.se == pytest.approx(adjusted_mean(d[:100], z).se)


def test_a_covariate_carried_by_one_prompt_is_not_trusted() -> None:
    d, _ = scores(9)
    found = adjusted_mean(d[:100], np.eye(400)[:, :1])
    assert found.used == ()
    assert found.se == pytest.approx(standard_error(d[:100]).se)


def test_few_prompts_are_not_adjusted() -> None:
    d, z = scores(10)
    assert adjusted_mean(d[:29], z).used == ()
    assert adjusted_mean(d[:30], z).used == (0, 1)


def test_scaling_a_covariate_changes_nothing() -> None:
    d, z = scores(11)
    assert adjusted_mean(d[:50], 1e6 * z + 3).se == pytest.approx(adjusted_mean(d[:50], z).se)


def test_gate_covariates_stack_what_is_known() -> None:
    z = gate_covariates(
        [0.0, 1.0, 0.5], difficulty=[0.1, 0.2, 0.3], candidate_lengths=[5, 9, 7], baseline_lengths=[5, 5, 5]
    )
    assert z.shape == (3, 3)
    assert z[0, 2] == 0.0
    assert gate_covariates([0.0, 1.0], candidate_lengths=[3, 3], baseline_lengths=[3, 3])[:, 1].tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("d", "z", "kwargs", "message"),
    [
        ([float("nan")], [[1.0]], {}, "NaN"),
        ([0.1, 0.2], [[1.0], [float("nan")]], {}, "covariates"),
        ([0.1, 0.2], [[1.0]], {}, "positions"),
        ([0.1], np.zeros((3, 5)), {}, "from 1 to 4"),
        ([0.1, 0.2], [[1.0], [2.0]], {"judged": [0, 0]}, "distinct"),
        ([0.1, 0.2], [[1.0], [2.0]], {"judged": [0, 2]}, "distinct"),
    ],
)
def test_unusable_input_is_refused(
    d: list[float], z: list[list[float]], kwargs: dict[str, list[int]], message: str
) -> None:
    with pytest.raises(StatisticsError, match=message):
        adjusted_mean(d, z, **kwargs)  # type: ignore[arg-type]


def test_gate_covariates_refuse_half_of_the_lengths_and_unequal_columns() -> None:
    with pytest.raises(StatisticsError, match="both"):
        gate_covariates([1.0], candidate_lengths=[3])
    with pytest.raises(StatisticsError, match="length"):
        gate_covariates([1.0, 2.0], difficulty=[3.0])
