from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from evalsuite.errors import StatisticsError
from evalsuite.stats.decisions import Decision
from evalsuite.stats.families import (
    benjamini_hochberg,
    closed_e_values,
    e_benjamini_hochberg,
    fail_levels,
    holm,
    overall_decision,
)

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=12)
E_VALUES = st.lists(st.floats(0, 100), min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("metrics", "verdict"),
    [
        (["PASS", "PASS"], "PASS"),
        (["PASS", "INCONCLUSIVE"], "INCONCLUSIVE"),
        (["PASS", "FAIL"], "FAIL"),
        (["INCONCLUSIVE", "FAIL"], "FAIL"),
    ],
)
def test_all_must_pass_and_any_may_fail(metrics: list[str], verdict: str) -> None:
    assert overall_decision(Decision(name) for name in metrics) is Decision(verdict)


def test_no_metric_is_no_verdict() -> None:
    with pytest.raises(StatisticsError, match="without metrics"):
        overall_decision([])
    with pytest.raises(StatisticsError, match="without metrics"):
        fail_levels(0.05, 0)


def test_false_alarm_rate_is_shared_by_weight() -> None:
    assert fail_levels(0.05, 5) == pytest.approx((0.01,) * 5)
    assert fail_levels(0.05, 3, [2, 1, 1]) == pytest.approx((0.025, 0.0125, 0.0125))


@settings(max_examples=30, deadline=None)
@given(P_VALUES)
def test_holm_and_bh_agree_with_statsmodels(p: list[float]) -> None:
    np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1], atol=1e-12)
    np.testing.assert_allclose(benjamini_hochberg(p), multipletests(p, method="fdr_bh")[1], atol=1e-12)


def test_weights_favour_their_metric_in_holm() -> None:
    assert holm([0.04, 0.04], [3, 1])[0] == pytest.approx(0.04 * 4 / 3)
    assert holm([0.04, 0.04], [3, 1])[1] == pytest.approx(0.04 * 4 / 3)
    np.testing.assert_allclose(holm([0.01, 0.03], [1, 1]), holm([0.01, 0.03]))


@given(E_VALUES)
def test_closed_e_values_are_the_worst_average_over_sets(e: list[float]) -> None:
    brute = []
    for k in range(len(e)):
        others = [value for j, value in enumerate(e) if j != k]
        sets = [chosen for size in range(len(e)) for chosen in combinations(others, size)]
        brute.append(min((e[k] + sum(chosen)) / (1 + len(chosen)) for chosen in sets))
    np.testing.assert_allclose(closed_e_values(e), brute, rtol=1e-9, atol=1e-12)


@given(E_VALUES, st.floats(0.01, 0.3))
def test_e_bh_finds_the_largest_set_that_pays_for_itself(e: list[float], alpha: float) -> None:
    found = e_benjamini_hochberg(e, alpha)
    ordered = sorted(e, reverse=True)
    sizes = [k for k in range(1, len(e) + 1) if ordered[k - 1] >= len(e) / (alpha * k) * (1 - 1e-12)]
    assert found.sum() == max(sizes, default=0)
    if found.any() and not found.all():
        values = np.array(e)
        assert values[found].min() >= values[~found].max()


def test_closing_rejects_at_least_what_bonferroni_does() -> None:
    e = [200.0, 30.0, 0.5]
    bonferroni = np.array(e) / 3 >= 20
    assert np.all((closed_e_values(e) >= 20)[bonferroni])


@pytest.mark.parametrize("p", [[-0.1], [1.1], [float("nan")], []])
def test_odd_p_values_are_refused(p: list[float]) -> None:
    for adjust in (holm, benjamini_hochberg):
        with pytest.raises(StatisticsError):
            adjust(p)


def test_odd_e_values_weights_and_levels_are_refused() -> None:
    with pytest.raises(StatisticsError, match="negative"):
        closed_e_values([-1.0])
    with pytest.raises(StatisticsError, match="alpha"):
        e_benjamini_hochberg([1.0], 0.0)
    with pytest.raises(StatisticsError, match="weights"):
        holm([0.1, 0.2], [1.0])
    with pytest.raises(StatisticsError, match="weights"):
        fail_levels(0.05, 2, [1.0, 0.0])
