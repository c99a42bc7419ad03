"""Identities and published values of best-of-n (Gao et al. 2022; Coste et al. 2023)."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalsuite.errors import StatisticsError
from evalsuite.tasks.rewards.best_of_n import best_of_n, best_of_n_kl, best_of_n_weights, fit_overoptimisation, grid
from evalsuite.tasks.rewards.ensembles import combined, normalised

SCORES = st.lists(st.integers(-5, 5), min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("n", "kl"), [(1, 0.0), (2, 0.1931), (4, 0.6363), (16, 1.8351), (64, 3.1745), (256, 4.5491), (1024, 5.9324)]
)
def test_kl_of_best_of_n(n: int, kl: float) -> None:
    assert float(best_of_n_kl(n)) == pytest.approx(kl, abs=5e-5)


@pytest.mark.parametrize(("n", "total"), [(1, 1), (1, 7), (7, 7), (3, 10), (64, 12600), (12500, 12600)])
def test_weights_are_the_exact_probabilities_and_sum_to_one(n: int, total: int) -> None:
    weights = best_of_n_weights(n, total)
    assert weights.sum() == pytest.approx(1.0, abs=1e-12)
    if total <= 10:
        exact = [math.comb(rank - 1, n - 1) / math.comb(total, n) for rank in range(1, total + 1)]
        assert weights == pytest.approx(exact, abs=1e-15)


@given(SCORES, st.data())
def test_the_estimate_is_the_mean_over_all_subsets_with_ties_drawn_fairly(
    proxy: list[int], data: st.DataObject
) -> None:
    gold = data.draw(st.lists(st.floats(-3, 3), min_size=len(proxy), max_size=len(proxy)))
    n = data.draw(st.integers(1, len(proxy)))
    picks = []
    for subset in itertools.combinations(range(len(proxy)), n):
        highest = max(proxy[i] for i in subset)
        # The whole tie shares its gold, whether or not all of it is in the subset: the estimator's expectation.
        shared = [gold[i] for i in range(len(proxy)) if proxy[i] == highest]
        picks.append(sum(shared) / len(shared))
    assert best_of_n(proxy, gold, [n])[0] == pytest.approx(sum(picks) / len(picks), abs=1e-9)


@given(SCORES, st.data())
def test_one_answer_gives_the_mean_and_all_give_the_gold_of_the_best(proxy: list[int], data: st.DataObject) -> None:
    gold = np.array(data.draw(st.lists(st.floats(-3, 3), min_size=len(proxy), max_size=len(proxy))))
    first, last = best_of_n(proxy, gold, [1, len(proxy)])
    assert first == pytest.approx(gold.mean(), abs=1e-9)
    assert last == pytest.approx(gold[np.array(proxy) == max(proxy)].mean(), abs=1e-9)


@given(SCORES, st.data())
def test_monotone_transforms_of_the_proxy_and_the_order_of_answers_change_nothing(
    proxy: list[int], data: st.DataObject
) -> None:
    gold = data.draw(st.lists(st.floats(-3, 3), min_size=len(proxy), max_size=len(proxy)))
    order = data.draw(st.permutations(range(len(proxy))))
    ns = grid(len(proxy))
    curve = best_of_n(proxy, gold, ns)
    assert best_of_n(np.exp(proxy), gold, ns) == pytest.approx(curve, abs=1e-9)
    assert best_of_n([proxy[i] for i in order], [gold[i] for i in order], ns) == pytest.approx(curve, abs=1e-9)


@given(SCORES)
def test_the_proxy_never_thinks_that_it_loses(proxy: list[int]) -> None:
    assert np.all(np.diff(best_of_n(proxy, proxy, range(1, len(proxy) + 1))) >= -1e-12)


@pytest.mark.parametrize(("form", "law"), [("best-of-n", lambda d: d), ("rl", np.log)])
def test_a_planted_law_of_overoptimisation_is_found(form: str, law: object) -> None:
    distance = np.sqrt(best_of_n_kl(grid(1024)))
    with np.errstate(divide="ignore", invalid="ignore"):
        gain = distance * (1.5 - 0.4 * law(distance))  # type: ignore[operator]
    gain[0] = 0.0
    fit = fit_overoptimisation(distance, gain, form)
    assert fit is not None
    assert (fit.alpha, fit.beta, fit.rmse) == pytest.approx((1.5, 0.4, 0.0), abs=1e-9)


def test_two_points_are_needed_for_a_fit() -> None:
    assert fit_overoptimisation([0.0, 0.4], [0.0, 0.3]) is None


@pytest.mark.parametrize("n", [0, 5])
def test_n_outside_the_answers_is_refused(n: int) -> None:
    with pytest.raises(StatisticsError, match="between 1 and"):
        best_of_n([1.0, 2.0], [1.0, 2.0], [n])


def test_not_a_number_is_refused() -> None:
    with pytest.raises(StatisticsError, match="finite"):
        best_of_n([1.0, math.nan], [1.0, 2.0], [1])


def test_ensemble_rules_on_a_case_worked_by_hand() -> None:
    scores = [[1.0, 4.0], [3.0, 0.0]]
    assert combined(scores, "mean").tolist() == [2.0, 2.0]
    assert combined(scores, "wco").tolist() == [1.0, 0.0]
    assert combined(scores, "uwo").tolist() == [1.5, 0.0]  # variances 1 and 4, λ = 0.5
    assert combined(scores, "uwo", ddof=1).tolist() == [1.0, -2.0]


@given(st.lists(st.lists(st.integers(-9, 9), min_size=3, max_size=3), min_size=1, max_size=4), st.floats(0.1, 9.0))
def test_normalised_members_forget_their_scale(rows: list[list[int]], scale: float) -> None:
    scores = np.array(rows, dtype=float)
    assert normalised(scores * scale + 5.0) == pytest.approx(normalised(scores), abs=1e-6)


def test_a_constant_member_of_an_ensemble_says_nothing() -> None:
    assert normalised([[2.0, 2.0], [0.0, 4.0]]).tolist() == [[0.0, 0.0], [-1.0, 1.0]]
